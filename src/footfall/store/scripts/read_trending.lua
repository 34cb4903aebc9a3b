#!lua flags=no-writes
-- Reads the locations that have risen most, with their check-ins of the last hour and of the hour before, all of the one
-- window that the order stands for. Only reads.
--
-- KEYS  1 state  2, 3 orders 0 and 1  4 to 27 buckets of the window of ARGV 1, the oldest first
-- ARGV  1 bucket: the window's last  2 how many locations at most
--
-- Result  {'OK', order, location, last hour, hour before, ...}  the order's key; the one that has risen most first
--         {'WINDOW', bucket}  the order stands for the window of another bucket: ask with that one
--         {'NONE', bucket}    no window was made; the bucket that it is now
--         {'BROKEN', key}     a key does not hold what it must
local call, pcall = redis.call, redis.pcall
local FIRST_BUCKET = 4

--@include activity_spans

local state = pcall('HMGET', KEYS[1], 'window', 'order')
if state.err then return {'BROKEN', KEYS[1]} end
local window = state[1]
if not window then return {'NONE', string.format('%.0f', math.floor(call('TIME')[1] * 1000 / BUCKET_MS))} end
if #window > 16 or string.find(window, '%D') or window == '' then return {'BROKEN', KEYS[1]} end
if window ~= ARGV[1] then return {'WINDOW', window} end

local order = KEYS[state[2] == '1' and 3 or 2]
local members = pcall('ZRANGE', order, 0, ARGV[2] - 1)
if members.err then return {'BROKEN', order} end
local answer = {'OK', order}
if #members == 0 then return answer end
local hours = {{}, {}} -- before, last
for i = 0, WINDOW_BUCKETS - 1 do
    local key, hour = KEYS[FIRST_BUCKET + i], hours[i < WINDOW_BUCKETS / 2 and 1 or 2]
    local counts = pcall('HMGET', key, unpack(members))
    if counts.err then return {'BROKEN', key} end
    for at = 1, #members do
        if counts[at] then hour[at] = (hour[at] or 0) + (tonumber(counts[at]) or 0) end
    end
end
for at, member in ipairs(members) do
    answer[3 * at], answer[3 * at + 1], answer[3 * at + 2] = member, hours[2][at] or 0, hours[1][at] or 0
end
return answer
