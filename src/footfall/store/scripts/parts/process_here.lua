-- process.lua: who is at a location (`now`).
--
-- Reads    call, pcall, HOUR_MS, NOW_MS, NOW_S, MAX_UNPACK
-- Defines  RENEWED           the member of such a zset that says when it was renewed. After each NOW_MS, its expiry is set
--                            anew, and those who were there before are removed. The key itself holds when it was: that
--                            costs less than to do it with each batch
--          read_here(batch)  {block: the NOW_MS that it is, oldest: the score of who is too old; of each location, if there
--                            is somebody to add: first and last of ARGV, whether it is renewed}; nil and a reply
--          write_here(batch, here)
local RENEWED = 'renewed'

local function read_here(batch)
    local here = {first = {}, last = {}, is_renewed = {}}
    if batch.here == 0 then return here end
    local time = call('TIME')
    local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    here.block = string.format('%.0f', math.floor(now_ms / NOW_MS))
    here.oldest = string.format('(%.0f', NOW_MS - now_ms)
    local newest_ms, arg = now_ms + HOUR_MS, batch.first_here_arg
    for i = 1, batch.here do
        local first, last = arg + 1, arg + ARGV[arg]
        arg = last + 1
        while first < last and now_ms + ARGV[first] > NOW_MS do first = first + 2 end
        while first < last and -ARGV[last - 1] > newest_ms do last = last - 2 end
        here.first[i], here.last[i] = first, last
        if first < last then
            local key = KEYS[batch.before_here + i]
            local renewed = pcall('ZSCORE', key, RENEWED)
            if type(renewed) == 'table' then return nil, {'BROKEN', key} end
            here.is_renewed[i] = renewed ~= here.block
        end
    end
    return here
end

local function write_here(batch, here)
    for i = 1, batch.here do
        local key, begin, last = KEYS[batch.before_here + i], here.first[i], here.last[i]
        for first = begin, last - 1, MAX_UNPACK do
            call('ZADD', key, unpack(ARGV, first, math.min(first + MAX_UNPACK - 1, last)))
        end
        if here.is_renewed[i] then
            call('ZREMRANGEBYSCORE', key, here.oldest, '0')
            call('ZADD', key, here.block, RENEWED)
            call('EXPIRE', key, NOW_S)
        end
    end
end
