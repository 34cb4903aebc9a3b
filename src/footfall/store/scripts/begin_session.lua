#!lua
-- Begins a session of a user whose password was checked.
--
-- KEYS  1 session  SET with an expiry
--       2 the user's sessions  SADD, PEXPIRE
--       3 the user  read: password
-- ARGV  1 content of the session  2 digest of its id  3 ms that it lasts  4 the password (a hash) that was checked
--
-- Result  {'OK'} | {'GONE'} (the user was removed or has another password now) | {'BROKEN', key}: nothing was changed
local session, sessions, user, ms = KEYS[1], KEYS[2], KEYS[3], tonumber(ARGV[3])

--@include is_or_none

local password = redis.pcall('HGET', user, 'password')
if type(password) == 'table' then return {'BROKEN', user} end
if password ~= ARGV[4] then return {'GONE'} end
if not is_or_none(sessions, 'set') then return {'BROKEN', sessions} end
local left = redis.call('PTTL', sessions)

redis.call('SET', session, ARGV[1], 'PX', ms)
redis.call('SADD', sessions, ARGV[2])
if left < ms then redis.call('PEXPIRE', sessions, ms) end
return {'OK'}
