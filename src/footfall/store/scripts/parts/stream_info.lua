-- Defines  stream_info(key)  what XINFO STREAM says, by name; empty when there is no stream, nil when the key is
--                            something else
local function stream_info(key)
    local reply, info = redis.pcall('XINFO', 'STREAM', key), {}
    if reply.err then return redis.call('EXISTS', key) == 0 and info or nil end
    for i = 1, #reply, 2 do info[reply[i]] = reply[i + 1] end
    return info
end
