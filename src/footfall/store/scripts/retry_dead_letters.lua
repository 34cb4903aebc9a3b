#!lua
-- Applies dead letters after all, one after the other, each with exactly what process.lua does with an entry, and
-- removes them. Those that still cannot be applied stay; when that is for another reason by now, with that.
-- Neither the checkpoint nor the count of processed entries is touched: it has passed these entries.
--
-- The server does not roll back a script that fails half way. So everything is read and checked first; the writes
-- come last and are of a kind that cannot fail any more.
--
-- KEYS  1 dead letters           XDEL; XADD with another reason
--       2 meta                   read: state, generation; settled + 1; torn: the checkpoint, while this writes
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
--         {'TORN'}         an earlier batch, or call of this, was applied in part
--         {'BROKEN', key}  a key is missing or does not hold what it must
local dead_letters, meta, stream, checkpoint_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local by_checkins, recent, last_seen, locations_by_checkins = KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local call, pcall, fmt, match = redis.call, redis.pcall, string.format, string.match
local users_removed, locations_removed = KEYS[9], KEYS[10]
local create = ARGV[2] == 'create'
local history, keeps_now, keeps_hours, keeps_trending = tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5] == '1', ARGV[6] == '1'
local state_key = KEYS[11]
local FIRST_LETTER, ARGS_EACH, KEYS_EACH = 7, 6, 7
-- entries looked at for users' last check-ins before the rest of the dead letters is left to another call
local ENOUGH = 5000

--@include windows
--@include number_of
--@include whole
--@include average_of
--@include seen_member
--@include digits
--@include field
--@include stream_info

-- ---------------------------------------------------------------- read and check

local book = pcall('HMGET', meta, 'state', 'generation', 'settled', 'torn')
if book.err then return {'BROKEN', meta} end
if book[1] == 'loading' then return {'LOADING'} end
local settled = number_of(book[3])
if book[1] ~= 'ready' or not settled then return {'BROKEN', meta} end
if book[2] ~= ARGV[1] then return {'FENCED'} end
if book[4] then return {'TORN'} end

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

local looked_at = 0 -- entries and items
local broken -- a key that does not hold what it must

--@include is_missing
--@include retry_records
--@include retry_kept_read

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
    local last_id = stream_info(dead_letters)['last-generated-id']
    if match(last_id, '^18446744073709551615%-') then return {'BROKEN', dead_letters} end
end

-- ---------------------------------------------------------------- write

call('HSET', meta, 'torn', checkpoint)
for _, values in ipairs(changed) do
    call('XADD', dead_letters, '*', unpack(values))
end
for record_key, user in pairs(users) do
    if user.added > 0 then
        local total = whole(user.count)
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
            call('ZADD', last_seen, '0', seen_member(user.place, user.at, user.id))
        end
    end
end
for record_key, location in pairs(locations) do
    if location.added > 0 then
        local count, stars = whole(location.count), whole(location.stars)
        local average = whole(average_of(location.stars, location.count))
        if not location.exists then call('HSET', record_key, 'id', location.id) end
        call('HSET', record_key, 'numCheckins', count, 'numStars', stars, 'averageStars', average)
        call('ZADD', locations_by_checkins, count, location.id)
    end
end

--@include retry_kept_write

if #removed > 0 then
    call('XDEL', dead_letters, unpack(removed))
    -- also for those that only moved: whoever reads dead letters page by page must notice
    call('HSET', meta, 'settled', whole(settled + 1))
end
call('HDEL', meta, 'torn')
return outcomes
