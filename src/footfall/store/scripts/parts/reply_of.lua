-- Defines  reply_of(command, key, name)  the reply when it is text; false when there is none, or another type
local function reply_of(command, key, name)
    local found = redis.pcall(command, key, name)
    return type(found) == 'string' and found
end
