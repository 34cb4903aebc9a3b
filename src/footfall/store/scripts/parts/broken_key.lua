-- Reads    pcall
-- Defines  broken_key(keys)  of what every entry may write to, the first that is of another type; nil when none is
local function broken_key(keys)
    if type(pcall('XLEN', keys.dead_letters)) ~= 'number' then return keys.dead_letters end
    for _, index in ipairs({keys.users_by_checkins, keys.users_recent, keys.users_last_seen, keys.locations_by_checkins}) do
        if type(pcall('ZCARD', index)) ~= 'number' then return index end
    end
    for _, removed in ipairs({keys.users_removed, keys.locations_removed}) do
        if type(pcall('HLEN', removed)) ~= 'number' then return removed end
    end
end
