-- process.lua: users, and the indexes of users.
--
-- Reads    call, pcall, find, number_of, is_missing, whole, seen_member, write_in_chunks
-- Defines  is_number_text(text)            whether a hash field is a whole number written in the one way that has its
--                                          place in the last-seen index, or is not there
--          read_users(keys, batch)         {records: {id, number of check-ins, ms, location} each, mistaken: which are
--                                          there although taken for missing, or not}; nil and a reply
--          write_users(keys, batch, users)
local function is_number_text(text)
    if not text then return true end
    if text == '' or #text > 16 or find(text, '%D') then return false end
    return #text < 16 or number_of(text) ~= nil
end

local function read_users(keys, batch)
    local records, mistaken = {}, {}
    local arg, before, create, removed = batch.first_user_arg, batch.before_users, batch.create, keys.users_removed
    for i = 1, batch.users do
        local key = KEYS[before + i]
        local record = pcall('HMGET', key, 'id', 'numCheckins', 'lastCheckin', 'lastSeenAt')
        if record.err then return nil, {'BROKEN', key} end
        local count = number_of(record[2])
        if not count or not is_number_text(record[3]) or not is_number_text(record[4]) then return nil, {'BROKEN', key} end
        local missing = not record[1] and is_missing(create, removed, ARGV[arg])
        if missing ~= (ARGV[arg + 1] == '-1') then mistaken[#mistaken + 1] = i end
        record[2] = count
        records[i] = record
        arg = arg + 4
    end
    return {records = records, mistaken = mistaken}
end

local function write_users(keys, batch, users)
    local to_by_checkins, to_recent, from_last_seen, to_last_seen = {}, {}, {}, {}
    local counted, moved, left = 0, 0, 0
    local arg, before, records = batch.first_user_arg, batch.before_users, users.records
    for i = 1, batch.users do
        local count = ARGV[arg + 1] -- as text: a number is made of it where it is added, which costs less
        if count ~= '0' and count ~= '-1' then
            local key, record, id = KEYS[before + i], records[i], ARGV[arg]
            local total, ms, location = whole(record[2] + count), ARGV[arg + 2], ARGV[arg + 3]
            to_by_checkins[counted + 1], to_by_checkins[counted + 2] = total, id
            counted = counted + 2
            if ms - (record[3] or 0) >= 0 then
                if record[1] then
                    call('HSET', key, 'numCheckins', total, 'lastCheckin', ms, 'lastSeenAt', location)
                else
                    call('HSET', key, 'id', id, 'numCheckins', total, 'lastCheckin', ms, 'lastSeenAt', location)
                end
                if record[4] then
                    left = left + 1
                    from_last_seen[left] = seen_member(record[4], record[3] or '0', id)
                end
                to_recent[moved + 1], to_recent[moved + 2] = ms, id
                to_last_seen[moved + 1], to_last_seen[moved + 2] = '0', seen_member(location, ms, id)
                moved = moved + 2
            else
                call('HSET', key, 'numCheckins', total)
            end
        end
        arg = arg + 4
    end
    write_in_chunks('ZADD', keys.users_by_checkins, to_by_checkins)
    write_in_chunks('ZADD', keys.users_recent, to_recent)
    write_in_chunks('ZREM', keys.users_last_seen, from_last_seen)
    write_in_chunks('ZADD', keys.users_last_seen, to_last_seen)
end
