#!lua
-- Changes fields of a user, and ends the user's sessions when the password is among them. Counters stay as they are.
--
-- KEYS  1 meta      read: state
--       2 email     HDEL old, HSET new
--       3 the user's hash
--       4 the user's sessions, a set  UNLINK when the password changes
--       then a session per member of that set, as the caller has read it: UNLINK
-- ARGV  1 id
--       2 email in lower case ('' when it does not change)
--       3 stored email as the caller has read it ('' when there is none)  4 that in lower case
--       5 number of sessions ('' when the password does not change), n  then the n members
--       then field and value of what changes, in turn
--
-- Result  {'OK'}; or with nothing changed:
--         {'MISSING'}      there is no such user
--         {'UNNAMED'}      only check-ins have made this user: to be added first
--         {'TAKEN'}        another user has the email
--         {'RETRY'}        email or sessions are not those that the caller has read
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key does not hold what it must
local meta, emails, user, sessions = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, pcall = redis.call, redis.pcall
local MAX_UNPACK = 2000
local id, email, old_email = ARGV[1], ARGV[2], ARGV[4]
local ended = tonumber(ARGV[5])

--@include is_or_none

-- ---------------------------------------------------------------- read and check

local state = pcall('HGET', meta, 'state')
if state == 'loading' then return {'LOADING'} end
if state ~= 'ready' then return {'BROKEN', meta} end
for i, expected in ipairs({'hash', 'hash', 'hash', 'set'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end

local stored = call('HMGET', user, 'id', 'email')
if not stored[1] then return {'MISSING'} end
if not stored[2] then return {'UNNAMED'} end
if stored[2] ~= ARGV[3] then return {'RETRY'} end
if ended then
    if call('SCARD', sessions) ~= ended then return {'RETRY'} end
    for i = 1, ended do
        if call('SISMEMBER', sessions, ARGV[5 + i]) == 0 then return {'RETRY'} end
    end
end
if email ~= '' then
    local owner = call('HGET', emails, email)
    if owner and owner ~= id then return {'TAKEN'} end
end

-- ---------------------------------------------------------------- write

local first = 6 + (ended or 0)
if #ARGV >= first then call('HSET', user, unpack(ARGV, first)) end
if email ~= '' then
    -- the old address may be another user's by now
    if old_email ~= email and call('HGET', emails, old_email) == id then call('HDEL', emails, old_email) end
    call('HSET', emails, email, id)
end
if ended then
    for i = 4, #KEYS, MAX_UNPACK do call('UNLINK', unpack(KEYS, i, math.min(i + MAX_UNPACK - 1, #KEYS))) end
end
return {'OK'}
