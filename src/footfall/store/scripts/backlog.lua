#!lua flags=no-writes
-- Tells how much is not processed yet, and for how long the oldest of it has waited. Only reads.
--
-- KEYS  1 stream  2 checkpoint  3 processed
--
-- Result  {'OK', backlog, age of the oldest unprocessed entry in ms by the server's clock, 0 without one}
--         {'BROKEN', key}  a key is missing or does not hold what it must
local stream, checkpoint_key, processed_key = KEYS[1], KEYS[2], KEYS[3]
local pcall = redis.pcall

--@include stream_info

local checkpoint, processed = pcall('GET', checkpoint_key), pcall('GET', processed_key)
if type(checkpoint) ~= 'string' then return {'BROKEN', checkpoint_key} end
processed = type(processed) == 'string' and string.match(processed, '^%d+$') and tonumber(processed)
if not processed then return {'BROKEN', processed_key} end

local info = stream_info(stream)
local added = info and info['entries-added'] or 0
-- a stream that is gone although entries of it were processed was deleted by somebody
if not info or (processed > 0 and not info['entries-added']) then return {'BROKEN', stream} end

local oldest = pcall('XRANGE', stream, '(' .. checkpoint, '+', 'COUNT', 1)
if oldest.err then return {'BROKEN', checkpoint_key} end
local age = 0
if oldest[1] then
    local now = redis.call('TIME')
    age = now[1] * 1000 + math.floor(now[2] / 1000) - tonumber(string.match(oldest[1][1], '^%d+'))
end
return {'OK', added - processed, math.max(0, age)}
