-- retry_dead_letters.lua, what is kept of the newest check-ins: reads and checks, and gathers what retry_kept_write
-- writes.
--
-- Reads    call, pcall, fmt, match, number_of, digits, state_key, history, keeps_now, keeps_hours, keeps_trending,
--          HOUR_MS, BUCKET_MS, NOW_MS, BUCKETS, HOURS, NOW_S, HOURS_S, BUCKET_S,
--          looked_at, broken                     sets them
-- Defines  time, now_ms, hour, bucket            the server's clock
--          trending, window, order               state of trending; its window; the key of its order
--          writes, counts, histories, rewritten  calls; counts by key and field; histories, oldest first; which of
--                                                these have changed
--          keep(list, entry_id, checkin), count_up(hash, name, expires_s)
--          keep_all(own, entry_id, user, location, stars)
local time = call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local hour, bucket = math.floor(now_ms / HOUR_MS), math.floor(now_ms / BUCKET_MS)
local trending = keeps_trending and pcall('HMGET', state_key, 'window', 'order') or {}
if trending.err then return {'BROKEN', state_key} end
local window, order = tonumber(trending[1] or ''), KEYS[trending[2] == '1' and 13 or 12]
if window and type(pcall('ZCARD', order)) ~= 'number' then return {'BROKEN', order} end

local writes, counts, histories, rewritten = {}, {}, {}, {}

-- Puts a check-in into a history in its place.
local function keep(list, entry_id, checkin)
    local checkins = histories[list]
    if not checkins then
        local items = pcall('LRANGE', list, 0, -1)
        checkins = {}
        for _, item in ipairs(items) do -- an error has no items
            for one in string.gmatch(item, '[^,]+') do checkins[#checkins + 1] = one end
        end
        looked_at = looked_at + #checkins / 4
        histories[list] = checkins
        if items.err then broken = list end
    end
    local id, low, high = digits(entry_id), 1, #checkins + 1
    while low < high do -- the first that is newer is at `low` or behind it, and not behind `high`
        local middle = math.floor((low + high) / 2)
        local its_id = match(checkins[middle], '^%d+%-%d+')
        if not its_id then
            broken = list
            return
        end
        if digits(its_id) > id then high = middle else low = middle + 1 end
    end
    if low == 1 and #checkins >= history then return end -- there are enough newer ones
    table.insert(checkins, low, checkin)
    rewritten[list] = true
end

local function count_up(hash, name, expires_s)
    counts[hash] = counts[hash] or {expires_s = expires_s, fields = {}}
    local fields = counts[hash].fields
    if not fields[name] then
        local stored = pcall('HGET', hash, name)
        fields[name] = type(stored) ~= 'table' and number_of(stored)
        if not fields[name] then
            broken = hash
            return
        end
    end
    fields[name] = fields[name] + 1
end

-- Everything that is kept of the newest check-ins, for one; `own` is the index of its first key.
local function keep_all(own, entry_id, user, location, stars)
    local ms = tonumber(match(entry_id, '^%d+'))
    if history > 0 then
        keep(KEYS[own + 2], entry_id, entry_id .. ' ' .. location .. ' ' .. stars)
        keep(KEYS[own + 3], entry_id, entry_id .. ' ' .. user .. ' ' .. stars)
    end
    local there, its_hour_key, its_bucket_key = KEYS[own + 4], KEYS[own + 5], KEYS[own + 6]
    if ms > now_ms + HOUR_MS then return end
    if keeps_now and now_ms - ms <= NOW_MS then
        if type(pcall('ZCARD', there)) ~= 'number' then broken = there end
        writes[#writes + 1] = {'ZADD', there, 'LT', fmt('-%.0f', ms), fmt('%016.0f', user)}
        writes[#writes + 1] = {'EXPIRE', there, NOW_S}
    end
    local its_hour, its_bucket = math.floor(ms / HOUR_MS), math.floor(ms / BUCKET_MS)
    if keeps_hours and its_hour > hour - HOURS then count_up(its_hour_key, fmt('%016.0f', location), HOURS_S) end
    if keeps_trending and its_bucket > math.min(bucket, window or bucket) - BUCKETS then
        local member = fmt('%016.0f', location)
        count_up(its_bucket_key, member, BUCKET_S)
        if window and its_bucket <= window and its_bucket > window - BUCKETS then
            local sign = its_bucket > window - BUCKETS / 2 and '-1' or '1'
            writes[#writes + 1] = {'ZINCRBY', order, sign, member}
            writes[#writes + 1] = {'EXPIRE', order, BUCKET_S}
        end
        writes[#writes + 1] = {'HDEL', state_key, 'building'}
    end
end
