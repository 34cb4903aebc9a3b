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
--       then per dead letter that is a check-in: the user's hash, the location's hash: numCheckins and so on
-- ARGV  1 generation  2 reject | create: what to do with an unknown user or location
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
local create = ARGV[2] == 'create'
local ARGS_EACH = 6
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

local outcomes, removed, changed = {'OK'}, {}, {}
local key = 9
for arg = 3, #ARGV, ARGS_EACH do
    if looked_at > ENOUGH then break end
    local id, entry_id, reason = ARGV[arg], ARGV[arg + 1], ARGV[arg + 2]
    local user, location
    if reason == '' then
        user, location = user_of(KEYS[key], ARGV[arg + 3]), location_of(KEYS[key + 1], ARGV[arg + 4])
        if broken then return {'BROKEN', broken} end
        key = key + 2
        if not create then
            reason = not user.exists and 'unknown-user' or not location.exists and 'unknown-location' or ''
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
if #removed > 0 then
    call('XDEL', dead_letters, unpack(removed))
    -- also for those that only moved: whoever reads dead letters page by page must notice
    call('HSET', meta, 'settled', fmt('%.0f', settled + 1))
end
return outcomes
