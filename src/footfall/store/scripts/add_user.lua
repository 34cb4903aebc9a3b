#!lua
-- Adds a user: a new one, or one of whom so far only check-ins are known, whose counters stay as they are.
--
-- KEYS  1 meta          read: state; sample: it is that no more, but may be again without this one
--       2 by check-ins  ZADD
--       3 email         read, HSET
--       4 baseline      HSETNX: counters start at 0
--       5 removed       read: an id that was removed is not given out again
--       6 the user's hash
-- ARGV  1 id  2 firstName  3 lastName  4 email  5 email in lower case  6 password (a bcrypt hash)
--
-- Result  {'OK'}; or with nothing changed:
--         {'EXISTS'}       somebody has added this user
--         {'REMOVED'}      the id is that of a user who was removed
--         {'TAKEN'}        another user has the email
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key does not hold what it must
local meta, by_checkins, emails, baselines, removed, user = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call, pcall = redis.call, redis.pcall
local id, email = ARGV[1], ARGV[5]

--@include is_or_none

-- ---------------------------------------------------------------- read and check

local state = pcall('HGET', meta, 'state')
if state == 'loading' then return {'LOADING'} end
if state ~= 'ready' then return {'BROKEN', meta} end
for i, expected in ipairs({'hash', 'zset', 'hash', 'hash', 'hash', 'hash'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end

local stored = call('HMGET', user, 'email', 'numCheckins')
local count = stored[2] or '0'
if #count > 16 or not string.find(count, '^%d+$') then return {'BROKEN', user} end
if call('HEXISTS', removed, id) == 1 then return {'REMOVED'} end
if stored[1] then return {'EXISTS'} end
local owner = call('HGET', emails, email)
if owner and owner ~= id then return {'TAKEN'} end

-- ---------------------------------------------------------------- write

call('HSET', user, 'id', id, 'firstName', ARGV[2], 'lastName', ARGV[3], 'email', ARGV[4], 'password', ARGV[6],
     'numCheckins', count)
call('HSETNX', baselines, id, '{"numCheckins":0}')
if call('HGET', meta, 'sample') == '1' then
    call('HSET', meta, 'sample', 'user ' .. id)
else
    call('HDEL', meta, 'sample')
end
call('ZADD', by_checkins, count, id)
call('HSET', emails, email, id)
return {'OK'}
