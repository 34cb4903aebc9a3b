#!lua flags=no-writes
-- Reads the same fields of many records, as they are at one moment. Only reads.
--
-- KEYS  a hash per record
-- ARGV  names of the fields
--
-- Result  {'OK', list}: per record its fields, nil where there is none; all are nil when there is no record
--         {'BROKEN', key}  a key is not a hash
local pcall, KEYS = redis.pcall, KEYS
local records = {}
for i = 1, #KEYS do
    local record = pcall('HMGET', KEYS[i], unpack(ARGV))
    if record.err then return {'BROKEN', KEYS[i]} end
    records[i] = record
end
return {'OK', records}
