#!lua
-- Applies dead letters after all, one after the other, each with exactly what process.lua does with an entry, and
-- removes them. Those that still cannot be applied stay; when that is for another reason by now, with that.
-- Neither the checkpoint nor the count of processed entries is touched: it has passed these entries.
--
-- The server does not roll back a script that fails half way. So everything is read and checked first; the writes
-- come last and are of a kind that cannot fail any more.
--
-- KEYS  1 dead letters           XDEL; XADD with another reason
--       2 meta                   read: state, generation; settled + 1
--       3 stream                 read: which of a user's check-ins in one ms was the last?
--       4 checkpoint             read
--       5 users by check-ins     ZADD
--       6 users recent           ZADD
--       7 users last seen        ZREM old, ZADD new
--       8 locations by check-ins ZADD
--       9 users removed          read: with `create`, who is in it gets no record
--       10 locations removed     read, the same
--       11 trending: state       HDEL building
--       12, 13 orders 0 and 1    ZINCRBY
--       then per dead letter that is a check-in: the user's hash, the location's hash: numCheckins and so on;
--       the user's history, the location's: DEL, RPUSH; who is at the location: ZADD; the entry's hour: HSET;
--       its bucket of trending: HSET
-- ARGV  1 generation  2 reject | create: what to do with an unknown user or location
--       3 length of a history (0: none are kept)  4, 5, 6 whether now, hourly, trending are kept: 1 or 0
--       then per dead letter: its id, the entry's id, why it is no check-in ('' when it is one), userId, locationId,
--       stars
--
-- Result  {'OK', outcome, ...}: APPLIED, GONE (another has retried or discarded it), or the reason for which it stays,
--         per dead letter; fewer when looking for a user's last check-in took long: the rest is left.
--         Or with nothing changed:
--         {'FENCED'}       the stream was replaced, and with it the dead letters
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key is missing or does not hold what it must
local dead_letters, meta, stream, checkpoint_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local by_checkins, recent, last_seen, locations_by_checkins = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local call, pcall, fmt, match = redis.call, redis.pcall, string.format, string.match
local users_removed, locations_removed = KEYS[9], KEYS[10]
local create = ARGV[2] == 'create'
local history, keeps_now, keeps_hours, keeps_trending = tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5] == '1', ARGV[6] == '1'
local state_key = KEYS[11]
local FIRST_LETTER, ARGS_EACH, KEYS_EACH = 7, 6, 7
-- as in process.lua
local HOUR_MS, BUCKET_MS, NOW_MS, BUCKETS, HOURS = 3600000, 300000, 3 * 3600000, 24, 168
local NOW_S, HOURS_S, BUCKET_S = '28800', '698400', '97200'
-- entries looked at for users' last check-ins before the rest of the dead letters is left to another call
local ENOUGH = 5000

-- The whole number in a hash field; 0 when there is none, nil when it is something else.
local function number_of(text)
    if not text then return 0 end
    local number = tonumber(text)
    return number and number >= 0 and number <= 9007199254740991 and number % 1 == 0 and number or nil
end

-- ---------------------------------------------------------------- read and check

local book = pcall('HMGET', meta, 'state', 'generation', 'settled')
if book.err then return {'BROKEN', meta} end
if book[1] == 'loading' then return {'LOADING'} end
local settled = number_of(book[3])
if book[1] ~= 'ready' or not settled then return {'BROKEN', meta} end
if book[2] ~= ARGV[1] then return {'FENCED'} end

local checkpoint = pcall('GET', checkpoint_key)
if type(checkpoint) ~= 'string' or pcall('XRANGE', stream, checkpoint, checkpoint).err then
    return {'BROKEN', type(pcall('XLEN', stream)) == 'number' and checkpoint_key or stream}
end
if type(pcall('XLEN', dead_letters)) ~= 'number' then return {'BROKEN', dead_letters} end
for i = 5, 8 do
    if type(pcall('ZCARD', KEYS[i])) ~= 'number' then return {'BROKEN', KEYS[i]} end
end
for i = 9, 10 do
    if type(pcall('HLEN', KEYS[i])) ~= 'number' then return {'BROKEN', KEYS[i]} end
end

-- Whether what has no record may not get one either.
local function is_missing(removed, id)
    return not create or call('HEXISTS', removed, id) == 1
end

-- An id so that ids compare as text: they have 64 bits, Lua's numbers 53.
local function digits(id)
    local ms, sequence = match(id, '^(%d+)%-(%d+)$')
    return string.rep('0', 20 - #ms) .. ms .. string.rep('0', 20 - #sequence) .. sequence
end

local function field(values, name)
    for i = 1, #values, 2 do
        if values[i] == name then return values[i + 1] end
    end
end

local looked_at = 0

-- Whether the user's last check-in, whose ms is that of this entry, comes after it in the stream. The record keeps
-- only ms and place of it. When the stream does not have this entry any more, it cannot be told: then what is
-- recorded stays.
local function last_is_after(user, entry_id)
    if #call('XRANGE', stream, '-', entry_id, 'COUNT', 1) == 0 then return true end
    local ms, from, page = match(entry_id, '^%d+'), entry_id, nil
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

local broken
local users, locations = {}, {} -- by key: what the records hold, then what they are to hold

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
        user.member = record[4] and fmt('%016d:%013d:%s', record[4], at, id)
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

local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local hour, bucket = math.floor(now_ms / HOUR_MS), math.floor(now_ms / BUCKET_MS)
local trending = keeps_trending and pcall('HMGET', state_key, 'window', 'order') or {}
if trending.err then return {'BROKEN', state_key} end
local window, order = tonumber(trending[1] or ''), KEYS[trending[2] == '1' and 13 or 12]
if window and type(pcall('ZCARD', order)) ~= 'number' then return {'BROKEN', order} end

-- what is to be written of the newest check-ins: calls, counts by key and field, and histories, oldest first
local writes, counts, histories, rewritten = {}, {}, {}, {}

-- Puts a check-in into a history in its place.
local function keep(list, entry_id, checkin)
    local checkins = histories[list]
    if not checkins then
        local items = pcall('LRANGE', list, 0, -1)
        checkins = {}
        for _, item in ipairs(items) do -- an error has no items
            for one in string.gmatch(item, '[^,]+') do checkins[#checkins + 1] = one end
        end
        looked_at = looked_at + #checkins / 4
        histories[list] = checkins
        if items.err then broken = list end
    end
    local id, low, high = digits(entry_id), 1, #checkins + 1
    while low < high do -- the first that is newer is at `low` or behind it, and not behind `high`
        local middle = math.floor((low + high) / 2)
        local its_id = match(checkins[middle], '^%d+%-%d+')
        if not its_id then
            broken = list
            return
        end
        if digits(its_id) > id then high = middle else low = middle + 1 end
    end
    if low == 1 and #checkins >= history then return end -- there are enough newer ones
    table.insert(checkins, low, checkin)
    rewritten[list] = true
end

local function count_up(hash, field, expires_s)
    counts[hash] = counts[hash] or {expires_s = expires_s, fields = {}}
    local fields = counts[hash].fields
    if not fields[field] then
        local stored = pcall('HGET', hash, field)
        fields[field] = type(stored) ~= 'table' and number_of(stored)
        if not fields[field] then
            broken = hash
            return
        end
    end
    fields[field] = fields[field] + 1
end

-- Everything that is kept of the newest check-ins, for one; `own` is the index of its first key.
local function keep_all(own, entry_id, user, location, stars)
    local ms = tonumber(match(entry_id, '^%d+'))
    if history > 0 then
        keep(KEYS[own + 2], entry_id, entry_id .. ' ' .. location .. ' ' .. stars)
        keep(KEYS[own + 3], entry_id, entry_id .. ' ' .. user .. ' ' .. stars)
    end
    local there, its_hour_key, its_bucket_key = KEYS[own + 4], KEYS[own + 5], KEYS[own + 6]
    if ms > now_ms + HOUR_MS then return end
    if keeps_now and now_ms - ms <= NOW_MS then
        if type(pcall('ZCARD', there)) ~= 'number' then broken = there end
        writes[#writes + 1] = {'ZADD', there, 'LT', fmt('-%.0f', ms), fmt('%016.0f', user)}
        writes[#writes + 1] = {'EXPIRE', there, NOW_S}
    end
    local its_hour, its_bucket = math.floor(ms / HOUR_MS), math.floor(ms / BUCKET_MS)
    if keeps_hours and its_hour > hour - HOURS then count_up(its_hour_key, fmt('%016.0f', location), HOURS_S) end
    if keeps_trending and its_bucket > math.min(bucket, window or bucket) - BUCKETS then
        local member = fmt('%016.0f', location)
        count_up(its_bucket_key, member, BUCKET_S)
        if window and its_bucket <= window and its_bucket > window - BUCKETS then
            local sign = its_bucket > window - BUCKETS / 2 and '-1' or '1'
            writes[#writes + 1] = {'ZINCRBY', order, sign, member}
            writes[#writes + 1] = {'EXPIRE', order, BUCKET_S}
        end
        writes[#writes + 1] = {'HDEL', state_key, 'building'}
    end
end

local outcomes, removed, changed = {'OK'}, {}, {}
local key = 14
for arg = FIRST_LETTER, #ARGV, ARGS_EACH do
    if looked_at > ENOUGH then break end
    local id, entry_id, reason = ARGV[arg], ARGV[arg + 1], ARGV[arg + 2]
    local user, location
    if reason == '' then
        user, location = user_of(KEYS[key], ARGV[arg + 3]), location_of(KEYS[key + 1], ARGV[arg + 4])
        if broken then return {'BROKEN', broken} end
        key = key + KEYS_EACH
        if not user.exists and is_missing(users_removed, user.id) then
            reason = 'unknown-user'
        elseif not location.exists and is_missing(locations_removed, location.id) then
            reason = 'unknown-location'
        end
    end
    local letter = call('XRANGE', dead_letters, id, id)[1]
    if not letter or letter[2][2] ~= entry_id then
        outcomes[#outcomes + 1] = 'GONE'
    elseif reason == '' then
        user.count, user.added = user.count + 1, user.added + 1
        if is_newest(user, entry_id) then
            local ms = match(entry_id, '^%d+')
            user.at, user.ms, user.place, user.entry_id = tonumber(ms), ms, ARGV[arg + 4], entry_id
        end
        location.count, location.added = location.count + 1, location.added + 1
        location.stars = location.stars + tonumber(ARGV[arg + 5])
        keep_all(key - KEYS_EACH, entry_id, ARGV[arg + 3], ARGV[arg + 4], ARGV[arg + 5])
        if broken then return {'BROKEN', broken} end
        removed[#removed + 1] = id
        outcomes[#outcomes + 1] = 'APPLIED'
    else
        if letter[2][4] ~= reason then
            letter[2][4] = reason
            removed[#removed + 1], changed[#changed + 1] = id, letter[2]
        end
        outcomes[#outcomes + 1] = reason
    end
end
if #changed > 0 then
    -- with the last ms that there can be, the sequence numbers could run out between two XADDs
    local info = call('XINFO', 'STREAM', dead_letters)
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' and match(info[i + 1], '^18446744073709551615%-') then
            return {'BROKEN', dead_letters}
        end
    end
end

-- ---------------------------------------------------------------- write

for _, values in ipairs(changed) do
    call('XADD', dead_letters, '*', unpack(values))
end
for record_key, user in pairs(users) do
    if user.added > 0 then
        local total = fmt('%.0f', user.count)
        if user.exists then
            call('HSET', record_key, 'numCheckins', total)
        else
            call('HSET', record_key, 'id', user.id, 'numCheckins', total)
        end
        call('ZADD', by_checkins, total, user.id)
        if user.entry_id then
            call('HSET', record_key, 'lastCheckin', user.ms, 'lastSeenAt', user.place)
            call('ZADD', recent, user.ms, user.id)
            if user.member then call('ZREM', last_seen, user.member) end
            call('ZADD', last_seen, '0', fmt('%016d:%013d:%s', user.place, user.at, user.id))
        end
    end
end
for record_key, location in pairs(locations) do
    if location.added > 0 then
        local count, stars = location.count, location.stars
        -- rounded half up, in whole numbers: (2 * stars + count) div (2 * count)
        local doubled = 2 * stars + count
        local average = fmt('%.0f', (doubled - doubled % (2 * count)) / (2 * count))
        if not location.exists then call('HSET', record_key, 'id', location.id) end
        call('HSET', record_key, 'numCheckins', fmt('%.0f', count), 'numStars', fmt('%.0f', stars), 'averageStars', average)
        call('ZADD', locations_by_checkins, fmt('%.0f', count), location.id)
    end
end
for _, write in ipairs(writes) do call(unpack(write)) end
for list in pairs(rewritten) do
    local checkins = histories[list]
    call('DEL', list)
    call('RPUSH', list, unpack(checkins, math.max(1, #checkins - history + 1)))
end
for hash, count in pairs(counts) do
    for field, total in pairs(count.fields) do call('HSET', hash, field, fmt('%.0f', total)) end
    call('EXPIRE', hash, count.expires_s)
end
if #removed > 0 then
    call('XDEL', dead_letters, unpack(removed))
    -- also for those that only moved: whoever reads dead letters page by page must notice
    call('HSET', meta, 'settled', fmt('%.0f', settled + 1))
end
return outcomes
