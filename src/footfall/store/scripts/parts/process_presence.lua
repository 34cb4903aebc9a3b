-- process.lua: who is at a location (`now`).
--
-- Reads    call, pcall, HOUR_MS, PRESENCE_MS, PRESENCE_EXPIRES_S, MAX_UNPACK
-- Defines  RENEWED               the member of such a zset that says when it was renewed. After each PRESENCE_MS, its
--                                expiry is renewed, and those who were there before are removed. The key itself holds
--                                when it was: that costs less than to do it with each batch
--          read_presence(batch)  {block: the PRESENCE_MS that it is, oldest: the score of who is too old; of each
--                                location, if there is somebody to add: first and last of ARGV, whether it is renewed};
--                                nil and a reply
--          write_presence(batch, presence)
local RENEWED = 'renewed'

local function read_presence(batch)
    local presence = {first = {}, last = {}, is_renewed = {}}
    if batch.presence == 0 then return presence end
    local time = call('TIME')
    local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    presence.block = string.format('%.0f', math.floor(now_ms / PRESENCE_MS))
    presence.oldest = string.format('(%.0f', PRESENCE_MS - now_ms)
    local newest_ms, arg = now_ms + HOUR_MS, batch.first_presence_arg
    for i = 1, batch.presence do
        local first, last = arg + 1, arg + ARGV[arg]
        arg = last + 1
        while first < last and now_ms + ARGV[first] > PRESENCE_MS do first = first + 2 end
        while first < last and -ARGV[last - 1] > newest_ms do last = last - 2 end
        presence.first[i], presence.last[i] = first, last
        if first < last then
            local key = KEYS[batch.before_presence + i]
            local renewed = pcall('ZSCORE', key, RENEWED)
            if type(renewed) == 'table' then return nil, {'BROKEN', key} end
            presence.is_renewed[i] = renewed ~= presence.block
        end
    end
    return presence
end

local function write_presence(batch, presence)
    for i = 1, batch.presence do
        local key, begin, last = KEYS[batch.before_presence + i], presence.first[i], presence.last[i]
        for first = begin, last - 1, MAX_UNPACK do
            call('ZADD', key, unpack(ARGV, first, math.min(first + MAX_UNPACK - 1, last)))
        end
        if presence.is_renewed[i] then
            call('ZREMRANGEBYSCORE', key, presence.oldest, '0')
            call('ZADD', key, presence.block, RENEWED)
            call('EXPIRE', key, PRESENCE_EXPIRES_S)
        end
    end
end
