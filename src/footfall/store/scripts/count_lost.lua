#!lua
-- Finds out how many entries others have removed from the stream before they were processed, and sets `processed`
-- right by them. Nothing is concluded from what may be so for another reason: the number is exact, or it is 0.
--
-- More than are missing for no other reason cannot have been lost: what is told beyond that is taken back. So what
-- somebody sets wrong (XSETID with ENTRIESADDED), and right again, leaves nothing behind.
--
-- KEYS  1 stream      read
--       2 checkpoint  compared
--       3 processed   entries added, less those after the checkpoint
--       4 meta        read: state, generation, trimmed, gone; lost + number of entries
-- ARGV  1 checkpoint  2 generation that the caller stands at
--
-- Result  {'OK', number of entries that are gone}
--         Negative: so many that were told to be lost never were, which is set right. 0, with `processed` as it was,
--         when none is, when it cannot be told (there are entries on both sides of the checkpoint, or more was processed
--         than was ever added), when another checkpoint or generation is stored, or when a key does not hold what it must
local stream, checkpoint_key, processed_key, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local pcall = redis.pcall

--@include stream_info
--@include whole

local fields = pcall('HMGET', meta, 'state', 'generation', 'lost', 'trimmed', 'gone')
if fields.err or fields[1] ~= 'ready' or fields[2] ~= ARGV[2] then return {'OK', 0} end
local checkpoint, processed = pcall('GET', checkpoint_key), pcall('GET', processed_key)
if checkpoint ~= ARGV[1] then return {'OK', 0} end
if type(processed) ~= 'string' or #processed > 16 or not string.match(processed, '^%d+$') then return {'OK', 0} end

local info = stream_info(stream) or {}
local length, added = info['length'], info['entries-added']
if not length then return {'OK', 0} end

local before = pcall('XRANGE', stream, '-', checkpoint, 'COUNT', 1)
local after = pcall('XRANGE', stream, '(' .. checkpoint, '+', 'COUNT', 1)
if before.err or after.err then return {'OK', 0} end
local left
if #before == 0 then
    left = length -- all of the stream lies after the checkpoint
elseif #after == 0 then
    left = 0
else
    return {'OK', 0}
end

local function number(text) return string.match(text or '', '^%d+$') and tonumber(text) or 0 end

local lost, known = added - left - tonumber(processed), number(fields[3])
local missing = added - length - number(fields[4]) - number(fields[5])
-- More was processed than was ever added: when just so many were told to be lost that are not missing, they never were;
-- otherwise open.lua says what is wrong, and nothing is concluded from it.
if lost < 0 and (missing < 0 or known + lost ~= missing) then return {'OK', 0} end
local total = math.max(0, math.min(known + lost, missing))
if lost ~= 0 then redis.call('SET', processed_key, whole(added - left)) end
if total ~= known then redis.call('HSET', meta, 'lost', whole(total)) end
return {'OK', lost}
