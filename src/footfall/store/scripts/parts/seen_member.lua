-- Defines  seen_member(location, ms, user)  a member of the last-seen index
local function seen_member(location, ms, user)
    return string.format('%016.0f:%013.0f:%s', location, ms, user)
end
