#!lua
-- The point of no return of a load of check-ins: the staged ones become the stream, with nothing of it processed, or
-- are to be added to it. What is left to do then can be done by anybody, and can be repeated.
--
-- KEYS  1 lease         compared
--       2 meta          switched = replace | append; with replace: generation + 1, loaded = number of entries; all
--                       that is told of the old stream is removed; sample, too, for check-ins of a file
--       3 staging       renamed to the stream with replace
--       4 stream        replaced
--       5 checkpoint    0 with replace, and so on
--       6 processed     0
--       7 dead letters  deleted
--       8 discarded     deleted
--       9 users gone, 10 locations gone  deleted
--       then state, orders and buckets of the trending locations: deleted
-- ARGV  1 token of the lease  2 number of staged entries  3 replace | append  4 sample | file
--
-- Result  {'OK'}, also when it is done already (the reply was lost, the call is a second try); or with nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, meta, staging, stream, checkpoint, processed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call, pcall = redis.call, redis.pcall

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
local fields = pcall('HMGET', meta, 'state', 'generation', 'switched')
if fields.err then return {'BROKEN', meta} end
local generation = fields[2] or ''
if fields[1] ~= 'loading' or #generation > 16 or not string.match(generation, '^%d+$') then return {'BROKEN', meta} end
if fields[3] then return fields[3] == ARGV[3] and {'OK'} or {'BROKEN', meta} end
if pcall('XLEN', staging) ~= tonumber(ARGV[2]) then return {'BROKEN', staging} end

if ARGV[3] == 'replace' then
    -- unlinked before it is replaced: RENAME would free millions of old entries at once, here and now
    call('UNLINK', stream, unpack(KEYS, 7))
    call('RENAME', staging, stream)
    call('MSET', checkpoint, '0', processed, '0')
    call('HINCRBY', meta, 'generation', '1')
    call('HDEL', meta, 'lost', 'trimmed', 'trimmedSince', 'gone', 'goneDead', 'discarded', 'forgotten', 'takenOver', 'torn')
    call('HSET', meta, 'loaded', ARGV[2])
end
if ARGV[4] == 'file' then call('HDEL', meta, 'sample') end
call('HSET', meta, 'switched', ARGV[3])
return {'OK'}
