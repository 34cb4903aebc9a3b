#!lua flags=no-writes
-- Reads a location's check-ins per hour. Only reads.
--
-- KEYS  1 the location's hash  then the hours up to that of ARGV 1, the oldest first
-- ARGV  1 hour  2 location (16 digits)
--
-- Result  {'OK', id, check-ins, ...}  of each hour, nil when it has none; the id is nil when there is no such location
--         {'HOUR', hour}              the hour that it is, by the server's clock: ask with that one
--         {'BROKEN', key}             a key has another type
local pcall = redis.pcall

--@include activity_spans

local hour = string.format('%.0f', math.floor(redis.call('TIME')[1] * 1000 / HOUR_MS))
if hour ~= ARGV[1] then return {'HOUR', hour} end
local answer = {'OK', pcall('HGET', KEYS[1], 'id')}
for i = 2, #KEYS do answer[i + 1] = pcall('HGET', KEYS[i], ARGV[2]) end
for i = 1, #KEYS do
    if type(answer[i + 1]) == 'table' then return {'BROKEN', KEYS[i]} end
end
return answer
