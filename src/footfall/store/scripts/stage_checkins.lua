#!lua
-- Adds a chunk of check-ins to the staging stream.
--
-- KEYS  1 lease    compared
--       2 staging  XADD
-- ARGV  1 token of the lease  2 id of the last entry staged before, 0-0 for none
--       then per check-in, in rising order: id, locationId, userId, starRating
--
-- Result  {'OK'}, also when the chunk is there already (the reply was lost, the call is a second try); or with
--         nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  the staging stream does not end where it must
local lease, staging = KEYS[1], KEYS[2]
local VALUES = 4

--@include stream_info

if redis.call('GET', lease) ~= ARGV[1] then return {'LOST'} end

local info = stream_info(staging)
if not info then return {'BROKEN', staging} end
local last = info['last-generated-id'] or '0-0'
if last == ARGV[#ARGV - VALUES + 1] then return {'OK'} end
if last ~= ARGV[2] then return {'BROKEN', staging} end

for i = 3, #ARGV, VALUES do
    redis.call('XADD', staging, ARGV[i], 'locationId', ARGV[i + 1], 'userId', ARGV[i + 2], 'starRating', ARGV[i + 3])
end
return {'OK'}
