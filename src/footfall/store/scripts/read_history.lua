#!lua flags=no-writes
-- Reads the newest check-ins of a user or at a location. Only reads.
--
-- KEYS  1 the record's hash  2 its history: list, the newest last; an item has the check-ins that were counted together,
--       with commas between them
-- ARGV  1 how many check-ins at most
--
-- Result  {'OK', id, item, ...}  the newest item first, with as many check-ins as are wanted, or some more of the last item;
--                          the id is nil when there is no such record
--         {'BROKEN', key}  a key has another type
local pcall = redis.pcall
local AT_ONCE = 10

local id = pcall('HGET', KEYS[1], 'id')
if type(id) == 'table' then return {'BROKEN', KEYS[1]} end
local answer, wanted, last = {'OK', id}, tonumber(ARGV[1]), -1
while wanted > 0 do
    local items = pcall('LRANGE', KEYS[2], last - AT_ONCE + 1, last)
    if items.err then return {'BROKEN', KEYS[2]} end
    for i = #items, 1, -1 do
        if wanted <= 0 then break end
        answer[#answer + 1] = items[i]
        wanted = wanted - 1 - select(2, string.gsub(items[i], ',', ','))
    end
    if #items < AT_ONCE then break end
    last = last - AT_ONCE
end
return answer
