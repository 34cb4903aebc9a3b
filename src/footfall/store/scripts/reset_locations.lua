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
--       then what is kept of their newest check-ins: UNLINK
-- ARGV  1 token of the lease  then an id per location
--
-- Result  'OK'; or with nothing changed:
--         'LOST'          the lease is another load's by now
--         'BROKEN <key>'  a key does not hold what it must
local lease, by_checkins, baselines = KEYS[1], KEYS[2], KEYS[3]
local call, fmt = redis.call, string.format
local FIRST_LOCATION = 4
local LAST_LOCATION = FIRST_LOCATION + #ARGV - 2

-- A whole number as the server stores it. Lua would write 1e+15 for large ones.
local function whole(number)
    return fmt('%.0f', number)
end

local function is_or_none(key, expected)
    local found = call('TYPE', key).ok
    return found == expected or found == 'none'
end

-- ---------------------------------------------------------------- read and check

if call('GET', lease) ~= ARGV[1] then return 'LOST' end
for i, expected in ipairs({'string', 'zset', 'hash'}) do
    if not is_or_none(KEYS[i], expected) then return 'BROKEN ' .. KEYS[i] end
end
local read = {}
for i = FIRST_LOCATION, LAST_LOCATION do
    if not is_or_none(KEYS[i], 'hash') then return 'BROKEN ' .. KEYS[i] end
    local baseline = {numCheckins = 0, numStars = 0, is_new = true}
    local json = call('HGET', baselines, ARGV[i - FIRST_LOCATION + 2])
    if json then
        local readable
        readable, baseline = pcall(cjson.decode, json)
        if not readable or type(baseline) ~= 'table' or type(baseline.numCheckins) ~= 'number'
                or type(baseline.numStars) ~= 'number' then
            return 'BROKEN ' .. baselines
        end
    end
    read[i] = baseline
end

-- ---------------------------------------------------------------- write

for i = FIRST_LOCATION, LAST_LOCATION do
    local key, id = KEYS[i], ARGV[i - FIRST_LOCATION + 2]
    local count, stars, average = read[i].numCheckins, read[i].numStars, 0
    if call('HEXISTS', key, 'name') == 1 then
        if read[i].is_new then call('HSET', baselines, id, '{"numCheckins":0,"numStars":0}') end
        if count > 0 then
            -- rounded half up, in whole numbers: (2 * stars + count) div (2 * count)
            local doubled = 2 * stars + count
            average = (doubled - doubled % (2 * count)) / (2 * count)
        end
        call('HSET', key, 'numCheckins', whole(count), 'numStars', whole(stars), 'averageStars', whole(average))
        call('ZADD', by_checkins, whole(count), id)
    else
        call('UNLINK', key)
        call('HDEL', baselines, id)
        call('ZREM', by_checkins, id)
    end
end
if #KEYS > LAST_LOCATION then call('UNLINK', unpack(KEYS, LAST_LOCATION + 1)) end
return 'OK'
