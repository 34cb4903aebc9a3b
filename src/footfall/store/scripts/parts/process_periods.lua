-- process.lua: check-ins per hour, per bucket of trending, and the order of trending that follows from the buckets.
--
-- Reads    call, pcall, number_of, whole, read_in_chunks, write_in_chunks, HOUR_MS, BUCKET_MS, WINDOW_BUCKETS,
--          WEEK_HOURS, HOUR_EXPIRES_S, BUCKET_EXPIRES_S
-- Defines  read_trending(batch)     {window, order: its key, building: whether another one is being made, state: the key};
--                                   nil and a reply. Without a window the next roll makes the order from the buckets
--          read_periods(batch)      {trending: that, or nil, then one each: {key, first and last of ARGV, the counts that
--                                   it has, bucket or nil}}; nil and a reply
--          write_trending(trending, period, pairs_of)  adds a bucket's check-ins to the order; `pairs_of` has its
--                                   locations at odd places
--          write_periods(periods)
local function read_trending(batch)
    local key = KEYS[batch.trending_state]
    local state = pcall('HMGET', key, 'window', 'order', 'building')
    if state.err then return nil, {'BROKEN', key} end
    local window, order = tonumber(state[1] or ''), KEYS[batch.trending_state + (state[2] == '1' and 2 or 1)]
    if window and type(pcall('ZCARD', order)) ~= 'number' then return nil, {'BROKEN', order} end
    return {window = window, order = order, building = state[3], state = key}
end

local function read_periods(batch)
    local periods, arg = {}, batch.first_period_arg
    if batch.hours + batch.buckets == 0 then return periods end
    if batch.buckets > 0 then
        local trending, refusal = read_trending(batch)
        if refusal then return nil, refusal end
        periods.trending = trending
    end
    local now_s = call('TIME')[1]
    local hour, bucket = math.floor(now_s * 1000 / HOUR_MS), math.floor(now_s * 1000 / BUCKET_MS)
    local window = periods.trending and periods.trending.window or bucket
    for i = 1, batch.hours + batch.buckets do
        local key, number, first = KEYS[batch.before_periods + i], tonumber(ARGV[arg]), arg + 2
        local last = first + ARGV[arg + 1] - 1
        arg = 2 * last - first + 2
        local before, newest = hour - WEEK_HOURS, hour + 1
        if i > batch.hours then
            before, newest = math.min(bucket, window) - WINDOW_BUCKETS, bucket + WINDOW_BUCKETS / 2
        end
        if number > before and number <= newest then
            local counts = read_in_chunks('HMGET', key, ARGV, first, last)
            if not counts then return nil, {'BROKEN', key} end
            for at = 1, #counts do
                counts[at] = number_of(counts[at])
                if not counts[at] then return nil, {'BROKEN', key} end
            end
            periods[#periods + 1] = {key, first, last, counts, i > batch.hours and number or nil}
        end
    end
    return periods
end

local function write_trending(trending, period, pairs_of)
    local window, first, last, bucket = trending.window, period[2], period[3], period[5]
    if not window or bucket > window or bucket <= window - WINDOW_BUCKETS then return end
    local sign = bucket > window - WINDOW_BUCKETS / 2 and -1 or 1
    local scores = read_in_chunks('ZMSCORE', trending.order, ARGV, first, last)
    for at = 1, last - first + 1 do
        pairs_of[2 * at] = pairs_of[2 * at - 1]
        pairs_of[2 * at - 1] = (scores[at] or 0) + sign * ARGV[last + at]
    end
    write_in_chunks('ZADD', trending.order, pairs_of)
    call('EXPIRE', trending.order, BUCKET_EXPIRES_S)
end

local function write_periods(periods)
    for _, period in ipairs(periods) do
        local key, first, last, counts = period[1], period[2], period[3], period[4]
        local pairs_of = {}
        for at = 1, last - first + 1 do
            pairs_of[2 * at - 1], pairs_of[2 * at] = ARGV[first + at - 1], whole(counts[at] + ARGV[last + at])
        end
        write_in_chunks('HSET', key, pairs_of)
        call('EXPIRE', key, period[5] and BUCKET_EXPIRES_S or HOUR_EXPIRES_S)
        if period[5] then write_trending(periods.trending, period, pairs_of) end
    end
    -- an order that is half made does not know of these: it is begun again
    if periods.trending and periods.trending.building then call('HDEL', periods.trending.state, 'building') end
end
