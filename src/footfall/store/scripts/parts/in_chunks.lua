-- Commands with many arguments, in pieces that Lua's stack can hold.
--
-- Reads    call, pcall
-- Defines  MAX_UNPACK
--          write_in_chunks(command, key, arguments)       no call without arguments
--          read_in_chunks(command, key, list, first, last)  what answers a list, with list[first] to list[last]; nil when
--                                                         the key has another type
local MAX_UNPACK = 2000

local function write_in_chunks(command, key, arguments)
    for first = 1, #arguments, MAX_UNPACK do
        call(command, key, unpack(arguments, first, math.min(first + MAX_UNPACK - 1, #arguments)))
    end
end

local function read_in_chunks(command, key, list, first, last)
    local replies = pcall(command, key, unpack(list, first, math.min(first + MAX_UNPACK - 1, last)))
    if replies.err then return nil end
    for from = first + MAX_UNPACK, last, MAX_UNPACK do
        local more = call(command, key, unpack(list, from, math.min(from + MAX_UNPACK - 1, last)))
        for i = 1, #more do replies[#replies + 1] = more[i] end
    end
    return replies
end
