#!lua
-- Applies a batch of entries: all effects, dead letters and the checkpoint, or nothing.
--
-- The server does not roll back a script that fails half way. So everything is read and checked first; the writes
-- come last and are of a kind that cannot fail any more, or that can be undone. The caller has folded the batch: one
-- row per user and one per location.
--
-- Should the server refuse a write in the middle all the same, `torn` is left in meta: then nothing more is applied
-- until a rebuild has set the counters right.
--
-- KEYS  1 stream                 read: is the batch's last entry still there?
--       2 checkpoint             compared, then set
--       3 processed              + number of entries
--       4 meta                   read: state, generation; torn: checkpoint and processed, while this writes
--       5 dead letters           XADD
--       6 users by check-ins     ZADD
--       7 users recent           ZADD
--       8 users last seen        ZREM old, ZADD new
--       9 locations by check-ins ZADD
--      10 users removed          read: with `create`, who is in it gets no record
--      11 locations removed      read, the same
--       then a hash per user, then a hash per location: numCheckins and so on
--       then, each only when it is kept: a history (list) per user, one per location;
--         a zset per location of `now`; a hash per hour; a hash per bucket of trending, then its state and both orders
-- ARGV  1 checkpoint  2 generation that the batch was read under
--       3 number of entries  4 number of users  5 number of locations  6 number of dead letters
--       7 reject | create: what to do with an unknown user or location
--       8 number of fields and values of the last entry, n  9 its id  then the n fields and values
--       per user: id, number of check-ins, last one's ms, last one's location
--       per location: id, number of check-ins, sum of stars
--         (a number of check-ins of -1 says: the caller took this record for missing)
--       per dead letter: entry id, reason, number of fields and values, these
--       then nothing, or what is kept of the newest check-ins:
--         length of a history (0: none are kept), number of locations of `now`, of hours, of buckets
--         per location of `now`: number of arguments, then -ms and user (16 digits) of each, oldest first
--         per hour, then per bucket: which one, number of locations, the locations (16 digits), their check-ins
--         per user, then per location, with histories: its check-ins as one item, when it has any
--       What is older than is kept, or more than an hour ahead of the clock, is passed over.
--
-- Result  {'OK', processed, µs of CPU that the script took}; or with nothing changed:
--         {'FENCED'}       checkpoint, generation or last entry are not those that the batch was read with
--         {'LOADING'}      data is being loaded
--         {'TORN'}         an earlier batch was applied in part
--         {'BROKEN', key}  a key is missing or does not hold what it must
--         {'RECORDS', {user, ...}, {location, ...}}  which of the batch's, counted from 1, are there although taken for
--                             missing, or the other way round
local call, pcall, fmt, find = redis.call, redis.pcall, string.format, string.find
local KEYS, ARGV = KEYS, ARGV -- locals are read faster than globals

-- Seconds of CPU that the server has used. Redis before 7.4 and Valkey before 8.0 have no os.clock: INFO says it, too.
local clock = rawget(_G, 'os') and os.clock or function()
    local info = pcall('INFO', 'cpu')
    if type(info) ~= 'string' then return 0 end -- the user may not use it
    return info:match('used_cpu_sys:([%d.]+)') + info:match('used_cpu_user:([%d.]+)')
end
local began = clock()

local stream, checkpoint_key, processed_key, meta, dead_letters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local by_checkins, recent, last_seen, locations_by_checkins = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local users_removed, locations_removed = KEYS[10], KEYS[11]
local FIRST_USER, MAX_UNPACK = 12, 2000
local entries, users, locations, dead = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local create = ARGV[7] == 'create'

--@include windows

-- A whole number as an argument. The server itself would write a large one that ends in zeros as 1e+08; small ones,
-- which nearly all are, it converts faster than Lua formats them.
local function whole(number)
    if number < 10000000 then return number end
    return fmt('%.0f', number)
end

--@include number_of

-- Whether a hash field is a whole number written in the one way that has its place in the last-seen index, or absent.
local function is_number_text(text)
    return not text or #text <= 16 and not find(text, '%D') and number_of(text) ~= nil
end

-- ZEROS[n] fills a number of n digits up to 16, as text. Half of what string.format costs, and it is called twice per
-- check-in.
local ZEROS = {}
for digits = 1, 16 do ZEROS[digits] = ('0'):rep(16 - digits) end

-- A member of the last-seen index: location with 16 digits, time with 13 (or more, after the year 2286), user.
local function seen_member(location, ms, user)
    return ZEROS[#location] .. location .. ':' .. (#ms < 13 and ('0'):rep(13 - #ms) or '') .. ms .. ':' .. user
end

-- ---------------------------------------------------------------- read and check

local book = pcall('HMGET', meta, 'state', 'generation', 'torn')
if book.err then return {'BROKEN', meta} end
if book[1] == 'loading' then return {'LOADING'} end
if book[1] ~= 'ready' or not book[2] then return {'BROKEN', meta} end

local checkpoint = pcall('GET', checkpoint_key)
if type(checkpoint) ~= 'string' then return {'BROKEN', checkpoint_key} end
local processed = pcall('GET', processed_key)
processed = type(processed) == 'string' and #processed > 0 and number_of(processed)
if not processed then return {'BROKEN', processed_key} end
if book[2] ~= ARGV[2] or checkpoint ~= ARGV[1] then return {'FENCED'} end
if book[3] then return {'TORN'} end

local values = tonumber(ARGV[8])
local last_id = ARGV[9]
local last_entry = pcall('XRANGE', stream, last_id, last_id)
if last_entry.err then return {'BROKEN', stream} end
if not last_entry[1] or #last_entry[1][2] ~= values then return {'FENCED'} end
for i = 1, values do
    if last_entry[1][2][i] ~= ARGV[9 + i] then return {'FENCED'} end
end

if type(pcall('XLEN', dead_letters)) ~= 'number' then return {'BROKEN', dead_letters} end
for i = 6, 9 do
    if type(pcall('ZCARD', KEYS[i])) ~= 'number' then return {'BROKEN', KEYS[i]} end
end
for i = 10, 11 do
    if type(pcall('HLEN', KEYS[i])) ~= 'number' then return {'BROKEN', KEYS[i]} end
end

local mistaken_users, mistaken_locations = {}, {}
local first_user_arg = 10 + values
local first_location_arg = first_user_arg + 4 * users
local first_dead_arg = first_location_arg + 3 * locations

--@include is_missing

local user_records, location_records = {}, {}
for i = 1, users do
    local key_index, arg = FIRST_USER + i - 1, first_user_arg + 4 * (i - 1)
    local record = pcall('HMGET', KEYS[key_index], 'id', 'numCheckins', 'lastCheckin', 'lastSeenAt')
    if record.err then return {'BROKEN', KEYS[key_index]} end
    local count, at, seen = number_of(record[2]), record[3], record[4]
    if not count or not is_number_text(at) or not is_number_text(seen) then return {'BROKEN', KEYS[key_index]} end
    local missing = not record[1] and is_missing(users_removed, ARGV[arg])
    if missing ~= (ARGV[arg + 1] == '-1') then mistaken_users[#mistaken_users + 1] = i end
    record[2] = count
    user_records[i] = record
end
for i = 1, locations do
    local key_index, arg = FIRST_USER + users + i - 1, first_location_arg + 3 * (i - 1)
    local record = pcall('HMGET', KEYS[key_index], 'id', 'numCheckins', 'numStars')
    if record.err then return {'BROKEN', KEYS[key_index]} end
    local count, stars = number_of(record[2]), number_of(record[3])
    if not count or not stars then return {'BROKEN', KEYS[key_index]} end
    local missing = not record[1] and is_missing(locations_removed, ARGV[arg])
    if missing ~= (ARGV[arg + 1] == '-1') then mistaken_locations[#mistaken_locations + 1] = i end
    record[2], record[3] = count, stars
    location_records[i] = record
end
if #mistaken_users + #mistaken_locations > 0 then return {'RECORDS', mistaken_users, mistaken_locations} end

local arg = first_dead_arg
for _ = 1, dead do arg = arg + 3 + tonumber(ARGV[arg + 2]) end
--@include process_kept_read

-- ---------------------------------------------------------------- write

--@include process_histories_push

-- Then dead letters: XADD is the last write that can still fail (a stream whose ids are used up), and fails for the
-- first of them, before anything else is changed.
arg = first_dead_arg
for _ = 1, dead do
    local count = tonumber(ARGV[arg + 2])
    local added = pcall('XADD', dead_letters, '*', 'id', ARGV[arg], 'reason', ARGV[arg + 1],
                        unpack(ARGV, arg + 3, arg + 2 + count))
    if type(added) ~= 'string' then
        undo_histories()
        return {'BROKEN', dead_letters}
    end
    arg = arg + 3 + count
end

-- Runs a variadic command in pieces that Lua's stack can hold.
local function in_chunks(command, key, arguments)
    for first = 1, #arguments, MAX_UNPACK do
        call(command, key, unpack(arguments, first, math.min(first + MAX_UNPACK - 1, #arguments)))
    end
end

call('HSET', meta, 'torn', checkpoint .. ' ' .. fmt('%.0f', processed))
local to_by_checkins, to_recent, from_last_seen, to_last_seen = {}, {}, {}, {}
local counted, moved, left = 0, 0, 0
for i = 1, users do
    arg = first_user_arg + 4 * (i - 1)
    local count = tonumber(ARGV[arg + 1])
    if count > 0 then
        local key, record, id = KEYS[FIRST_USER + i - 1], user_records[i], ARGV[arg]
        local total, ms, location = whole(record[2] + count), ARGV[arg + 2], ARGV[arg + 3]
        to_by_checkins[counted + 1], to_by_checkins[counted + 2] = total, id
        counted = counted + 2
        if tonumber(ms) >= (tonumber(record[3]) or 0) then
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
end
in_chunks('ZADD', by_checkins, to_by_checkins)
in_chunks('ZADD', recent, to_recent)
in_chunks('ZREM', last_seen, from_last_seen)
in_chunks('ZADD', last_seen, to_last_seen)

to_by_checkins, counted = {}, 0
for i = 1, locations do
    arg = first_location_arg + 3 * (i - 1)
    local count = tonumber(ARGV[arg + 1])
    if count > 0 then
        local key, record, id = KEYS[FIRST_USER + users + i - 1], location_records[i], ARGV[arg]
        local total, stars = record[2] + count, record[3] + tonumber(ARGV[arg + 2])
        -- rounded half up, in whole numbers: (2 * stars + total) div (2 * total)
        local doubled = 2 * stars + total
        local average = whole((doubled - doubled % (2 * total)) / (2 * total))
        total = whole(total)
        if record[1] then
            call('HSET', key, 'numCheckins', total, 'numStars', whole(stars), 'averageStars', average)
        else
            call('HSET', key, 'id', id, 'numCheckins', total, 'numStars', whole(stars), 'averageStars', average)
        end
        to_by_checkins[counted + 1], to_by_checkins[counted + 2] = total, id
        counted = counted + 2
    end
end
in_chunks('ZADD', locations_by_checkins, to_by_checkins)

--@include process_kept_write

processed = fmt('%.0f', processed + entries)
call('MSET', processed_key, processed, checkpoint_key, last_id)
call('HDEL', meta, 'torn')
return {'OK', processed, (clock() - began) * 1000000}
