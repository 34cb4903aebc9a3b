#!lua
-- Notes what entries have counted that somebody has removed from the stream after they were processed; or notes that
-- they do not count, after a rebuild without them.
--
-- KEYS  1 meta            read: state, generation, settled, torn; gone + number of entries; goneDead + those that do not
--                         count; lost + entries that do not count from now on
--       2 stream          read: how many entries are no longer in it
--       3 users gone      HSET: per user, JSON of all that such entries have counted; deleted before, when told so
--       4 locations gone  HSET: per location, the same
-- ARGV  1 generation  2 settled  3 entries that are no longer in the stream  4 entries that were noted before, 5 those of
--       them that do not count: as they were when it was found out
--       6 entries to note  7 those of them that do not count (below 0: so many fewer)  8 entries to be lost
--       9 forget | keep: what becomes of what was noted before  10 number of users
--       per user, then per location: id, JSON
--
-- Result  {'OK'}; or, with nothing changed, {'MOVED'} when something is not as it was, or not what it must be; {'TORN'}
--         when a batch was applied in part
local meta, stream, users_gone, locations_gone = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, pcall = redis.call, redis.pcall

--@include stream_info
--@include is_or_none

local fields = pcall('HMGET', meta, 'state', 'generation', 'settled', 'gone', 'goneDead', 'torn', 'lost')
if fields.err or fields[1] ~= 'ready' or fields[2] ~= ARGV[1] or (fields[3] or '0') ~= ARGV[2] then return {'MOVED'} end
if fields[6] then return {'TORN'} end
if (fields[4] or '0') ~= ARGV[4] or (fields[5] or '0') ~= ARGV[5] then return {'MOVED'} end
if not string.match(fields[7] or '0', '^%d+$') then return {'MOVED'} end
local info = stream_info(stream)
if not info or (info['entries-added'] or 0) - (info['length'] or 0) ~= tonumber(ARGV[3]) then return {'MOVED'} end
if not is_or_none(users_gone, 'hash') or not is_or_none(locations_gone, 'hash') then return {'MOVED'} end

if ARGV[9] == 'forget' then
    call('HDEL', meta, 'gone', 'goneDead')
    call('UNLINK', users_gone, locations_gone)
end
local users = tonumber(ARGV[10])
for i = 11, #ARGV, 2 do
    call('HSET', i < 11 + 2 * users and users_gone or locations_gone, ARGV[i], ARGV[i + 1])
end
call('HINCRBY', meta, 'gone', ARGV[6])
call('HINCRBY', meta, 'goneDead', ARGV[7])
if ARGV[8] ~= '0' then call('HINCRBY', meta, 'lost', ARGV[8]) end
return {'OK'}
