#!lua
-- Writes invented users as the loader would (it takes ten times as long: it checks, and keeps what is there).
--
-- KEYS  1 users by check-ins  2 users recent  3 users last seen
--       then a hash per user, in the order of their ids
-- ARGV  1 id of the first  2 number of locations  3 ms of the latest check-in that one of them may have
--
-- Result  how many were written
local FIRST_USER = 4
local call, fmt = redis.call, string.format
local id, locations, latest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for i = FIRST_USER, #KEYS do
    local count, ms, location = 1 + id * 7 % 4000, fmt('%.0f', latest - id * 9973 % 1000000000), 1 + id * 31 % locations
    call('HSET', KEYS[i], 'id', id, 'firstName', 'Sophia', 'lastName', 'Marshall',
         'email', fmt('user.%d@example.com', id), 'password', '$2b$04$' .. string.rep('.', 53),
         'numCheckins', count, 'lastCheckin', ms, 'lastSeenAt', location)
    call('ZADD', KEYS[1], count, id)
    call('ZADD', KEYS[2], ms, id)
    call('ZADD', KEYS[3], 0, fmt('%016d:%s:%d', location, ms, id))
    id = id + 1
end
return #KEYS - FIRST_USER + 1
