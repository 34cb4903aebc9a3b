-- retry_dead_letters.lua: the records. Each is read and checked once, then counted up, and written at the end.
--
-- Reads    call, pcall, match, number_of, whole, average_of, seen_member, digits, field
-- Defines  last_is_after(keys, metadata, records, user, entry_id)  see below
--          user_of(records, key, id), location_of(records, key, id)  what the record is to hold; nil when it is broken
--          is_newest(keys, metadata, records, user, entry_id)  whether the entry is newer, by its whole id, than what is
--                                                         known of the user's last check-in
--          count(user, location, last_id, stars)          counts a check-in; last_id: when it is the user's last one
--          write_users(keys, records), write_locations(keys, records)

-- Whether the user's last check-in, whose ms is that of this entry, comes after it in the stream. The record keeps
-- only ms and place of it. When the stream does not have this entry any more, it cannot be told: then what is
-- recorded stays.
local function last_is_after(keys, metadata, records, user, entry_id)
    if #call('XRANGE', keys.stream, '-', entry_id, 'COUNT', 1) == 0 then return true end
    local ms, from, page = match(entry_id, '^%d+'), entry_id
    repeat
        page = pcall('XRANGE', keys.stream, '(' .. from, metadata.checkpoint, 'COUNT', 100)
        for _, entry in ipairs(page) do -- an error (nothing can come after) has no items
            if match(entry[1], '^%d+') ~= ms then return false end
            records.looked_at = records.looked_at + 1
            local values = entry[2]
            if field(values, 'userId') == user.id and field(values, 'locationId') == user.place
               and match(field(values, 'starRating') or '', '^[0-5]$') then return true end
            from = entry[1]
        end
    until #page < 100
    return false
end

local function user_of(records, key, id)
    local user = records.users[key]
    if not user then
        local record = pcall('HMGET', key, 'id', 'numCheckins', 'lastCheckin', 'lastSeenAt')
        local count, at = number_of(record[2]), number_of(record[3])
        if record.err or not count or not at or not number_of(record[4]) then return nil end
        user = {id = id, exists = record[1], count = count, at = at, ms = record[3], place = record[4], added = 0}
        user.member = record[4] and seen_member(record[4], at, id)
        records.users[key] = user
    end
    return user
end

local function location_of(records, key, id)
    local location = records.locations[key]
    if not location then
        local record = pcall('HMGET', key, 'id', 'numCheckins', 'numStars')
        local count, stars = number_of(record[2]), number_of(record[3])
        if record.err or not count or not stars then return nil end
        location = {id = id, exists = record[1], count = count, stars = stars, added = 0}
        records.locations[key] = location
    end
    return location
end

local function is_newest(keys, metadata, records, user, entry_id)
    local ms = tonumber(match(entry_id, '^%d+'))
    if not user.ms or ms > user.at then return true end
    if ms < user.at then return false end
    if user.entry_id then return digits(entry_id) > digits(user.entry_id) end
    return not (user.place and last_is_after(keys, metadata, records, user, entry_id))
end

local function count(user, location, last_id, stars)
    user.count, user.added = user.count + 1, user.added + 1
    if last_id then
        local ms = match(last_id, '^%d+')
        user.at, user.ms, user.place, user.entry_id = tonumber(ms), ms, location.id, last_id
    end
    location.count, location.added = location.count + 1, location.added + 1
    location.stars = location.stars + tonumber(stars)
end

local function write_users(keys, records)
    for key, user in pairs(records.users) do
        if user.added > 0 then
            local total = whole(user.count)
            if not user.exists then call('HSET', key, 'id', user.id) end
            call('HSET', key, 'numCheckins', total)
            call('ZADD', keys.users_by_checkins, total, user.id)
            if user.entry_id then
                call('HSET', key, 'lastCheckin', user.ms, 'lastSeenAt', user.place)
                call('ZADD', keys.users_recent, user.ms, user.id)
                if user.member then call('ZREM', keys.users_last_seen, user.member) end
                call('ZADD', keys.users_last_seen, '0', seen_member(user.place, user.at, user.id))
            end
        end
    end
end

local function write_locations(keys, records)
    for key, location in pairs(records.locations) do
        if location.added > 0 then
            local total, stars = whole(location.count), whole(location.stars)
            local average = whole(average_of(location.stars, location.count))
            if not location.exists then call('HSET', key, 'id', location.id) end
            call('HSET', key, 'numCheckins', total, 'numStars', stars, 'averageStars', average)
            call('ZADD', keys.locations_by_checkins, total, location.id)
        end
    end
end
