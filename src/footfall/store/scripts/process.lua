#!lua
-- Applies a batch of entries: all effects, dead letters and the checkpoint, or nothing.
--
-- The server does not roll back a script that fails half way. So everything is read and checked first: whether each key
-- is what it must be, and whether dead letters can still be added. The writes come last, and are of a kind that cannot
-- fail any more. The caller has folded the batch: one row per user and one per location.
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
--       then nothing, or what it adds to activity:
--         length of a history (0: none are kept), number of locations of presence, of hours, of buckets
--         per location of presence: number of arguments, then -ms and user (16 digits) of each, oldest first
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
--                          missing, or the other way round
--
-- What it does is in functions, each of which has its part: one that reads gives a table, or nil and the reply that says
-- why nothing is done; one that writes takes that table.
local call, pcall, find = redis.call, redis.pcall, string.find
local KEYS, ARGV = KEYS, ARGV -- locals are read faster than globals

--@include cpu_clock
--@include activity_spans
--@include number_of
--@include is_missing
--@include stream_info
--@include check_ids_left
--@include in_chunks
--@include process_texts
--@include process_batch
--@include broken_key
--@include process_metadata
--@include process_users
--@include process_locations
--@include process_dead_letters
--@include process_periods
--@include process_presence
--@include process_histories

local began = cpu_clock()
local keys = {
    stream = KEYS[1], checkpoint = KEYS[2], processed = KEYS[3], meta = KEYS[4], dead_letters = KEYS[5],
    users_by_checkins = KEYS[6], users_recent = KEYS[7], users_last_seen = KEYS[8], locations_by_checkins = KEYS[9],
    users_removed = KEYS[10], locations_removed = KEYS[11],
}
local batch = batch_of(11)

-- ---------------------------------------------------------------- read and check

local metadata, refusal = read_metadata(keys, batch)
if refusal then return refusal end
local users, locations
users, refusal = read_users(keys, batch)
if refusal then return refusal end
locations, refusal = read_locations(keys, batch)
if refusal then return refusal end
if #users.mistaken + #locations.mistaken > 0 then return {'RECORDS', users.mistaken, locations.mistaken} end
refusal = batch.dead > 0 and check_ids_left(keys)
if refusal then return refusal end
local presence, periods, histories
presence, refusal = read_presence(batch)
if refusal then return refusal end
periods, refusal = read_periods(batch)
if refusal then return refusal end
histories, refusal = read_histories(batch)
if refusal then return refusal end

-- ---------------------------------------------------------------- write

begin_writing(keys, metadata)
write_dead_letters(keys, batch)
write_users(keys, batch, users)
write_locations(keys, batch, locations)
write_histories(batch, histories)
write_presence(batch, presence)
write_periods(periods)
local processed = write_metadata(keys, batch, metadata)
return {'OK', processed, (cpu_clock() - began) * 1000000}
