-- process.lua, what is kept of the newest check-ins: reads and checks. Each kind has a loop here, and one in
-- process_kept_write that writes.
--
-- Reads    call, pcall, fmt, number_of, MAX_UNPACK, FIRST_USER, users, locations,
--          HOUR_MS, BUCKET_MS, NOW_MS, BUCKETS, HOURS,
--          arg                               of ARGV, where this begins; moves on to the items of the histories
-- Defines  history, histories                length of a history; number of histories
--          nows, hours, periods              number of locations of `now`, of hours, of hours and buckets
--          before_histories, before_nows, before_periods, trending_state
--                                            of KEYS: before the first of each kind; the state
--          now_ms, newest_ms, hour, bucket   the server's clock; what is after newest_ms is passed over
--          RENEWED, now_block                the member of `now` that says when it was renewed; its score
--          now_first, now_last, now_renews   per location of `now`
--          read_in_chunks(command, key, first, last)
--          window, order, building           of trending
--          period_first, period_last, period_counts  per hour, then per bucket
local history, nows, hours, periods = 0, 0, 0, 0
if ARGV[arg] then
    history, nows, hours = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
    periods = hours + tonumber(ARGV[arg + 3])
    arg = arg + 4
end
local histories = history > 0 and users + locations or 0
local before_histories = FIRST_USER + users + locations - 1
local before_nows = before_histories + histories
local before_periods = before_nows + nows
local trending_state = before_periods + periods + 1

local now_ms, newest_ms, hour, bucket, now_block
if nows + periods > 0 then
    local time = call('TIME')
    now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    newest_ms = now_ms + HOUR_MS
    hour, bucket = math.floor(now_ms / HOUR_MS), math.floor(now_ms / BUCKET_MS)
    now_block = fmt('%.0f', math.floor(now_ms / NOW_MS))
end

-- After each NOW_MS, the expiry of who is at a location is set anew, and those who were there before are removed. When
-- it was, the key itself holds, under this name: that costs less than to do it with each batch.
local RENEWED = 'renewed'

-- of each location of `now`: first and last argument (none when all are too old), and whether it is renewed
local now_first, now_last, now_renews = {}, {}, {}
for i = 1, nows do
    local first, last = arg + 1, arg + ARGV[arg]
    arg = last + 1
    while first < last and now_ms + ARGV[first] > NOW_MS do first = first + 2 end
    while first < last and -ARGV[last - 1] > newest_ms do last = last - 2 end
    if first < last then
        local renewed = pcall('ZSCORE', KEYS[before_nows + i], RENEWED)
        if type(renewed) == 'table' then return {'BROKEN', KEYS[before_nows + i]} end
        now_first[i], now_last[i], now_renews[i] = first, last, renewed ~= now_block
    end
end

-- Calls a command that takes many arguments and answers with a list, in pieces that Lua's stack can hold; nil when the
-- key has another type.
local function read_in_chunks(command, key, first, last)
    local replies = pcall(command, key, unpack(ARGV, first, math.min(first + MAX_UNPACK - 1, last)))
    if replies.err then return nil end
    for from = first + MAX_UNPACK, last, MAX_UNPACK do
        local more = call(command, key, unpack(ARGV, from, math.min(from + MAX_UNPACK - 1, last)))
        for i = 1, #more do replies[#replies + 1] = more[i] end
    end
    return replies
end

local window, order, building
if periods > hours then
    local state = pcall('HMGET', KEYS[trending_state], 'window', 'order', 'building')
    if state.err then return {'BROKEN', KEYS[trending_state]} end
    -- without a window the next roll makes the order from the buckets
    window, building = tonumber(state[1] or ''), state[3]
    order = KEYS[trending_state + (state[2] == '1' and 2 or 1)]
    if window and type(pcall('ZCARD', order)) ~= 'number' then return {'BROKEN', order} end
end

-- of each hour, then of each bucket: first and last argument of its locations (none when it is too old), and the counts
-- that it has
local period_first, period_last, period_counts = {}, {}, {}
for i = 1, periods do
    local period, first = tonumber(ARGV[arg]), arg + 2
    local last = first + ARGV[arg + 1] - 1
    arg = 2 * last - first + 2
    local before, newest = hour - HOURS, hour + 1
    if i > hours then before, newest = math.min(bucket, window or bucket) - BUCKETS, bucket + BUCKETS / 2 end
    if period > before and period <= newest then
        local key = KEYS[before_periods + i]
        local counts = read_in_chunks('HMGET', key, first, last)
        if not counts then return {'BROKEN', key} end
        for at = 1, #counts do
            counts[at] = number_of(counts[at])
            if not counts[at] then return {'BROKEN', key} end
        end
        period_first[i], period_last[i], period_counts[i] = first, last, counts
    end
end
