#!lua
-- Removes entries of an index that do not follow from the records, unless those have changed meanwhile.
--
-- KEYS  1 index: ZREM or HDEL, by its type  then per entry the hash that it is about
-- ARGV  1 number of fields, n  then the n names
--       then per entry: the member of the zset or field of the hash, the record's n fields as the caller has read them
--       ('' when there is none)
--
-- Result  {'OK', how many were removed}
local call = redis.call
local index, fields = KEYS[1], tonumber(ARGV[1])

local kind = call('TYPE', index).ok
local command = kind == 'zset' and 'ZREM' or kind == 'hash' and 'HDEL'
if not command then return {'OK', 0} end

local removed = 0
for i = 2, #KEYS do
    local arg = 2 + fields + (i - 2) * (fields + 1)
    local record = redis.pcall('HMGET', KEYS[i], unpack(ARGV, 2, fields + 1))
    local unchanged = true
    for j = 1, fields do
        if (not record.err and record[j] or '') ~= ARGV[arg + j] then unchanged = false end
    end
    if unchanged then removed = removed + call(command, index, ARGV[arg]) end
end
return {'OK', removed}
