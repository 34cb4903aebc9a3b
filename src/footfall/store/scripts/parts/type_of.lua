-- Defines  type_of(key)  none when it is not there
local function type_of(key)
    return redis.call('TYPE', key).ok
end
