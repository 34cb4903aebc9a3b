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
--       3 length of a history (0: none are kept)  4, 5, 6 whether presence, hourly, trending are kept: 1 or 0
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
--
-- What it does is in functions, each of which has its part. Reading gathers in two tables what is to be written: records
-- and activity.
local call, pcall, match = redis.call, redis.pcall, string.match
local FIRST_LETTER, ARGS_EACH, FIRST_KEY, KEYS_EACH = 7, 6, 14, 7
-- entries and items looked at before the rest of the dead letters is left to another call
local ENOUGH = 5000

--@include activity_spans
--@include number_of
--@include whole
--@include average_of
--@include seen_member
--@include digits
--@include field
--@include stream_info
--@include is_missing
--@include check_ids_left
--@include broken_key
--@include retry_metadata
--@include retry_records
--@include retry_histories
--@include retry_activity

local keys = {
    dead_letters = KEYS[1], meta = KEYS[2], stream = KEYS[3], checkpoint = KEYS[4], users_by_checkins = KEYS[5],
    users_recent = KEYS[6], users_last_seen = KEYS[7], locations_by_checkins = KEYS[8], users_removed = KEYS[9],
    locations_removed = KEYS[10], trending_state = KEYS[11], trending_orders = {KEYS[12], KEYS[13]},
}
local create = ARGV[2] == 'create'

-- ---------------------------------------------------------------- read and check

local metadata, refusal = read_metadata(keys, ARGV[1])
if refusal then return refusal end
local activity
activity, refusal = read_activity(keys, tonumber(ARGV[3]), ARGV[4] == '1', ARGV[5] == '1', ARGV[6] == '1')
if refusal then return refusal end
local records = {users = {}, locations = {}, looked_at = 0}

local outcomes, removed, changed = {'OK'}, {}, {}
local key = FIRST_KEY
for arg = FIRST_LETTER, #ARGV, ARGS_EACH do
    if records.looked_at + activity.histories.looked_at > ENOUGH then break end
    local id, entry_id, reason, user_id, location_id, stars = unpack(ARGV, arg, arg + ARGS_EACH - 1)
    local user, location, own
    if reason == '' then
        own, key = key, key + KEYS_EACH
        user, location = user_of(records, KEYS[own], user_id), location_of(records, KEYS[own + 1], location_id)
        if not user then return {'BROKEN', KEYS[own]} end
        if not location then return {'BROKEN', KEYS[own + 1]} end
        if not user.exists and is_missing(create, keys.users_removed, user_id) then
            reason = 'unknown-user'
        elseif not location.exists and is_missing(create, keys.locations_removed, location_id) then
            reason = 'unknown-location'
        end
    end
    local letter = call('XRANGE', keys.dead_letters, id, id)[1]
    if not letter or letter[2][2] ~= entry_id then
        outcomes[#outcomes + 1] = 'GONE'
    elseif reason == '' then
        local is_last = is_newest(keys, metadata, records, user, entry_id)
        count(user, location, is_last and entry_id, stars)
        local broken = keep(activity, own, entry_id, user_id, location_id, stars)
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
refusal = #changed > 0 and check_ids_left(keys)
if refusal then return refusal end

-- ---------------------------------------------------------------- write

call('HSET', keys.meta, 'torn', metadata.checkpoint)
for _, values in ipairs(changed) do call('XADD', keys.dead_letters, '*', unpack(values)) end
write_users(keys, records)
write_locations(keys, records)
write_histories(activity)
write_activity(activity)
if #removed > 0 then
    call('XDEL', keys.dead_letters, unpack(removed))
    -- also for those that only moved: whoever reads dead letters page by page must notice
    call('HSET', keys.meta, 'settled', whole(metadata.settled + 1))
end
call('HDEL', keys.meta, 'torn')
return outcomes
