-- retry_dead_letters.lua, the records: reads and checks each once. The script counts up in them, and writes.
--
-- Reads    call, pcall, match, number_of, digits, field, seen_member, stream, checkpoint,
--          looked_at, broken         sets them
-- Defines  last_is_after(user, entry_id)
--          users, locations          by key: what the records hold, then what they are to hold
--          user_of(key, id), location_of(key, id)  one of these; nil when it is broken
--          is_newest(user, entry_id)

-- Whether the user's last check-in, whose ms is that of this entry, comes after it in the stream. The record keeps
-- only ms and place of it. When the stream does not have this entry any more, it cannot be told: then what is
-- recorded stays.
local function last_is_after(user, entry_id)
    if #call('XRANGE', stream, '-', entry_id, 'COUNT', 1) == 0 then return true end
    local ms, from, page = match(entry_id, '^%d+'), entry_id
    repeat
        page = pcall('XRANGE', stream, '(' .. from, checkpoint, 'COUNT', 100)
        for _, entry in ipairs(page) do -- an error (nothing can come after) has no items
            if match(entry[1], '^%d+') ~= ms then return false end
            looked_at = looked_at + 1
            local values = entry[2]
            if field(values, 'userId') == user.id and field(values, 'locationId') == user.place
               and match(field(values, 'starRating') or '', '^[0-5]$') then return true end
            from = entry[1]
        end
    until #page < 100
    return false
end

local users, locations = {}, {}

local function user_of(key, id)
    local user = users[key]
    if not user then
        local record = pcall('HMGET', key, 'id', 'numCheckins', 'lastCheckin', 'lastSeenAt')
        local count, at = number_of(record[2]), number_of(record[3])
        if record.err or not count or not at or not number_of(record[4]) then
            broken = key
            return nil
        end
        user = {id = id, exists = record[1], count = count, at = at, ms = record[3], place = record[4], added = 0}
        user.member = record[4] and seen_member(record[4], at, id)
        users[key] = user
    end
    return user
end

local function location_of(key, id)
    local location = locations[key]
    if not location then
        local record = pcall('HMGET', key, 'id', 'numCheckins', 'numStars')
        local count, stars = number_of(record[2]), number_of(record[3])
        if record.err or not count or not stars then
            broken = key
            return nil
        end
        location = {id = id, exists = record[1], count = count, stars = stars, added = 0}
        locations[key] = location
    end
    return location
end

-- Whether the entry is newer than what the user's record says of the last check-in: by its whole id.
local function is_newest(user, entry_id)
    local ms = tonumber(match(entry_id, '^%d+'))
    if not user.ms or ms > user.at then return true end
    if ms < user.at then return false end
    if user.entry_id then return digits(entry_id) > digits(user.entry_id) end
    return not (user.place and last_is_after(user, entry_id))
end
