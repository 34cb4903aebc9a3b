#!lua
-- Ends a load of check-ins that has switched, when all that was left to do is done.
--
-- KEYS  1 lease    compared; the caller gives it back
--       2 meta     state = ready; load and switched are removed
--       3 staging  deleted: nothing is in it any more
-- ARGV  1 token of the lease
--
-- Result  {'OK'}, also when it is done already; or with nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, meta, staging = KEYS[1], KEYS[2], KEYS[3]
local call, pcall = redis.call, redis.pcall

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
local fields = pcall('HMGET', meta, 'state', 'switched')
if fields.err then return {'BROKEN', meta} end
if fields[1] == 'ready' then return {'OK'} end
if fields[1] ~= 'loading' or not fields[2] then return {'BROKEN', meta} end
if fields[2] == 'append' and pcall('XLEN', staging) ~= 0 then return {'BROKEN', staging} end

call('HSET', meta, 'state', 'ready')
call('HDEL', meta, 'load', 'switched', 'anew')
call('UNLINK', staging)
return {'OK'}
