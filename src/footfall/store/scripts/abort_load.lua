#!lua
-- Ends a load of check-ins that was killed before it switched: everything is as it was before.
--
-- KEYS  1 lease    compared; the caller gives it back
--       2 meta     state = ready; load and anew are removed
--       3 staging  deleted
-- ARGV  1 token of the lease
--
-- Result  {'OK'}, or {'REBUILT'} when meta was broken before and was rebuilt; or with nothing changed:
--         {'NONE'}         no load is under way
--         {'SWITCHED'}     it can only be finished
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, meta, staging = KEYS[1], KEYS[2], KEYS[3]
local call, pcall = redis.call, redis.pcall

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
local fields = pcall('HMGET', meta, 'state', 'switched', 'anew')
if fields.err then return {'BROKEN', meta} end
if fields[1] ~= 'loading' then return {'NONE'} end
if fields[2] then return {'SWITCHED'} end

call('HSET', meta, 'state', 'ready')
call('HDEL', meta, 'load', 'anew')
call('UNLINK', staging)
return {fields[3] and 'REBUILT' or 'OK'}
