-- retry_dead_letters.lua: histories. Each is read once, gets its check-ins in memory, and is written at the end.
--
-- Reads    call, pcall, match, digits
-- Defines  history_of(histories, key)  its check-ins, oldest first; nil when it is broken
--          place_of(checkins, entry_id)  where a check-in comes; nil when one of these is none
--          add_to_history(activity, key, entry_id, checkin)  nil; or the key when it is broken
--          write_histories(activity)
local function history_of(histories, key)
    local checkins = histories[key]
    if not checkins then
        local items = pcall('LRANGE', key, 0, -1)
        if items.err then return nil end
        checkins = {}
        for _, item in ipairs(items) do
            for one in string.gmatch(item, '[^,]+') do checkins[#checkins + 1] = one end
        end
        histories.looked_at = histories.looked_at + #checkins / 4
        histories[key] = checkins
    end
    return checkins
end

local function place_of(checkins, entry_id)
    local id, low, high = digits(entry_id), 1, #checkins + 1
    while low < high do -- the first that is newer is at `low` or behind it, and not behind `high`
        local middle = math.floor((low + high) / 2)
        local its_id = match(checkins[middle], '^%d+%-%d+')
        if not its_id then return nil end
        if digits(its_id) > id then high = middle else low = middle + 1 end
    end
    return low
end

local function add_to_history(activity, key, entry_id, checkin)
    local checkins = history_of(activity.histories, key)
    local place = checkins and place_of(checkins, entry_id)
    if not place then return key end
    if place == 1 and #checkins >= activity.history then return nil end -- there are enough newer ones
    table.insert(checkins, place, checkin)
    activity.rewritten[key] = checkins
end

local function write_histories(activity)
    for key, checkins in pairs(activity.rewritten) do
        call('DEL', key)
        call('RPUSH', key, unpack(checkins, math.max(1, #checkins - activity.history + 1)))
    end
end
