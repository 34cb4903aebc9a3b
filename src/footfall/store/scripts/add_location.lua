#!lua
-- Adds a location: a new one, or one of which so far only check-ins are known, whose counters stay as they are.
--
-- KEYS  1 meta          read: state; sample: it is that no more, but may be again without this one
--       2 by check-ins  ZADD
--       3 geo           GEOADD
--       4 baseline      HSETNX: counters start at 0
--       5 removed       read: an id that was removed is not given out again
--       6 the location's hash
--       7 its details   SET when there are any
--       8 its category  ZADD
-- ARGV  1 id  2 name  3 category  4 location  5 longitude  6 latitude  7 details (JSON, '' when there are none)
--
-- Result  {'OK'}; or with nothing changed:
--         {'EXISTS'}       somebody has added this location
--         {'REMOVED'}      the id is that of a location that was removed
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key does not hold what it must
local meta, by_checkins, geo, baselines, removed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local location, details, category = KEYS[6], KEYS[7], KEYS[8]
local call, pcall = redis.call, redis.pcall
local id = ARGV[1]

--@include is_or_none

-- ---------------------------------------------------------------- read and check

local state = pcall('HGET', meta, 'state')
if state == 'loading' then return {'LOADING'} end
if state ~= 'ready' then return {'BROKEN', meta} end
for i, expected in ipairs({'hash', 'zset', 'zset', 'hash', 'hash', 'hash', 'string', 'zset'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end

local stored = call('HMGET', location, 'name', 'numCheckins', 'numStars', 'averageStars')
local counters = {}
for i = 2, 4 do
    local text = stored[i] or '0'
    if #text > 16 or not string.find(text, '^%d+$') then return {'BROKEN', location} end
    counters[i] = text
end
if call('HEXISTS', removed, id) == 1 then return {'REMOVED'} end
if stored[1] then return {'EXISTS'} end

-- ---------------------------------------------------------------- write

call('HSET', location, 'id', id, 'name', ARGV[2], 'category', ARGV[3], 'location', ARGV[4],
     'numCheckins', counters[2], 'numStars', counters[3], 'averageStars', counters[4])
call('HSETNX', baselines, id, '{"numCheckins":0,"numStars":0}')
call('ZADD', by_checkins, counters[2], id)
call('GEOADD', geo, ARGV[5], ARGV[6], id)
call('ZADD', category, id, id)
if ARGV[7] ~= '' then call('SET', details, ARGV[7]) end
if call('HGET', meta, 'sample') == '1' then
    call('HSET', meta, 'sample', 'location ' .. id)
else
    call('HDEL', meta, 'sample')
end
return {'OK'}
