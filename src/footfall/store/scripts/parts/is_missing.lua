-- Reads    pcall
-- Defines  is_missing(create, removed, id)  whether what has no record may not get one either
local function is_missing(create, removed, id)
    return not create or pcall('HEXISTS', removed, id) ~= 0
end
