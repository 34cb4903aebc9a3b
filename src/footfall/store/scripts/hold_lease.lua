#!lua
-- Takes the processors' lease, or renews it.
--
-- A lease of another that lasts longer than it was taken for was there when the server's clock was set back; it gets
-- the time that it was taken for, from now on. A process that lives renews it before; one that is dead loses it.
--
-- KEYS  1 lease  compared, then SET with an expiry; PEXPIRE of another's
-- ARGV  1 token of the caller, which ends in `:<ms that it is held for>ms`  2 ms that it is to be held
--
-- Result  {'OK'}                          it is the caller's now; or with nothing changed:
--         {'OTHER', token}                it is another's; changed, at most, is how long it lasts
--         {'BROKEN', key, what is wrong}  the key is not a lease
local lease, token = KEYS[1], ARGV[1]

local found = redis.call('TYPE', lease).ok
if found ~= 'string' and found ~= 'none' then
    return {'BROKEN', lease, 'it is a ' .. found .. ', not a string'}
end
local left = redis.call('PTTL', lease)
if left == -1 then return {'BROKEN', lease, 'it does not expire'} end
local holder = redis.call('GET', lease)
if holder and holder ~= token then
    local ms = tonumber(string.match(holder, ':(%d+)ms$'))
    if ms and left > ms then redis.call('PEXPIRE', lease, ms) end
    return {'OTHER', holder}
end

redis.call('SET', lease, token, 'PX', ARGV[2])
return {'OK'}
