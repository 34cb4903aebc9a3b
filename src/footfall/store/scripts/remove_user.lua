#!lua
-- Removes a user for good: record, index entries, baseline, sessions and histories. What was counted at locations
-- stays; how much of that was this user's is remembered under the id, which is not given out again.
--
-- KEYS  1 meta          read: state; sample: without the only one that was added it is that again
--       2 by check-ins  ZREM
--       3 recent        ZREM
--       4 last seen     ZREM
--       5 email         HDEL
--       6 baseline      read, HDEL
--       7 removed       HSET: id -> JSON of the check-ins counted beyond the baseline
--       8 the user's hash              UNLINK
--       9 the user's sessions, a set   UNLINK
--       then a session per member of that set, as the caller has read it, and what else is kept of the user: UNLINK
-- ARGV  1 id  2 stored email as the caller has read it ('' when there is none)  3 that in lower case
--       then the members of the set of sessions
--
-- Result  {'OK', number of check-ins counted beyond the baseline}; or with nothing changed:
--         {'MISSING'}      there is no such user
--         {'RETRY'}        email or sessions are not those that the caller has read
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key does not hold what it must
local meta, by_checkins, recent, last_seen, emails = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local baselines, removed, user, sessions = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local call = redis.call
local FIRST_OWN, FIRST_SESSION, MAX_UNPACK = 8, 4, 2000
local id, old_email = ARGV[1], ARGV[3]

--@include number_of
--@include whole
--@include seen_member
--@include is_or_none
--@include baseline_of

-- ---------------------------------------------------------------- read and check

local state = redis.pcall('HGET', meta, 'state')
if state == 'loading' then return {'LOADING'} end
if state ~= 'ready' then return {'BROKEN', meta} end
for i, expected in ipairs({'hash', 'zset', 'zset', 'zset', 'hash', 'hash', 'hash', 'hash', 'set'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end

local stored = call('HMGET', user, 'id', 'email', 'numCheckins', 'lastCheckin', 'lastSeenAt')
if not stored[1] then return {'MISSING'} end
if (stored[2] or '') ~= ARGV[2] then return {'RETRY'} end
local count, at, place = number_of(stored[3]), number_of(stored[4]), number_of(stored[5])
if not count or not at or not place then return {'BROKEN', user} end
if call('SCARD', sessions) ~= #ARGV - FIRST_SESSION + 1 then return {'RETRY'} end
for i = FIRST_SESSION, #ARGV do
    if call('SISMEMBER', sessions, ARGV[i]) == 0 then return {'RETRY'} end
end
local baseline = baseline_of(baselines, id, 'numCheckins')
if not baseline then return {'BROKEN', baselines} end

-- ---------------------------------------------------------------- write

count = whole(math.max(0, count - baseline.numCheckins))
call('HSET', removed, id, '{"numCheckins":' .. count .. '}')
call('HDEL', baselines, id)
call('ZREM', by_checkins, id)
call('ZREM', recent, id)
if stored[4] and stored[5] then call('ZREM', last_seen, seen_member(place, at, id)) end
if old_email ~= '' and call('HGET', emails, old_email) == id then call('HDEL', emails, old_email) end
for i = FIRST_OWN, #KEYS, MAX_UNPACK do call('UNLINK', unpack(KEYS, i, math.min(i + MAX_UNPACK - 1, #KEYS))) end
if call('HGET', meta, 'sample') == 'user ' .. id then call('HSET', meta, 'sample', '1') end
return {'OK', count}
