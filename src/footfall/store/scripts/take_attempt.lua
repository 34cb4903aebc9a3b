#!lua
-- Counts an attempt to sign in, unless there were too many: by e-mail and by address, at once.
--
-- KEYS  counters  GET, INCR, PEXPIRE
-- ARGV  1 ms after its first attempt that a counter ends
--       then per counter: how many attempts it takes
--
-- Result  {'TAKEN'} | {'LIMITED', ms until there may be another} | {'BROKEN', key}: nothing was changed
local wait = 0
for i = 1, #KEYS do
    local count = redis.pcall('GET', KEYS[i])
    if count and (type(count) ~= 'string' or not string.match(count, '^%d+$')) then return {'BROKEN', KEYS[i]} end
    if count and tonumber(count) >= tonumber(ARGV[i + 1]) then
        wait = math.max(wait, redis.call('PTTL', KEYS[i]), 1)
    end
end
if wait > 0 then return {'LIMITED', wait} end

for i = 1, #KEYS do
    redis.call('INCR', KEYS[i])
    if redis.call('PTTL', KEYS[i]) < 0 then redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
end
return {'TAKEN'}
