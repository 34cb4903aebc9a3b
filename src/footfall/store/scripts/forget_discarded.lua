#!lua flags=allow-oom
-- Forgets discarded entries that the stream no longer has: nothing can count them any more.
--
-- KEYS  1 discarded  HDEL
--       2 stream     read: its first entry
--       3 meta       forgotten + number of these
-- ARGV  entry ids
--
-- Result  {'OK', how many were forgotten}: none when a key does not hold what it must
local discarded, stream, meta = KEYS[1], KEYS[2], KEYS[3]

--@include digits

local first = redis.pcall('XRANGE', stream, '-', '+', 'COUNT', 1)
if first.err or not first[1] or type(redis.pcall('HLEN', discarded)) ~= 'number' then return {'OK', 0} end

local bound, forgotten = digits(first[1][1]), {}
for _, id in ipairs(ARGV) do
    if digits(id) < bound then forgotten[#forgotten + 1] = id end
end
if #forgotten == 0 then return {'OK', 0} end
if type(redis.pcall('HINCRBY', meta, 'forgotten', #forgotten)) ~= 'number' then return {'OK', 0} end
return {'OK', redis.call('HDEL', discarded, unpack(forgotten))}
