-- Defines  is_or_none(key, expected)  whether a key has the type that it must have, or is not there
local function is_or_none(key, expected)
    local found = redis.call('TYPE', key).ok
    return found == expected or found == 'none'
end
