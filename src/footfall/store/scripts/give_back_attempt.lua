#!lua
-- Takes back an attempt to sign in that was counted: it was no guess.
--
-- KEYS  counters  GET, DECR
--
-- Result  {'OK', how many counters were changed}: those that have ended, or are none, are left
local changed = 0
for i = 1, #KEYS do
    local count = redis.pcall('GET', KEYS[i])
    if type(count) == 'string' and string.match(count, '^%d+$') and tonumber(count) > 0 then
        redis.call('DECR', KEYS[i])
        changed = changed + 1
    end
end
return {'OK', changed}
