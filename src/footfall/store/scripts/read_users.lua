#!lua flags=no-writes
-- Reads a page of users with their index entries and baselines, as they are at one moment. Only reads.
--
-- KEYS  1 by check-ins  2 recent  3 last seen  4 email  5 baseline  6 removed  then a hash per user
-- ARGV  per user: id, email in lower case as the caller has read it ('' when there is none)
--
-- Result  per user: the type of the key when that is not a hash, else
--         {id, email, numCheckins, lastCheckin, lastSeenAt, score in by check-ins, in recent, of the member that
--          follows from the record in last seen, whose the email is, baseline, what is remembered of a removed user}
--         each nil when it is not there, or when its index has another type
local by_checkins, recent, last_seen, emails, baselines = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local removed = KEYS[6]
local pcall, fmt = redis.pcall, string.format
local FIRST_USER = 7

local function value(command, key, name)
    local found = pcall(command, key, name)
    return type(found) == 'string' and found
end

local function is_number(text)
    return text and #text <= 16 and string.match(text, '^%d+$') ~= nil
end

local page = {}
for i = FIRST_USER, #KEYS do
    local arg = 2 * (i - FIRST_USER) + 1
    local id, email = ARGV[arg], ARGV[arg + 1]
    local record = pcall('HMGET', KEYS[i], 'id', 'email', 'numCheckins', 'lastCheckin', 'lastSeenAt')
    if record.err then
        page[#page + 1] = redis.call('TYPE', KEYS[i]).ok
    else
        local at, place = record[4], record[5]
        record[6] = value('ZSCORE', by_checkins, id)
        record[7] = value('ZSCORE', recent, id)
        record[8] = is_number(at) and is_number(place)
                    and value('ZSCORE', last_seen, fmt('%016.0f:%013.0f:%s', place, at, id))
        record[9] = email ~= '' and value('HGET', emails, email)
        record[10] = value('HGET', baselines, id)
        record[11] = value('HGET', removed, id)
        page[#page + 1] = record
    end
end
return page
