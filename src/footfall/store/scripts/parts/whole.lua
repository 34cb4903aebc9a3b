-- Defines  whole(number)  a whole number as the server stores it, as text; Lua would write 1e+15 for large ones
local function whole(number)
    return string.format('%.0f', number)
end
