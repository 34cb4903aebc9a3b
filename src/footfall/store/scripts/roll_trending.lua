#!lua
-- Moves the window of trending locations on to a bucket, step by step: a new order is made beside the old one, which
-- holds until the new one is complete.
--
-- The window of a bucket is that bucket and the 23 before it: the last hour (12 buckets) and the hour before. The order
-- has each location with a check-in in the window, by check-ins of the hour before - those of the last hour: the first
-- is the one that has risen most, and those alike are in the order of their ids. Each step takes some locations, and
-- adds up their buckets; in which order, and whether one comes twice, makes no difference.
--
-- KEYS  1 state           window: the bucket, order: 0 or 1, building: token of the roll that makes the other one
--       2, 3 orders       0 and 1
--       4 to 27           buckets of the window, the oldest first
--       others            buckets that may have left it: removed
-- ARGV  1 token of this roll  2 bucket  3 place to go on at; '' to begin
--
-- Result  {'NEXT', place}   go on there
--         {'DONE', bucket}  the window is that of this bucket now, or was that of a later one already
--         {'AGAIN'}         check-ins have come meanwhile, or another roll has begun: begin again
--         {'EARLY'}         the bucket has not begun yet
--         {'BROKEN', key}   a key does not hold what it must; the window stays
local call, pcall, fmt, match = redis.call, redis.pcall, string.format, string.match
local state_key, token, place = KEYS[1], ARGV[1], ARGV[3]
local target = tonumber(ARGV[2])
local FIRST_BUCKET = 4
-- locations per step: about 2 ms
local AT_ONCE = 150
-- seconds: with no processor for a day, all of it is gone, the state not after what it stands for
local EXPIRES_S = '86400'

--@include activity_spans

local state = pcall('HMGET', state_key, 'window', 'order', 'building')
if state.err then return {'BROKEN', state_key} end
local window = tonumber(state[1] or '')
local new = state[2] == '0' and 1 or 0
local new_key, old_key = KEYS[2 + new], KEYS[3 - new]

if place == '' then
    if window and window >= target then return {'DONE', fmt('%.0f', window)} end
    local time = call('TIME')
    if target * BUCKET_MS > time[1] * 1000 + time[2] / 1000 then return {'EARLY'} end
    call('UNLINK', new_key)
    call('HSET', state_key, 'building', token)
    place = 'order 0'
elseif state[3] ~= token then
    return {'AGAIN'}
end

-- The locations of this step, and where the next one goes on: first those of the old order, then those of the buckets
-- that are new in the window. A state that is missing knows no order.
local members, next_place = {}, nil
local kind, number, cursor = match(place, '^(%l+) (%d+) ?(%d*)$')
number = tonumber(number)
local first_new = FIRST_BUCKET
if window and window > target - WINDOW_BUCKETS then
    first_new = FIRST_BUCKET + WINDOW_BUCKETS - (target - window)
    if kind == 'order' then
        members = pcall('ZRANGE', old_key, number, number + AT_ONCE - 1)
        if members.err then return {'BROKEN', old_key} end
        if #members == AT_ONCE then next_place = 'order ' .. number + AT_ONCE end
    end
end
if kind == 'order' then
    next_place = next_place or 'bucket ' .. first_new .. ' 0'
else
    local page = pcall('HSCAN', KEYS[number], cursor, 'COUNT', AT_ONCE)
    if page.err then return {'BROKEN', KEYS[number]} end
    for i = 1, #page[2], 2 do members[#members + 1] = page[2][i] end
    if page[1] ~= '0' then
        next_place = fmt('bucket %d %s', number, page[1])
    elseif number < FIRST_BUCKET + WINDOW_BUCKETS - 1 then
        next_place = fmt('bucket %d 0', number + 1)
    end
end

if #members > 0 then
    local totals, falls = {}, {}
    for i = 1, #members do totals[i], falls[i] = 0, 0 end
    for i = 0, WINDOW_BUCKETS - 1 do
        local key = KEYS[FIRST_BUCKET + i]
        if call('EXISTS', key) == 1 then
            local counts = pcall('HMGET', key, unpack(members))
            if counts.err then return {'BROKEN', key} end
            for at = 1, #members do
                if counts[at] then
                    local count = tonumber(counts[at])
                    if not count then return {'BROKEN', key} end
                    totals[at] = totals[at] + count
                    falls[at] = falls[at] + (i < WINDOW_BUCKETS / 2 and count or -count)
                end
            end
        end
    end
    local scores = {}
    for at = 1, #members do
        if totals[at] > 0 then
            scores[#scores + 1], scores[#scores + 2] = falls[at], members[at]
        end
    end
    if #scores > 0 then call('ZADD', new_key, unpack(scores)) end
end
if next_place then return {'NEXT', next_place} end

call('HSET', state_key, 'window', ARGV[2], 'order', new)
call('HDEL', state_key, 'building')
call('EXPIRE', state_key, EXPIRES_S)
call('EXPIRE', new_key, EXPIRES_S)
call('UNLINK', old_key, unpack(KEYS, FIRST_BUCKET + WINDOW_BUCKETS))
return {'DONE', ARGV[2]}
