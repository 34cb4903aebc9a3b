-- retry_dead_letters.lua: activity. What is to be written is gathered, and written at the end.
--
-- Reads    call, pcall, match, number_of, whole, add_to_history, HOUR_MS, BUCKET_MS, PRESENCE_MS, WINDOW_BUCKETS,
--          WEEK_HOURS, PRESENCE_EXPIRES_S, HOUR_EXPIRES_S, BUCKET_EXPIRES_S
-- Defines  read_activity(keys, history, keeps_presence, keeps_hours, keeps_trending)  the server's clock, trending's
--                                                            window and order, nothing to write yet; nil and a reply
--          count_up(activity, hash, name, expires_s)         nil; or the key when it is broken
--          keep_in_periods(activity, own, ms, location)      nil; or a key that is broken
--          keep(activity, own, entry_id, user, location, stars)  all of it, for one check-in; its first key is KEYS[own].
--                                                            Nil; or a key that is broken
--          write_activity(activity)
local function read_activity(keys, history, keeps_presence, keeps_hours, keeps_trending)
    local time = call('TIME')
    local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    local trending = keeps_trending and pcall('HMGET', keys.trending_state, 'window', 'order') or {}
    if trending.err then return nil, {'BROKEN', keys.trending_state} end
    local window, order = tonumber(trending[1] or ''), keys.trending_orders[trending[2] == '1' and 2 or 1]
    if window and type(pcall('ZCARD', order)) ~= 'number' then return nil, {'BROKEN', order} end
    return {
        history = history, keeps_presence = keeps_presence, keeps_hours = keeps_hours, keeps_trending = keeps_trending,
        now_ms = now_ms, hour = math.floor(now_ms / HOUR_MS), bucket = math.floor(now_ms / BUCKET_MS),
        trending_state = keys.trending_state, window = window, order = order,
        writes = {}, counts = {}, histories = {looked_at = 0}, rewritten = {},
    }
end

local function count_up(activity, hash, name, expires_s)
    local counts = activity.counts
    counts[hash] = counts[hash] or {expires_s = expires_s, fields = {}}
    local fields = counts[hash].fields
    if not fields[name] then
        local stored = pcall('HGET', hash, name)
        fields[name] = type(stored) ~= 'table' and number_of(stored)
        if not fields[name] then return hash end
    end
    fields[name] = fields[name] + 1
end

local function keep_in_periods(activity, own, ms, location)
    local hour, bucket, window, writes = math.floor(ms / HOUR_MS), math.floor(ms / BUCKET_MS), activity.window, activity.writes
    local member = string.format('%016.0f', location)
    if activity.keeps_hours and hour > activity.hour - WEEK_HOURS then
        local broken = count_up(activity, KEYS[own + 5], member, HOUR_EXPIRES_S)
        if broken then return broken end
    end
    if activity.keeps_trending and bucket > math.min(activity.bucket, window or activity.bucket) - WINDOW_BUCKETS then
        local broken = count_up(activity, KEYS[own + 6], member, BUCKET_EXPIRES_S)
        if broken then return broken end
        if window and bucket <= window and bucket > window - WINDOW_BUCKETS then
            local sign = bucket > window - WINDOW_BUCKETS / 2 and '-1' or '1'
            writes[#writes + 1] = {'ZINCRBY', activity.order, sign, member}
            writes[#writes + 1] = {'EXPIRE', activity.order, BUCKET_EXPIRES_S}
        end
        writes[#writes + 1] = {'HDEL', activity.trending_state, 'building'}
    end
end

local function keep(activity, own, entry_id, user, location, stars)
    local ms, writes = tonumber(match(entry_id, '^%d+')), activity.writes
    if activity.history > 0 then
        local broken = add_to_history(activity, KEYS[own + 2], entry_id, entry_id .. ' ' .. location .. ' ' .. stars)
                       or add_to_history(activity, KEYS[own + 3], entry_id, entry_id .. ' ' .. user .. ' ' .. stars)
        if broken then return broken end
    end
    if ms > activity.now_ms + HOUR_MS then return nil end
    if activity.keeps_presence and activity.now_ms - ms <= PRESENCE_MS then
        local there = KEYS[own + 4]
        if type(pcall('ZCARD', there)) ~= 'number' then return there end
        writes[#writes + 1] = {'ZADD', there, 'LT', string.format('-%.0f', ms), string.format('%016.0f', user)}
        writes[#writes + 1] = {'EXPIRE', there, PRESENCE_EXPIRES_S}
    end
    return keep_in_periods(activity, own, ms, location)
end

local function write_activity(activity)
    for _, write in ipairs(activity.writes) do call(unpack(write)) end
    for hash, count in pairs(activity.counts) do
        for name, total in pairs(count.fields) do call('HSET', hash, name, whole(total)) end
        call('EXPIRE', hash, count.expires_s)
    end
end
