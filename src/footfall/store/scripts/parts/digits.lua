-- Defines  digits(id)  an id so that ids compare as text: they have 64 bits, Lua's numbers 53; '' for what is no id
local function digits(id)
    local ms, sequence = string.match(id, '^(%d+)%-?(%d*)$')
    return ms and string.rep('0', 20 - #ms) .. ms .. string.rep('0', 20 - #sequence) .. sequence or ''
end
