#!lua flags=no-writes
-- Reads a page of users with their index entries and baselines, as they are at one moment. Only reads.
--
-- KEYS  1 by check-ins  2 recent  3 last seen  4 email  5 baseline  6 removed  then a hash per user
-- ARGV  per user: id, email in lower case as the caller has read it ('' when there is none)
--
-- Result  {'OK', list}: per user the type of the key when that is not a hash, else
--         {id, email, numCheckins, lastCheckin, lastSeenAt, score in by check-ins, in recent, of the member that
--          follows from the record in last seen, whose the email is, baseline, what is remembered of a removed user}
--         each nil when it is not there, or when its index has another type
local by_checkins, recent, last_seen, emails, baselines = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local removed = KEYS[6]
local pcall = redis.pcall
local FIRST_USER = 7

--@include reply_of
--@include seen_member

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
        record[6] = reply_of('ZSCORE', by_checkins, id)
        record[7] = reply_of('ZSCORE', recent, id)
        record[8] = is_number(at) and is_number(place)
                    and reply_of('ZSCORE', last_seen, seen_member(place, at, id))
        record[9] = email ~= '' and reply_of('HGET', emails, email)
        record[10] = reply_of('HGET', baselines, id)
        record[11] = reply_of('HGET', removed, id)
        page[#page + 1] = record
    end
end
return {'OK', page}
