#!lua flags=no-writes
-- Reads a location's check-ins per hour, and which hour it is by the server's clock. Only reads.
--
-- KEYS  1 the location's hash  2 hash: hour -> check-ins
--
-- Result  {id, hour, hour, check-ins, ...}  the id is nil when there is no such location; the second is the present one
--         'BROKEN <key>'                    a key has another type
local pcall = redis.pcall

local id = pcall('HGET', KEYS[1], 'id')
if type(id) == 'table' then return 'BROKEN ' .. KEYS[1] end
local found = pcall('HGETALL', KEYS[2])
if found.err then return 'BROKEN ' .. KEYS[2] end
local answer = {id, string.format('%.0f', math.floor(redis.call('TIME')[1] / 3600))}
for i = 1, #found, 2 do
    if found[i] ~= 'renewed' then -- when it was, for process.lua
        answer[#answer + 1], answer[#answer + 2] = found[i], found[i + 1]
    end
end
return answer
