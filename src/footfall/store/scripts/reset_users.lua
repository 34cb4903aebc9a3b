#!lua
-- Takes a chunk of users back to their baselines; those whom check-ins have created are deleted.
--
-- A user who was never loaded but has an email (written by another program) is kept, with baseline 0. Running it a
-- second time changes nothing.
--
-- KEYS  1 lease        compared
--       2 by check-ins ZADD or ZREM
--       3 recent       ZADD or ZREM
--       4 last seen    ZREM old, ZADD new
--       5 baseline     read; HSET when there is none, HDEL when there is no user
--       then a hash per user
--       then their activity: UNLINK
-- ARGV  1 token of the lease  then an id per user
--
-- Result  {'OK'}; or with nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, by_checkins, recent, last_seen, baselines = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call = redis.call
local FIRST_USER = 6
local LAST_USER = FIRST_USER + #ARGV - 2

--@include whole
--@include seen_member
--@include is_or_none
--@include baseline_of

-- ---------------------------------------------------------------- read and check

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
for i, expected in ipairs({'string', 'zset', 'zset', 'zset', 'hash'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end
local read = {}
for i = FIRST_USER, LAST_USER do
    if not is_or_none(KEYS[i], 'hash') then return {'BROKEN', KEYS[i]} end
    read[i] = baseline_of(baselines, ARGV[i - FIRST_USER + 2], 'numCheckins')
    if not read[i] then return {'BROKEN', baselines} end
end

-- ---------------------------------------------------------------- write

for i = FIRST_USER, LAST_USER do
    local key, id, baseline = KEYS[i], ARGV[i - FIRST_USER + 2], read[i]
    local stored = call('HMGET', key, 'email', 'lastCheckin', 'lastSeenAt')
    local at, place = tonumber(stored[2] or ''), tonumber(stored[3] or '')
    if at and place then
        call('ZREM', last_seen, seen_member(place, at, id))
    end
    if stored[1] then
        local count = whole(baseline.numCheckins)
        if baseline.is_missing then call('HSET', baselines, id, '{"numCheckins":0}') end
        call('HSET', key, 'numCheckins', count)
        call('ZADD', by_checkins, count, id)
    else
        call('UNLINK', key)
        call('HDEL', baselines, id)
        call('ZREM', by_checkins, id)
    end
    if stored[1] and baseline.lastCheckin then
        call('HSET', key, 'lastCheckin', whole(baseline.lastCheckin), 'lastSeenAt', whole(baseline.lastSeenAt))
        call('ZADD', recent, whole(baseline.lastCheckin), id)
        call('ZADD', last_seen, '0', seen_member(baseline.lastSeenAt, baseline.lastCheckin, id))
    else
        call('HDEL', key, 'lastCheckin', 'lastSeenAt')
        call('ZREM', recent, id)
    end
end
if #KEYS > LAST_USER then call('UNLINK', unpack(KEYS, LAST_USER + 1)) end
return {'OK'}
