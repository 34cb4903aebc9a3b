#!lua
-- Applies a batch of entries: all effects, dead letters and the checkpoint, or nothing.
--
-- The server does not roll back a script that fails half way. So everything is read and checked first; the writes
-- come last and are of a kind that cannot fail any more, or that can be undone. The caller has folded the batch: one row per user and one
-- per location.
--
-- KEYS  1 stream                 read: is the batch's last entry still there?
--       2 checkpoint             compared, then set
--       3 processed              + number of entries
--       4 meta                   read: state, generation
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
--         {'FENCED'}          checkpoint, generation or last entry are not those that the batch was read with
--         {'LOADING'}         data is being loaded
--         {'BROKEN', key}     a key is missing or does not hold what it must
--         {'RECORDS', i, ...} KEYS[i]: it is there although taken for missing, or the other way round
local began = os.clock()
local call, pcall, fmt, find = redis.call, redis.pcall, string.format, string.find
local KEYS, ARGV = KEYS, ARGV -- locals are read faster than globals
local stream, checkpoint_key, processed_key, meta, dead_letters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local by_checkins, recent, last_seen, locations_by_checkins = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local users_removed, locations_removed = KEYS[10], KEYS[11]
local FIRST_USER, MAX_UNPACK = 12, 2000
local HOUR_MS, BUCKET_MS, NOW_MS = 3600000, 300000, 3 * 3600000
-- kept: buckets of two hours, hours of a week
local BUCKETS, HOURS = 24, 168
-- After each NOW_MS, the expiry of who is at a location is set anew, and those who were there before are removed. When
-- it was, the key itself holds, under this name: that costs less than to do it with each batch.
local RENEWED = 'renewed'
-- seconds until keys expire; what comes until they are renewed may be an hour ahead of the clock
local NOW_S, HOURS_S, BUCKET_S = '28800', '698400', '97200'
local entries, users, locations, dead = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local create = ARGV[7] == 'create'

-- A whole number as an argument. The server itself would write a large one that ends in zeros as 1e+08; small ones,
-- which nearly all are, it converts faster than Lua formats them.
local function whole(number)
    if number < 10000000 then return number end
    return fmt('%.0f', number)
end

-- The whole number in a hash field; 0 when there is none, nil when it is something else.
local function number_of(text)
    if not text then return 0 end
    local number = tonumber(text)
    return number and number >= 0 and number <= 9007199254740991 and number % 1 == 0 and number or nil
end

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

local book = pcall('HMGET', meta, 'state', 'generation')
if book.err then return {'BROKEN', meta} end
if book[1] == 'loading' then return {'LOADING'} end
if book[1] ~= 'ready' or not book[2] then return {'BROKEN', meta} end

local checkpoint = pcall('GET', checkpoint_key)
if type(checkpoint) ~= 'string' then return {'BROKEN', checkpoint_key} end
local processed = pcall('GET', processed_key)
processed = type(processed) == 'string' and #processed > 0 and number_of(processed)
if not processed then return {'BROKEN', processed_key} end
if book[2] ~= ARGV[2] or checkpoint ~= ARGV[1] then return {'FENCED'} end

local values = tonumber(ARGV[8])
local last_id = ARGV[9]
local last = pcall('XRANGE', stream, last_id, last_id)
if last.err then return {'BROKEN', stream} end
if not last[1] or #last[1][2] ~= values then return {'FENCED'} end
for i = 1, values do
    if last[1][2][i] ~= ARGV[9 + i] then return {'FENCED'} end
end

if type(pcall('XLEN', dead_letters)) ~= 'number' then return {'BROKEN', dead_letters} end
for i = 6, 9 do
    if type(pcall('ZCARD', KEYS[i])) ~= 'number' then return {'BROKEN', KEYS[i]} end
end
for i = 10, 11 do
    if type(pcall('HLEN', KEYS[i])) ~= 'number' then return {'BROKEN', KEYS[i]} end
end

local mistaken = {'RECORDS'}
local first_user_arg = 10 + values
local first_location_arg = first_user_arg + 4 * users
local first_dead_arg = first_location_arg + 3 * locations

-- Whether what has no record may not get one either.
local function is_missing(removed, id)
    return not create or pcall('HEXISTS', removed, id) ~= 0
end

local user_records, location_records = {}, {}
for i = 1, users do
    local key_index, arg = FIRST_USER + i - 1, first_user_arg + 4 * (i - 1)
    local record = pcall('HMGET', KEYS[key_index], 'id', 'numCheckins', 'lastCheckin', 'lastSeenAt')
    if record.err then return {'BROKEN', KEYS[key_index]} end
    local count, at, seen = number_of(record[2]), record[3], record[4]
    if not count or not is_number_text(at) or not is_number_text(seen) then return {'BROKEN', KEYS[key_index]} end
    local missing = not record[1] and is_missing(users_removed, ARGV[arg])
    if missing ~= (ARGV[arg + 1] == '-1') then mistaken[#mistaken + 1] = key_index end
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
    if missing ~= (ARGV[arg + 1] == '-1') then mistaken[#mistaken + 1] = key_index end
    record[2], record[3] = count, stars
    location_records[i] = record
end
if #mistaken > 1 then return mistaken end

-- What is kept of the newest check-ins. Each kind has a loop here, and one below that writes.
local arg = first_dead_arg
for _ = 1, dead do arg = arg + 3 + tonumber(ARGV[arg + 2]) end
local history, nows, hours, periods = 0, 0, 0, 0
if ARGV[arg] then
    history, nows, hours = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
    periods = hours + tonumber(ARGV[arg + 3])
    arg = arg + 4
end
local histories = history > 0 and users + locations or 0
local before_histories = FIRST_USER + users + locations - 1
local before_nows = before_histories + histories
local before_periods = before_nows + nows
local trending_state = before_periods + periods + 1

local now_ms, newest_ms, hour, bucket, now_block
if nows + periods > 0 then
    local time = call('TIME')
    now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    newest_ms = now_ms + HOUR_MS
    hour, bucket = math.floor(now_ms / HOUR_MS), math.floor(now_ms / BUCKET_MS)
    now_block = fmt('%.0f', math.floor(now_ms / NOW_MS))
end

-- of each location of `now`: first and last argument (none when all are too old), and whether it is renewed
local now_first, now_last, now_renews = {}, {}, {}
for i = 1, nows do
    local first, last = arg + 1, arg + ARGV[arg]
    arg = last + 1
    while first < last and now_ms + ARGV[first] > NOW_MS do first = first + 2 end
    while first < last and -ARGV[last - 1] > newest_ms do last = last - 2 end
    if first < last then
        local renewed = pcall('ZSCORE', KEYS[before_nows + i], RENEWED)
        if type(renewed) == 'table' then return {'BROKEN', KEYS[before_nows + i]} end
        now_first[i], now_last[i], now_renews[i] = first, last, renewed ~= now_block
    end
end

-- Calls a command that takes many arguments and answers with a list, in pieces that Lua's stack can hold; nil when the
-- key has another type.
local function read_in_chunks(command, key, first, last)
    local replies = pcall(command, key, unpack(ARGV, first, math.min(first + MAX_UNPACK - 1, last)))
    if replies.err then return nil end
    for from = first + MAX_UNPACK, last, MAX_UNPACK do
        local more = call(command, key, unpack(ARGV, from, math.min(from + MAX_UNPACK - 1, last)))
        for i = 1, #more do replies[#replies + 1] = more[i] end
    end
    return replies
end

local window, order, building
if periods > hours then
    local state = pcall('HMGET', KEYS[trending_state], 'window', 'order', 'building')
    if state.err then return {'BROKEN', KEYS[trending_state]} end
    -- without a window the next roll makes the order from the buckets
    window, building = tonumber(state[1] or ''), state[3]
    order = KEYS[trending_state + (state[2] == '1' and 2 or 1)]
    if window and type(pcall('ZCARD', order)) ~= 'number' then return {'BROKEN', order} end
end

-- of each hour, then of each bucket: first and last argument of its locations (none when it is too old), and the counts
-- that it has
local period_first, period_last, period_counts = {}, {}, {}
for i = 1, periods do
    local period, first = tonumber(ARGV[arg]), arg + 2
    local last = first + ARGV[arg + 1] - 1
    arg = 2 * last - first + 2
    local before, newest = hour - HOURS, hour + 1
    if i > hours then before, newest = math.min(bucket, window or bucket) - BUCKETS, bucket + BUCKETS / 2 end
    if period > before and period <= newest then
        local key = KEYS[before_periods + i]
        local counts = read_in_chunks('HMGET', key, first, last)
        if not counts then return {'BROKEN', key} end
        for at = 1, #counts do
            counts[at] = number_of(counts[at])
            if not counts[at] then return {'BROKEN', key} end
        end
        period_first[i], period_last[i], period_counts[i] = first, last, counts
    end
end

-- ---------------------------------------------------------------- write

-- Histories come before all other writes: whether a key is a list, the push itself tells, and it can be undone. To ask
-- first would cost half as much again.
local lengths = {}
local function undo_histories()
    for i = 1, histories do
        if lengths[i] then call('RPOP', KEYS[before_histories + i]) end
    end
end
for i = 1, histories do
    local checkins = i <= users and first_user_arg + 4 * i - 3 or first_location_arg + 3 * (i - users) - 2
    if ARGV[checkins] ~= '-1' and ARGV[checkins] ~= '0' then
        local length = pcall('RPUSH', KEYS[before_histories + i], ARGV[arg])
        if type(length) ~= 'number' then
            undo_histories()
            return {'BROKEN', KEYS[before_histories + i]}
        end
        lengths[i] = length
        arg = arg + 1
    end
end

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

for i = 1, histories do
    -- Not with each batch. An item holds at least one check-in.
    if (lengths[i] or 0) > history + history / 4 then call('LTRIM', KEYS[before_histories + i], -history, -1) end
end
for i = 1, nows do
    if now_first[i] then
        local key, last = KEYS[before_nows + i], now_last[i]
        for first = now_first[i], last, MAX_UNPACK do
            call('ZADD', key, unpack(ARGV, first, math.min(first + MAX_UNPACK - 1, last)))
        end
        if now_renews[i] then
            call('ZREMRANGEBYSCORE', key, fmt('(%.0f', NOW_MS - now_ms), '0')
            call('ZADD', key, now_block, RENEWED)
            call('EXPIRE', key, NOW_S)
        end
    end
end
for i = 1, periods do
    local first, last, counts = period_first[i], period_last[i], period_counts[i]
    if first then
        local key, amount, pairs_of = KEYS[before_periods + i], last - first + 1, {}
        for at = 1, amount do
            pairs_of[2 * at - 1], pairs_of[2 * at] = ARGV[first + at - 1], whole(counts[at] + ARGV[last + at])
        end
        in_chunks('HSET', key, pairs_of)
        call('EXPIRE', key, i > hours and BUCKET_S or HOURS_S)
        local its_bucket = i > hours and tonumber(ARGV[first - 2])
        if window and its_bucket and its_bucket <= window and its_bucket > window - BUCKETS then
            local sign = its_bucket > window - BUCKETS / 2 and -1 or 1
            local scores = read_in_chunks('ZMSCORE', order, first, last)
            for at = 1, amount do
                pairs_of[2 * at] = pairs_of[2 * at - 1]
                pairs_of[2 * at - 1] = (scores[at] or 0) + sign * ARGV[last + at]
            end
            in_chunks('ZADD', order, pairs_of)
            call('EXPIRE', order, BUCKET_S)
        end
    end
end
-- an order that is half made does not know of these: it is begun again
if building then call('HDEL', KEYS[trending_state], 'building') end

processed = fmt('%.0f', processed + entries)
call('SET', processed_key, processed)
call('SET', checkpoint_key, last_id)
return {'OK', processed, (os.clock() - began) * 1000000}
