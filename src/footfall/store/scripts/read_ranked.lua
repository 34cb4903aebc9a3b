#!lua flags=no-writes
-- Reads a page of an index by score, highest first, behind a place that need not be taken by anybody any more. Those
-- with the same score follow each other as ZRANGE REV has them: by member, last first. Only reads.
--
-- KEYS  1 index (zset)
-- ARGV  1 score and  2 member of the place  3 least score  4 how many at most
--
-- Result  {'OK', {member, score, ...}}
--         {'BROKEN', key}  the key is not a zset
local index, score, member, least, count = KEYS[1], ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local call = redis.call

local first = redis.pcall('ZCOUNT', index, '(' .. score, '+inf') -- rank of the first one with this score
if type(first) ~= 'number' then return {'BROKEN', index} end
local last = call('ZCOUNT', index, score, '+inf') -- rank behind the last one with this score
while first < last do -- among these, the first one behind the member
    local middle = math.floor((first + last) / 2)
    if call('ZRANGE', index, middle, middle, 'REV')[1] >= member then
        first = middle + 1
    else
        last = middle
    end
end
count = math.min(count, call('ZCOUNT', index, least, '+inf') - first)
if count < 1 then return {'OK', {}} end
return {'OK', call('ZRANGE', index, first, first + count - 1, 'REV', 'WITHSCORES')}
