-- process.lua: locations, and their index.
--
-- Reads    call, pcall, number_of, is_missing, whole, write_in_chunks
-- Defines  read_locations(keys, batch)  {records: {id, number of check-ins, sum of stars} each, mistaken: which are there
--                                       although taken for missing, or not}; nil and a reply
--          write_locations(keys, batch, locations)
local function read_locations(keys, batch)
    local records, mistaken = {}, {}
    local arg, before = batch.first_location_arg, batch.before_locations
    for i = 1, batch.locations do
        local key = KEYS[before + i]
        local record = pcall('HMGET', key, 'id', 'numCheckins', 'numStars')
        if record.err then return nil, {'BROKEN', key} end
        local count, stars = number_of(record[2]), number_of(record[3])
        if not count or not stars then return nil, {'BROKEN', key} end
        local missing = not record[1] and is_missing(batch.create, keys.locations_removed, ARGV[arg])
        if missing ~= (ARGV[arg + 1] == '-1') then mistaken[#mistaken + 1] = i end
        record[2], record[3] = count, stars
        records[i] = record
        arg = arg + 3
    end
    return {records = records, mistaken = mistaken}
end

local function write_locations(keys, batch, locations)
    local to_by_checkins, counted = {}, 0
    local arg, before, records = batch.first_location_arg, batch.before_locations, locations.records
    for i = 1, batch.locations do
        local count = ARGV[arg + 1]
        if count ~= '0' and count ~= '-1' then
            local key, record, id = KEYS[before + i], records[i], ARGV[arg]
            local total, stars = record[2] + count, record[3] + ARGV[arg + 2]
            -- rounded half up, in whole numbers: (2 * stars + total) div (2 * total)
            local doubled = 2 * stars + total
            local average = whole((doubled - doubled % (2 * total)) / (2 * total))
            total, stars = whole(total), whole(stars)
            if record[1] then
                call('HSET', key, 'numCheckins', total, 'numStars', stars, 'averageStars', average)
            else
                call('HSET', key, 'id', id, 'numCheckins', total, 'numStars', stars, 'averageStars', average)
            end
            to_by_checkins[counted + 1], to_by_checkins[counted + 2] = total, id
            counted = counted + 2
        end
        arg = arg + 3
    end
    write_in_chunks('ZADD', keys.locations_by_checkins, to_by_checkins)
end
