-- process.lua, histories: pushes what the batch has for each. They come before all other writes: whether a key is a
-- list, the push itself tells, and it can be undone. To ask first would cost half as much again.
--
-- Reads    call, pcall, users, first_user_arg, first_location_arg, histories, before_histories,
--          arg               of ARGV, the first item; moves on
-- Defines  lengths           of each history to which something was pushed
--          undo_histories()  before something else is changed
local lengths = {}
local function undo_histories()
    for i = 1, histories do
        if lengths[i] then call('RPOP', KEYS[before_histories + i]) end
    end
end
for i = 1, histories do
    local checkins = i <= users and first_user_arg + 4 * i - 3 or first_location_arg + 3 * (i - users) - 2
    if ARGV[checkins] ~= '-1' and ARGV[checkins] ~= '0' then
        local length = pcall('RPUSH', KEYS[before_histories + i], ARGV[arg])
        if type(length) ~= 'number' then
            undo_histories()
            return {'BROKEN', KEYS[before_histories + i]}
        end
        lengths[i] = length
        arg = arg + 1
    end
end
