#!lua
-- Writes a chunk of locations, for the first time or again, with their details, baselines and index entries.
--
-- What check-ins have counted since the last load is kept: the counters move by the difference of the baselines.
-- Everything is read and checked before the first write. Running it a second time changes nothing.
--
-- KEYS  1 lease        compared
--       2 by check-ins ZADD
--       3 geo          GEOADD
--       4 baseline     read, HSET
--       5 removed      read: what was removed is not loaded
--       then per location: its hash, its details (SET when there are any), its category (ZADD), the category that
--       it had before (ZREM; the same key when it had none)
-- ARGV  1 token of the lease
--       then per location: id, name, category, stored category as the caller has read it ('' when there is none),
--       location, longitude, latitude, numCheckins, numStars, details (JSON, '' when there are none),
--       baseline (JSON)
--
-- Result  {'OK'}; or with nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'REMOVED', id}  the location was removed for good
--         {'RETRY'}        a stored category is not the one that the caller has read
--         {'BROKEN', key}  a key does not hold what it must
local lease, by_checkins, geo, baselines, removed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call = redis.call
local FIRST_LOCATION, KEYS_EACH, VALUES = 6, 4, 11

--@include number_of
--@include whole
--@include average_of
--@include is_or_none
--@include baseline_of

-- ---------------------------------------------------------------- read and check

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
for i, expected in ipairs({'string', 'zset', 'zset', 'hash', 'hash'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end

local locations = {}
for i = FIRST_LOCATION, #KEYS, KEYS_EACH do
    local arg = 2 + VALUES * (i - FIRST_LOCATION) / KEYS_EACH
    for j, expected in ipairs({'hash', 'string', 'zset', 'zset'}) do
        if not is_or_none(KEYS[i + j - 1], expected) then return {'BROKEN', KEYS[i + j - 1]} end
    end
    local stored = call('HMGET', KEYS[i], 'category', 'numCheckins', 'numStars')
    local count, stars = number_of(stored[2]), number_of(stored[3])
    if not count or not stars then return {'BROKEN', KEYS[i]} end
    if (stored[1] or '') ~= ARGV[arg + 3] then return {'RETRY'} end
    if call('HEXISTS', removed, ARGV[arg]) == 1 then return {'REMOVED', ARGV[arg]} end
    local baseline = baseline_of(baselines, ARGV[arg], 'numCheckins', 'numStars')
    if not baseline then return {'BROKEN', baselines} end
    locations[i] = {count = count, stars = stars, baseline = baseline}
end

-- ---------------------------------------------------------------- write

for i = FIRST_LOCATION, #KEYS, KEYS_EACH do
    local key, details, category, old_category = KEYS[i], KEYS[i + 1], KEYS[i + 2], KEYS[i + 3]
    local location, arg = locations[i], 2 + VALUES * (i - FIRST_LOCATION) / KEYS_EACH
    local id, old = ARGV[arg], location.baseline

    local count = math.max(0, location.count + tonumber(ARGV[arg + 7]) - old.numCheckins)
    local stars = math.max(0, location.stars + tonumber(ARGV[arg + 8]) - old.numStars)
    call('HSET', key, 'id', id, 'name', ARGV[arg + 1], 'category', ARGV[arg + 2], 'location', ARGV[arg + 4],
         'numCheckins', whole(count), 'numStars', whole(stars), 'averageStars', whole(average_of(stars, count)))
    call('HSET', baselines, id, ARGV[arg + 10])
    call('ZADD', by_checkins, whole(count), id)
    call('GEOADD', geo, ARGV[arg + 5], ARGV[arg + 6], id)
    if old_category ~= category then
        call('ZREM', old_category, id)
    end
    call('ZADD', category, id, id)
    if ARGV[arg + 9] ~= '' then
        call('SET', details, ARGV[arg + 9])
    end
end
return {'OK'}
