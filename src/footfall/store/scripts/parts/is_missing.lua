-- Reads    create, pcall
-- Defines  is_missing(removed, id)  whether what has no record may not get one either
local function is_missing(removed, id)
    return not create or pcall('HEXISTS', removed, id) ~= 0
end
