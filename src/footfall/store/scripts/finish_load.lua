#!lua
-- Ends a load of check-ins: the staged ones become the stream, with nothing of it processed.
--
-- KEYS  1 lease         compared; the caller gives it back
--       2 meta          generation + 1, state = ready, loaded = number of entries; lost, discarded and
--                       takenOver are removed
--       3 staging       renamed to the stream
--       4 stream        replaced
--       5 checkpoint    0
--       6 processed     0
--       7 dead letters  deleted
--       8 discarded     deleted
--       then state, orders and buckets of the trending locations: deleted
-- ARGV  1 token of the lease  2 number of staged entries
--
-- Result  'OK', also when it is done already (the reply was lost, the call is a second try); or with nothing changed:
--         'LOST'          the lease is another load's by now
--         'BROKEN <key>'  a key does not hold what it must
local lease, meta, staging, stream, checkpoint, processed = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call, pcall = redis.call, redis.pcall

if call('GET', lease) ~= ARGV[1] then return 'LOST' end
local book = pcall('HMGET', meta, 'state', 'generation')
if book.err then return 'BROKEN ' .. meta end
if book[1] == 'ready' then return 'OK' end
local generation = book[2] or ''
if book[1] ~= 'loading' or #generation > 16 or not string.match(generation, '^%d+$') then return 'BROKEN ' .. meta end
if pcall('XLEN', staging) ~= tonumber(ARGV[2]) then return 'BROKEN ' .. staging end

-- unlinked before it is replaced: RENAME would free millions of old entries at once, here and now
call('UNLINK', stream, unpack(KEYS, 7))
if ARGV[2] == '0' then
    -- the one way to make an empty stream; a stream that is missing would count as deleted
    call('XGROUP', 'CREATE', stream, 'loader', '0', 'MKSTREAM')
    call('XGROUP', 'DESTROY', stream, 'loader')
else
    call('RENAME', staging, stream)
end
call('SET', checkpoint, '0')
call('SET', processed, '0')
call('HINCRBY', meta, 'generation', '1')
call('HDEL', meta, 'lost', 'discarded', 'forgotten', 'takenOver', 'torn')
call('HSET', meta, 'state', 'ready', 'loaded', ARGV[2])
return 'OK'
