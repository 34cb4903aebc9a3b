#!lua
-- Takes a chunk of locations back to their baselines; those that check-ins have created are deleted.
--
-- A location that was never loaded but has a name (written by another program) is kept, with baseline 0. Running it
-- a second time changes nothing.
--
-- KEYS  1 lease        compared
--       2 by check-ins ZADD or ZREM
--       3 baseline     read; HSET when there is none, HDEL when there is no location
--       then a hash per location
--       then their activity: UNLINK
-- ARGV  1 token of the lease  then an id per location
--
-- Result  {'OK'}; or with nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, by_checkins, baselines = KEYS[1], KEYS[2], KEYS[3]
local call = redis.call
local FIRST_LOCATION = 4
local LAST_LOCATION = FIRST_LOCATION + #ARGV - 2

--@include whole
--@include average_of
--@include is_or_none
--@include baseline_of

-- ---------------------------------------------------------------- read and check

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
for i, expected in ipairs({'string', 'zset', 'hash'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end
local read = {}
for i = FIRST_LOCATION, LAST_LOCATION do
    if not is_or_none(KEYS[i], 'hash') then return {'BROKEN', KEYS[i]} end
    read[i] = baseline_of(baselines, ARGV[i - FIRST_LOCATION + 2], 'numCheckins', 'numStars')
    if not read[i] then return {'BROKEN', baselines} end
end

-- ---------------------------------------------------------------- write

for i = FIRST_LOCATION, LAST_LOCATION do
    local key, id = KEYS[i], ARGV[i - FIRST_LOCATION + 2]
    local count, stars = read[i].numCheckins, read[i].numStars
    if call('HEXISTS', key, 'name') == 1 then
        if read[i].is_missing then call('HSET', baselines, id, '{"numCheckins":0,"numStars":0}') end
        call('HSET', key, 'numCheckins', whole(count), 'numStars', whole(stars),
             'averageStars', whole(average_of(stars, count)))
        call('ZADD', by_checkins, whole(count), id)
    else
        call('UNLINK', key)
        call('HDEL', baselines, id)
        call('ZREM', by_checkins, id)
    end
end
if #KEYS > LAST_LOCATION then call('UNLINK', unpack(KEYS, LAST_LOCATION + 1)) end
return {'OK'}
