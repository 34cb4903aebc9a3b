#!lua flags=no-writes
-- Reads entries of an index with the fields of the records that they are about, as they are at one moment. Only reads.
--
-- KEYS  1 index: a zset or a hash  then per entry the hash that it is about
-- ARGV  1 number of fields, n  then the n names  then the entries: members of the zset, fields of the hash
--
-- Result  {'OK', list}: per entry {score or value, field, ...}, nil when it is not there, or when its key has another type
local pcall = redis.pcall
local command = redis.call('TYPE', KEYS[1]).ok == 'hash' and 'HGET' or 'ZSCORE'
local fields = tonumber(ARGV[1])

local page = {}
for i = 2, #KEYS do
    local found = pcall(command, KEYS[1], ARGV[fields + i])
    local entry = {type(found) == 'string' and found}
    local record = pcall('HMGET', KEYS[i], unpack(ARGV, 2, fields + 1))
    for j = 1, fields do
        entry[j + 1] = not record.err and record[j]
    end
    page[#page + 1] = entry
end
return {'OK', page}
