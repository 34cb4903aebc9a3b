#!lua
-- Rebuilds a page of users and locations: baseline and all check-ins up to the checkpoint, and the index entries.
--
-- What an entry changes is said here once more, apart from process.lua: from the sums, not one after the other.
--
-- The caller has replayed the entries up to an entry of its own. Those between that and the stored checkpoint are
-- replayed here, so it does not matter how fast a processor goes on. Everything is read and checked before the first
-- write. Running it a second time changes nothing.
--
-- KEYS  1 meta                    read: state, generation, settled
--       2 checkpoint              read
--       3 stream                  read: entries between
--       4 dead letters            read: those that the caller does not know
--       5 users by check-ins      ZADD or ZREM
--       6 users recent            ZADD or ZREM
--       7 users last seen         ZREM old, ZADD new
--       8 users email             HSET
--       9 users baseline          read
--       10 locations by check-ins ZADD or ZREM
--       11 locations geo          GEOADD or ZREM
--       12 locations baseline     read
--       13 users removed          HSET: what was counted for who is in it; such a record is removed when it is there
--       14 locations removed      the same
--       then a hash per user, then per location its hash and its category as the caller has read it (ZADD; the geo
--       key when it has none)
-- ARGV  1 generation  2 settled  3 the entry up to which the caller has replayed, 0 for none
--       4 the last dead letter that the caller knows  5 how many entries may lie between
--       6 number of users
--       per user: id, number of check-ins, ms, sequence number and location of the last one ('' without one),
--       stored email as the caller has read it ('' when there is none), that in lower case
--       per location: id, number of check-ins, sum of stars, stored category and location as the caller has read them
--       ('' when there is none), longitude, latitude ('' when the location is not a place)
--
-- Result  {'OK', number of records that were changed, number of records of which there was nothing}; or with nothing
--         changed:
--         {'FENCED'}       generation, settled or stream are not those that the caller has replayed
--         {'BEHIND'}       more entries lie between
--         {'RETRY'}        an email, a category or a location is not the one that the caller has read
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key does not hold what it must
local meta, checkpoint_key, stream, dead_letters = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local by_checkins, recent, last_seen, emails, users_baseline = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local locations_by_checkins, geo, locations_baseline = KEYS[10], KEYS[11], KEYS[12]
local call, fmt, match = redis.call, string.format, string.match
local users_removed, locations_removed = KEYS[13], KEYS[14]
local FIRST_USER, USER_ARGS, LOCATION_ARGS = 15, 7, 7
local replayed_to, most, users = ARGV[3], tonumber(ARGV[5]), tonumber(ARGV[6])

--@include number_of
--@include whole
--@include average_of
--@include seen_member
--@include digits
--@include type_of
--@include field
--@include baseline_of

-- ---------------------------------------------------------------- read and check

for i, expected in ipairs({'hash', 'string', 'stream', 'stream', 'zset', 'zset', 'zset', 'hash', 'hash', 'zset', 'zset',
                           'hash', 'hash', 'hash'}) do
    local found = type_of(KEYS[i])
    if found ~= expected and (found ~= 'none' or i <= 2) then return {'BROKEN', KEYS[i]} end
end
local fields = call('HMGET', meta, 'state', 'generation', 'settled')
if fields[1] == 'loading' then return {'LOADING'} end
if fields[1] ~= 'ready' then return {'BROKEN', meta} end
if fields[2] ~= ARGV[1] or (fields[3] or '0') ~= ARGV[2] then return {'FENCED'} end
local checkpoint = call('GET', checkpoint_key)
if not match(checkpoint, '^%d+%-?%d*$') then return {'BROKEN', checkpoint_key} end
if digits(replayed_to) > digits(checkpoint) then return {'FENCED'} end
if replayed_to ~= '0' and #call('XRANGE', stream, replayed_to, replayed_to) == 0 then return {'FENCED'} end

-- The check-ins between: by user {count, ms, sequence number, place}, by location {count, stars}.
local of_user, of_location = {}, {}
if checkpoint ~= replayed_to then
    local entries = call('XRANGE', stream, '(' .. replayed_to, checkpoint, 'COUNT', most + 1)
    local letters = call('XRANGE', dead_letters, '(' .. ARGV[4], '+', 'COUNT', most + 1)
    if #entries > most or #letters > most then return {'BEHIND'} end
    local dead = {}
    for _, letter in ipairs(letters) do dead[field(letter[2], 'id') or ''] = true end
    for _, entry in ipairs(entries) do
        if not dead[entry[1]] then
            local user, location = field(entry[2], 'userId'), field(entry[2], 'locationId')
            local stars = tonumber(field(entry[2], 'starRating') or '')
            -- one that has passed the checkpoint, is malformed and no dead letter: somebody has deleted that
            if user and location and stars then
                local mine, theirs = of_user[user] or {0}, of_location[location] or {0, 0}
                mine[1], mine[4] = mine[1] + 1, location
                mine[2], mine[3] = match(entry[1], '^(%d+)%-(%d+)$')
                theirs[1], theirs[2] = theirs[1] + 1, theirs[2] + stars
                of_user[user], of_location[location] = mine, theirs
            end
        end
    end
end

local rows = {}
for i = 1, users do
    local key, arg = KEYS[FIRST_USER + i - 1], 7 + USER_ARGS * (i - 1)
    local id = ARGV[arg]
    local found = type_of(key)
    if found ~= 'hash' and found ~= 'none' then return {'BROKEN', key} end
    local stored = call('HMGET', key, 'id', 'numCheckins', 'lastCheckin', 'lastSeenAt', 'email')
    if (stored[5] or '') ~= ARGV[arg + 5] then return {'RETRY'} end
    local baseline = baseline_of(users_baseline, id, 'numCheckins')
    if not baseline then return {'BROKEN', users_baseline} end
    local count, ms, place = tonumber(ARGV[arg + 1]), ARGV[arg + 2], ARGV[arg + 4]
    local later = of_user[id]
    if later then
        count, ms, place = count + later[1], later[2], later[4]
    end
    local row = {id = id, key = key, stored = stored, count = baseline.numCheckins + count}
    local loaded = tonumber(baseline.lastCheckin)
    if ms ~= '' and (not loaded or tonumber(ms) >= loaded) then
        row.at, row.place = ms, place
    elseif loaded then
        row.at, row.place = whole(loaded), whole(tonumber(baseline.lastSeenAt) or 0)
    end
    row.is_new = found == 'none'
    row.counted, row.remembered = count, call('HGET', users_removed, id)
    row.exists = not row.is_new or count > 0 or not baseline.is_missing
    row.email = ARGV[arg + 6]
    rows[i] = row
end
local first_arg = 7 + USER_ARGS * users
local first_key = FIRST_USER + users
for i = 0, (#KEYS - first_key + 1) / 2 - 1 do
    local key, category, arg = KEYS[first_key + 2 * i], KEYS[first_key + 2 * i + 1], first_arg + LOCATION_ARGS * i
    local id = ARGV[arg]
    local found, of_category = type_of(key), type_of(category)
    if found ~= 'hash' and found ~= 'none' then return {'BROKEN', key} end
    if of_category ~= 'zset' and of_category ~= 'none' then return {'BROKEN', category} end
    local stored = call('HMGET', key, 'id', 'numCheckins', 'numStars', 'averageStars', 'category', 'location')
    if (stored[5] or '') ~= ARGV[arg + 3] or (stored[6] or '') ~= ARGV[arg + 4] then return {'RETRY'} end
    local baseline = baseline_of(locations_baseline, id, 'numCheckins', 'numStars')
    if not baseline then return {'BROKEN', locations_baseline} end
    local count, stars = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
    local later = of_location[id]
    if later then
        count, stars = count + later[1], stars + later[2]
    end
    local row = {id = id, key = key, stored = stored, is_location = true}
    row.is_new = found == 'none'
    row.counted, row.counted_stars, row.remembered = count, stars, call('HGET', locations_removed, id)
    row.exists = not row.is_new or count > 0 or not baseline.is_missing
    row.count, row.stars = baseline.numCheckins + count, baseline.numStars + stars
    row.category = category ~= geo and category
    row.longitude, row.latitude = ARGV[arg + 5], ARGV[arg + 6]
    rows[#rows + 1] = row
end

-- ---------------------------------------------------------------- write

-- Remembers what was counted for a removed record, of which nothing else may be there.
local function write_removed(removed, baselines, row, json)
    if row.remembered ~= json then call('HSET', removed, row.id, json) end
    return (row.remembered == json and 0 or 1) + call('UNLINK', row.key) + call('HDEL', baselines, row.id)
end

local function write_user(row)
    local key, id, stored, changed = row.key, row.id, row.stored, 0
    if row.remembered then
        return write_removed(users_removed, users_baseline, row, fmt('{"numCheckins":%.0f}', row.counted))
               + call('ZREM', by_checkins, id) + call('ZREM', recent, id)
    end
    if not row.exists then
        return call('ZREM', by_checkins, id) + call('ZREM', recent, id)
    end
    local count = whole(row.count)
    if stored[1] ~= id or stored[2] ~= count then
        call('HSET', key, 'id', id, 'numCheckins', count)
        changed = 1
    end
    if (stored[3] or nil) ~= row.at or (stored[4] or nil) ~= row.place then
        changed = 1
        local at, place = number_of(stored[3]), number_of(stored[4])
        if at and place and at > 0 then call('ZREM', last_seen, seen_member(place, at, id)) end
        if row.at then
            call('HSET', key, 'lastCheckin', row.at, 'lastSeenAt', row.place)
        else
            call('HDEL', key, 'lastCheckin', 'lastSeenAt')
        end
    end
    changed = changed + call('ZADD', by_checkins, 'CH', count, id)
    if row.at then
        changed = changed + call('ZADD', recent, 'CH', row.at, id)
                  + call('ZADD', last_seen, 'CH', '0', seen_member(row.place, row.at, id))
    else
        changed = changed + call('ZREM', recent, id)
    end
    if row.email ~= '' and call('HGET', emails, row.email) ~= id then
        call('HSET', emails, row.email, id)
        changed = changed + 1
    end
    return changed
end

local function write_location(row)
    local key, id, stored, changed = row.key, row.id, row.stored, 0
    if row.remembered then
        local json = fmt('{"numCheckins":%.0f,"numStars":%.0f}', row.counted, row.counted_stars)
        return write_removed(locations_removed, locations_baseline, row, json)
               + call('ZREM', locations_by_checkins, id) + call('ZREM', geo, id)
    end
    if not row.exists then
        return call('ZREM', locations_by_checkins, id) + call('ZREM', geo, id)
    end
    local count, stars, average = whole(row.count), whole(row.stars), whole(average_of(row.stars, row.count))
    if stored[1] ~= id or stored[2] ~= count or stored[3] ~= stars or stored[4] ~= average then
        call('HSET', key, 'id', id, 'numCheckins', count, 'numStars', stars, 'averageStars', average)
        changed = 1
    end
    changed = changed + call('ZADD', locations_by_checkins, 'CH', count, id)
    if row.longitude ~= '' then
        changed = changed + call('GEOADD', geo, 'CH', row.longitude, row.latitude, id)
    elseif not stored[6] then
        changed = changed + call('ZREM', geo, id)
    end
    if row.category then changed = changed + call('ZADD', row.category, 'CH', id, id) end
    return changed
end

local changed, made = 0, 0
for _, row in ipairs(rows) do
    local written = row.is_location and write_location(row) or write_user(row)
    if written > 0 then changed = changed + 1 end
    if row.exists and row.is_new and not row.remembered then made = made + 1 end
end
return {'OK', changed, made}
