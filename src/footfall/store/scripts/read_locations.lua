#!lua flags=no-writes
-- Reads a page of locations with their index entries and baselines, as they are at one moment. Only reads.
--
-- KEYS  1 by check-ins  2 geo  3 baseline  4 removed
--       then per location: its hash, its details, its category as the caller has read it (the geo key when it has none)
-- ARGV  an id per location
--
-- Result  {'OK', list}: per location the type of the hash's key when that is not a hash, else
--         {id, name, category, location, numCheckins, numStars, averageStars, score in by check-ins, longitude and
--          latitude in geo, score in its category, type of the details' key, baseline, what is remembered of a
--          removed location}
--         each nil when it is not there, or when its index has another type
local by_checkins, geo, baselines, removed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local pcall = redis.pcall
local FIRST_LOCATION, KEYS_EACH = 5, 3

--@include reply_of

local page = {}
for i = FIRST_LOCATION, #KEYS, KEYS_EACH do
    local id, category = ARGV[(i - FIRST_LOCATION) / KEYS_EACH + 1], KEYS[i + 2]
    local record = pcall('HMGET', KEYS[i], 'id', 'name', 'category', 'location', 'numCheckins', 'numStars',
                         'averageStars')
    if record.err then
        page[#page + 1] = redis.call('TYPE', KEYS[i]).ok
    else
        local places = pcall('GEOPOS', geo, id)
        local place = not places.err and places[1] or {}
        record[8] = reply_of('ZSCORE', by_checkins, id)
        record[9], record[10] = place[1] or false, place[2] or false
        record[11] = category ~= geo and reply_of('ZSCORE', category, id)
        record[12] = redis.call('TYPE', KEYS[i + 1]).ok
        record[13] = reply_of('HGET', baselines, id)
        record[14] = reply_of('HGET', removed, id)
        page[#page + 1] = record
    end
end
return {'OK', page}
