#!lua
-- Changes fields of a location, and its details. Counters stay as they are.
--
-- KEYS  1 meta      read: state
--       2 geo       GEOADD
--       3 the location's hash
--       4 its details           SET or UNLINK
--       5 its category as the caller has read it (the geo key when it has none)  ZREM
--       6 its new category (the same key when it does not change)               ZADD
-- ARGV  1 id  2 stored category as the caller has read it ('' when there is none)
--       3 longitude  4 latitude ('' when the place does not change)
--       5 keep | set | remove: what becomes of the details  6 details (JSON)
--       then field and value of what changes, in turn
--
-- Result  {'OK'}; or with nothing changed:
--         {'MISSING'}      there is no such location
--         {'UNNAMED'}      only check-ins have made this location: to be added first
--         {'RETRY'}        the category is not the one that the caller has read
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key does not hold what it must
local meta, geo, location, details, old_category, category = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call, pcall = redis.call, redis.pcall
local FIRST_FIELD = 7
local id = ARGV[1]

--@include is_or_none

-- ---------------------------------------------------------------- read and check

local state = pcall('HGET', meta, 'state')
if state == 'loading' then return {'LOADING'} end
if state ~= 'ready' then return {'BROKEN', meta} end
for i, expected in ipairs({'hash', 'zset', 'hash', 'string', 'zset', 'zset'}) do
    if not is_or_none(KEYS[i], expected) then return {'BROKEN', KEYS[i]} end
end

local stored = call('HMGET', location, 'id', 'name', 'category')
if not stored[1] then return {'MISSING'} end
if not stored[2] then return {'UNNAMED'} end
if (stored[3] or '') ~= ARGV[2] then return {'RETRY'} end

-- ---------------------------------------------------------------- write

if #ARGV >= FIRST_FIELD then call('HSET', location, unpack(ARGV, FIRST_FIELD)) end
if ARGV[3] ~= '' then call('GEOADD', geo, ARGV[3], ARGV[4], id) end
if category ~= old_category then
    if old_category ~= geo then call('ZREM', old_category, id) end
    call('ZADD', category, id, id)
end
if ARGV[5] == 'set' then
    call('SET', details, ARGV[6])
elseif ARGV[5] == 'remove' then
    call('UNLINK', details)
end
return {'OK'}
