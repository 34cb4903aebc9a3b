#!lua
-- Takes the processors' lease, or renews it.
--
-- KEYS  1 lease  compared, then set with an expiry
-- ARGV  1 token of the caller  2 ms that it is to be held
--
-- Result  {'HELD'}                        it is the caller's now; or with nothing changed:
--         {'OTHER', token}                it is another's
--         {'BROKEN', key, what is wrong}  the key is not a lease
local lease, token = KEYS[1], ARGV[1]

local found = redis.call('TYPE', lease).ok
if found ~= 'string' and found ~= 'none' then
    return {'BROKEN', lease, 'it is a ' .. found .. ', not a string'}
end
if redis.call('PTTL', lease) == -1 then return {'BROKEN', lease, 'it does not expire'} end
local holder = redis.call('GET', lease)
if holder and holder ~= token then return {'OTHER', holder} end

redis.call('SET', lease, token, 'PX', ARGV[2])
return {'HELD'}
