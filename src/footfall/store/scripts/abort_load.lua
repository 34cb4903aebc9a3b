#!lua
-- Ends a load of check-ins that was killed before it switched: everything is as it was before.
--
-- KEYS  1 lease    compared; the caller gives it back
--       2 meta     state = ready; load and anew are removed
--       3 staging  deleted
-- ARGV  1 token of the lease
--
-- Result  {'OK'}, or {'ANEW'} when meta was broken before and was made anew; or with nothing changed:
--         {'NONE'}         no load is under way
--         {'SWITCHED'}     it can only be finished
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, meta, staging = KEYS[1], KEYS[2], KEYS[3]
local call, pcall = redis.call, redis.pcall

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
local book = pcall('HMGET', meta, 'state', 'switched', 'anew')
if book.err then return {'BROKEN', meta} end
if book[1] ~= 'loading' then return {'NONE'} end
if book[2] then return {'SWITCHED'} end

call('HSET', meta, 'state', 'ready')
call('HDEL', meta, 'load', 'anew')
call('UNLINK', staging)
return {book[3] and 'ANEW' or 'OK'}
