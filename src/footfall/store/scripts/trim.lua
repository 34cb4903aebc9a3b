#!lua
-- Removes the oldest processed entries beyond those that are retained; never one after the checkpoint.
--
-- KEYS  1 stream  2 checkpoint  3 processed  4 meta
-- ARGV  1 how many processed entries to retain  2 how many to remove at most in this call
--
-- Result  how many entries were removed; none when a key does not hold what it must. The checkpoint's own entry stays:
--         it tells where the backlog begins.
local stream, retain, most = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local pcall = redis.pcall

-- What a string holds when all of it is like the pattern, else nil.
local function value_of(key, pattern)
    local value = pcall('GET', key)
    return type(value) == 'string' and string.match(value, pattern)
end

local checkpoint, processed = value_of(KEYS[2], '^%d+%-%d+$'), tonumber(value_of(KEYS[3], '^%d+$'))
if pcall('HGET', KEYS[4], 'state') ~= 'ready' or not checkpoint or not processed then return 0 end

local info = pcall('XINFO', 'STREAM', stream)
if info.err then return 0 end
local length, added
for i = 1, #info, 2 do
    if info[i] == 'length' then length = info[i + 1] end
    if info[i] == 'entries-added' then added = info[i + 1] end
end
local excess = math.min(length - (added - processed) - retain, most)
if excess <= 0 then return 0 end

-- Only entries up to the checkpoint are looked at, so whatever the counters say, none after it can go.
local oldest = pcall('XRANGE', stream, '-', checkpoint, 'COUNT', excess + 1)
if oldest.err or #oldest == 0 then return 0 end
local first_kept = oldest[#oldest][1]
return redis.call('XTRIM', stream, 'MINID', first_kept)
