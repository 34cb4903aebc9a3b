#!lua flags=no-writes
-- Reads who checked in at a location within the last three hours, by the server's clock. Only reads.
--
-- KEYS  1 the location's hash  2 zset: user id by -ms
-- ARGV  1 how many at most
--
-- Result  {'OK', id, {user, -ms, ...}}  the newest first; the id is nil when there is no such location
--         {'BROKEN', key}  a key has another type
local pcall = redis.pcall

--@include activity_spans

local id = pcall('HGET', KEYS[1], 'id')
if type(id) == 'table' then return {'BROKEN', KEYS[1]} end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = string.format('%.0f', PRESENCE_MS - now_ms)
local found = pcall('ZRANGE', KEYS[2], '-inf', oldest, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
if found.err then return {'BROKEN', KEYS[2]} end
return {'OK', id, found}
