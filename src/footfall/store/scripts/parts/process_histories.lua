-- process.lua: the histories of users, then those of locations.
--
-- Reads    call, pcall
-- Defines  read_lengths(lengths, before, amount, arg, step)  of the histories behind KEYS[before] to which something is
--                                             added: those of which the number of check-ins, each `step` arguments from
--                                             ARGV[arg] on, is one. Nil; or a reply
--          read_histories(batch)              {users: lengths, locations: lengths}, each false when nothing is added; nil
--                                             and a reply
--          write_items(lengths, before, amount, item, most)  the next item's index in ARGV
--          write_histories(batch, histories)
local function read_lengths(lengths, before, amount, arg, step)
    for i = 1, amount do
        local checkins = ARGV[arg]
        arg = arg + step
        if checkins == '-1' or checkins == '0' then
            lengths[i] = false
        else
            local length = pcall('LLEN', KEYS[before + i])
            if type(length) ~= 'number' then return {'BROKEN', KEYS[before + i]} end
            lengths[i] = length
        end
    end
end

local function read_histories(batch)
    local histories = {users = {}, locations = {}}
    if batch.history == 0 then return histories end
    local refusal = read_lengths(histories.users, batch.before_histories, batch.users, batch.first_user_arg + 1, 4)
                    or read_lengths(histories.locations, batch.before_histories + batch.users, batch.locations,
                                    batch.first_location_arg + 1, 3)
    if refusal then return nil, refusal end
    return histories
end

local function write_items(lengths, before, amount, item, most)
    for i = 1, amount do
        local length = lengths[i]
        if length then
            local key = KEYS[before + i]
            call('RPUSH', key, ARGV[item])
            item = item + 1
            -- Not with each batch. An item holds at least one check-in.
            if length + 1 > most + most / 4 then call('LTRIM', key, -most, -1) end
        end
    end
    return item
end

local function write_histories(batch, histories)
    if batch.history == 0 then return end
    local before, users = batch.before_histories, batch.users
    local item = write_items(histories.users, before, users, batch.first_item_arg, batch.history)
    write_items(histories.locations, before + users, batch.locations, item, batch.history)
end
