#!lua
-- Counts an attempt to sign in, unless there were too many: by all that it is counted by, at once.
--
-- KEYS  counters  GET, INCR, PEXPIRE
-- ARGV  1 ms after its first attempt that a counter ends: one that would last longer was there when the server's clock
--         was set back, or the setting was longer, and gets so many ms from now on
--       then per counter: how many attempts it takes
--
-- Result  {'OK'} | {'LIMITED', ms until there may be another} | {'BROKEN', key}: nothing was counted
local window, wait = tonumber(ARGV[1]), 0
for i = 1, #KEYS do
    local count = redis.pcall('GET', KEYS[i])
    if count and (type(count) ~= 'string' or not string.match(count, '^%d+$')) then return {'BROKEN', KEYS[i]} end
    local left = count and redis.call('PTTL', KEYS[i]) or 0
    if left > window then
        redis.call('PEXPIRE', KEYS[i], window)
        left = window
    end
    if count and tonumber(count) >= tonumber(ARGV[i + 1]) then wait = math.max(wait, left, 1) end
end
if wait > 0 then return {'LIMITED', wait} end

for i = 1, #KEYS do
    redis.call('INCR', KEYS[i])
    if redis.call('PTTL', KEYS[i]) < 0 then redis.call('PEXPIRE', KEYS[i], window) end
end
return {'OK'}
