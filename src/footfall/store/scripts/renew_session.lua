#!lua
-- Lets a session last for its full time again, if it has not ended.
--
-- KEYS  1 session  PEXPIRE
--       2 the user's sessions  PEXPIRE: they last as long as the longest
-- ARGV  1 ms
--
-- Result  {'OK'}, or {'ENDED'} when there is none
local ms = tonumber(ARGV[1])

if redis.call('EXISTS', KEYS[1]) == 0 then return {'ENDED'} end
local left = redis.call('PTTL', KEYS[2])

redis.call('PEXPIRE', KEYS[1], ms)
if left < ms then redis.call('PEXPIRE', KEYS[2], ms) end
return {'OK'}
