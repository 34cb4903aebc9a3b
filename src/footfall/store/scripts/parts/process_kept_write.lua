-- process.lua, what is kept of the newest check-ins: writes, but for the push to the histories.
--
-- Reads    call, fmt, whole, in_chunks, MAX_UNPACK, NOW_MS, BUCKETS, NOW_S, HOURS_S, BUCKET_S, lengths,
--          history, histories, nows, hours, periods, before_histories, before_nows, before_periods, trending_state,
--          now_ms, RENEWED, now_block, now_first, now_last, now_renews, read_in_chunks, window, order, building,
--          period_first, period_last, period_counts
for i = 1, histories do
    -- Not with each batch. An item holds at least one check-in.
    if (lengths[i] or 0) > history + history / 4 then call('LTRIM', KEYS[before_histories + i], -history, -1) end
end
for i = 1, nows do
    if now_first[i] then
        local key, last = KEYS[before_nows + i], now_last[i]
        for first = now_first[i], last, MAX_UNPACK do
            call('ZADD', key, unpack(ARGV, first, math.min(first + MAX_UNPACK - 1, last)))
        end
        if now_renews[i] then
            call('ZREMRANGEBYSCORE', key, fmt('(%.0f', NOW_MS - now_ms), '0')
            call('ZADD', key, now_block, RENEWED)
            call('EXPIRE', key, NOW_S)
        end
    end
end
for i = 1, periods do
    local first, last, counts = period_first[i], period_last[i], period_counts[i]
    if first then
        local key, amount, pairs_of = KEYS[before_periods + i], last - first + 1, {}
        for at = 1, amount do
            pairs_of[2 * at - 1], pairs_of[2 * at] = ARGV[first + at - 1], whole(counts[at] + ARGV[last + at])
        end
        in_chunks('HSET', key, pairs_of)
        call('EXPIRE', key, i > hours and BUCKET_S or HOURS_S)
        local its_bucket = i > hours and tonumber(ARGV[first - 2])
        if window and its_bucket and its_bucket <= window and its_bucket > window - BUCKETS then
            local sign = its_bucket > window - BUCKETS / 2 and -1 or 1
            local scores = read_in_chunks('ZMSCORE', order, first, last)
            for at = 1, amount do
                pairs_of[2 * at] = pairs_of[2 * at - 1]
                pairs_of[2 * at - 1] = (scores[at] or 0) + sign * ARGV[last + at]
            end
            in_chunks('ZADD', order, pairs_of)
            call('EXPIRE', order, BUCKET_S)
        end
    end
end
-- an order that is half made does not know of these: it is begun again
if building then call('HDEL', KEYS[trending_state], 'building') end
