#!lua
-- Notes whether all data is the sample, or takes that note away.
--
-- KEYS  1 lease                   compared
--       2 meta                    sample
--       3 users by check-ins      read: how many users are there?
--       4 locations by check-ins  read, the same
-- ARGV  1 token of the lease  2 set | clear
--       3 with set, how many users are there when none is another's  4 how many locations
--
-- Result  {'OK'}, also when there are others: then it is not noted; or with nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, meta, users, locations = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, pcall = redis.call, redis.pcall

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
if type(pcall('HLEN', meta)) ~= 'number' then return {'BROKEN', meta} end
if ARGV[2] == 'clear' then
    call('HDEL', meta, 'sample')
elseif pcall('ZCARD', users) == tonumber(ARGV[3]) and pcall('ZCARD', locations) == tonumber(ARGV[4]) then
    call('HSET', meta, 'sample', '1')
end
return {'OK'}
