#!lua
-- Writes a chunk of users, for the first time or again, with their baselines and index entries.
--
-- What check-ins have counted since the last load is kept: numCheckins moves by the difference of the baselines, and
-- a lastCheckin that a check-in has set yields only to a newer one. Everything is read and checked before the first
-- write. Running it a second time changes nothing.
--
-- KEYS  1 lease        compared
--       2 by check-ins ZADD
--       3 recent       ZADD, or ZREM without a lastCheckin
--       4 last seen    ZREM old, ZADD new
--       5 email        HDEL old, HSET new
--       6 baseline     read, HSET
--       7 removed      read: who was removed is not loaded
--       then a hash per user
-- ARGV  1 token of the lease
--       then per user: id, firstName, lastName, email, email in lower case, stored email as the caller has read it
--       ('' when there is none), that in lower case, password, numCheckins, lastCheckin and lastSeenAt ('' when
--       there is none), baseline (JSON)
--
-- Result  {'OK'}; or with nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'REMOVED', id}  the user was removed for good
--         {'RETRY'}        a stored email is not the one that the caller has read
--         {'BROKEN', key}  a key does not hold what it must
local lease, by_checkins, recent, last_seen, emails, baselines = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local removed = KEYS[7]
local call = redis.call
local FIRST_USER, VALUES = 8, 12

--@include number_of
--@include whole
--@include seen_member
--@include is_or_none
--@include baseline_of

-- ---------------------------------------------------------------- read and check

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
for i, expected in ipairs({'string', 'zset', 'zset', 'zset', 'hash', 'hash', 'hash'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end

local users = {}
for i = FIRST_USER, #KEYS do
    local arg = 2 + VALUES * (i - FIRST_USER)
    if not is_or_none(KEYS[i], 'hash') then return {'BROKEN', KEYS[i]} end
    local stored = call('HMGET', KEYS[i], 'email', 'numCheckins', 'lastCheckin', 'lastSeenAt')
    local count, at, place = number_of(stored[2]), number_of(stored[3]), number_of(stored[4])
    if not count or not at or not place then return {'BROKEN', KEYS[i]} end
    if (stored[1] or '') ~= ARGV[arg + 5] then return {'RETRY'} end
    if call('HEXISTS', removed, ARGV[arg]) == 1 then return {'REMOVED', ARGV[arg]} end
    local baseline = baseline_of(baselines, ARGV[arg], 'numCheckins')
    if not baseline then return {'BROKEN', baselines} end
    users[i] = {count = count, at = at, place = place, baseline = baseline}
end

-- ---------------------------------------------------------------- write

for i = FIRST_USER, #KEYS do
    local key, user, arg = KEYS[i], users[i], 2 + VALUES * (i - FIRST_USER)
    local id, email, old_email = ARGV[arg], ARGV[arg + 4], ARGV[arg + 6]
    local old = user.baseline

    local count = whole(math.max(0, user.count + tonumber(ARGV[arg + 8]) - old.numCheckins))
    local at, place = tonumber(ARGV[arg + 9]) or 0, tonumber(ARGV[arg + 10]) or 0
    local old_at = old.lastCheckin or 0
    local by_checkin = user.at > old_at or (user.at == old_at and user.at > 0 and user.place ~= old.lastSeenAt)
    if by_checkin and user.at >= at then
        at, place = user.at, user.place
    end

    call('HSET', key, 'id', id, 'firstName', ARGV[arg + 1], 'lastName', ARGV[arg + 2], 'email', ARGV[arg + 3],
         'password', ARGV[arg + 7], 'numCheckins', count)
    call('HSET', baselines, id, ARGV[arg + 11])
    call('ZADD', by_checkins, count, id)
    if user.at > 0 then
        call('ZREM', last_seen, seen_member(user.place, user.at, id))
    end
    if at > 0 then
        call('HSET', key, 'lastCheckin', whole(at), 'lastSeenAt', whole(place))
        call('ZADD', recent, whole(at), id)
        call('ZADD', last_seen, '0', seen_member(place, at, id))
    else
        call('HDEL', key, 'lastCheckin', 'lastSeenAt')
        call('ZREM', recent, id)
    end
    -- the old address may be another user's by now
    if old_email ~= '' and old_email ~= email and call('HGET', emails, old_email) == id then
        call('HDEL', emails, old_email)
    end
    call('HSET', emails, email, id)
end
return {'OK'}
