#!lua
-- Removes the oldest processed entries beyond those that are retained; never one after the checkpoint.
--
-- KEYS  1 stream  2 checkpoint  3 processed  4 meta
-- ARGV  1 how many processed entries to retain  2 how many to remove at most in this call
--
-- Result  how many entries were removed
local stream, retain, most = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local checkpoint, processed = redis.call('GET', KEYS[2]), tonumber(redis.call('GET', KEYS[3]) or '')
if redis.call('HGET', KEYS[4], 'state') ~= 'ready' or not checkpoint or not processed then return 0 end

local info = redis.pcall('XINFO', 'STREAM', stream)
if info.err then return 0 end
local length, added
for i = 1, #info, 2 do
    if info[i] == 'length' then length = info[i + 1] end
    if info[i] == 'entries-added' then added = info[i + 1] end
end
local excess = math.min(length - (added - processed) - retain, most)
if excess <= 0 then return 0 end

-- Only entries up to the checkpoint are looked at, so whatever the counters say, none after it can go.
local oldest = redis.call('XRANGE', stream, '-', checkpoint, 'COUNT', excess + 1)
if #oldest == 0 then return 0 end
local first_kept = oldest[#oldest][1]
return redis.call('XTRIM', stream, 'MINID', first_kept)
