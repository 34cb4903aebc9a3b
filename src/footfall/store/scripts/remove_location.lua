#!lua
-- Removes a location for good: record, details, index entries, baseline and histories. What was counted for users
-- stays; how much of that was this location's is remembered under the id, which is not given out again.
--
-- KEYS  1 meta          read: state; sample: without the only one that was added it is that again
--       2 by check-ins  ZREM
--       3 geo           ZREM
--       4 baseline      read, HDEL
--       5 removed       HSET: id -> JSON of the check-ins and stars counted beyond the baseline
--       6 its category as the caller has read it (the geo key when it has none)  ZREM
--       7 the location's hash  UNLINK
--       8 its details, 9 history, 10 now  UNLINK
--       11 state of the trending locations  HDEL building: a roll that is under way begins again
--       12, 13 both orders of them          ZREM
--       then the hours that can be asked for, and the buckets that their windows can need  HDEL
-- ARGV  1 id  2 stored category as the caller has read it ('' when there is none)
--
-- Result  {'OK', number of check-ins counted beyond the baseline}; or with nothing changed:
--         {'MISSING'}      there is no such location
--         {'RETRY'}        the category is not the one that the caller has read
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key does not hold what it must
local meta, by_checkins, geo, baselines, removed, category = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local location, trending_state = KEYS[7], KEYS[11]
local call = redis.call
local FIRST_OWN, LAST_OWN, FIRST_ORDER, LAST_ORDER = 7, 10, 12, 13
local id = ARGV[1]
local member = string.rep('0', 16 - #id) .. id -- in hours, buckets and orders

--@include number_of
--@include whole
--@include is_or_none
--@include baseline_of

-- ---------------------------------------------------------------- read and check

local state = redis.pcall('HGET', meta, 'state')
if state == 'loading' then return {'LOADING'} end
if state ~= 'ready' then return {'BROKEN', meta} end
for i, expected in ipairs({'hash', 'zset', 'zset', 'hash', 'hash', 'zset', 'hash', 'string'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end
for i = FIRST_ORDER - 1, #KEYS do
    local expected = (i == FIRST_ORDER or i == LAST_ORDER) and 'zset' or 'hash'
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end

local stored = call('HMGET', location, 'id', 'category', 'numCheckins', 'numStars')
if not stored[1] then return {'MISSING'} end
if (stored[2] or '') ~= ARGV[2] then return {'RETRY'} end
local count, stars = number_of(stored[3]), number_of(stored[4])
if not count or not stars then return {'BROKEN', location} end
local baseline = baseline_of(baselines, id, 'numCheckins', 'numStars')
if not baseline then return {'BROKEN', baselines} end

-- ---------------------------------------------------------------- write

count, stars = whole(math.max(0, count - baseline.numCheckins)), whole(math.max(0, stars - baseline.numStars))
call('HSET', removed, id, '{"numCheckins":' .. count .. ',"numStars":' .. stars .. '}')
call('HDEL', baselines, id)
call('ZREM', by_checkins, id)
call('ZREM', geo, id)
if category ~= geo then call('ZREM', category, id) end
call('UNLINK', unpack(KEYS, FIRST_OWN, LAST_OWN))
call('HDEL', trending_state, 'building')
for i = FIRST_ORDER, LAST_ORDER do call('ZREM', KEYS[i], member) end
for i = LAST_ORDER + 1, #KEYS do call('HDEL', KEYS[i], member) end
if call('HGET', meta, 'sample') == 'location ' .. id then call('HSET', meta, 'sample', '1') end
return {'OK', count}
