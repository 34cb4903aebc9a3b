-- Defines  field(values, name)  the value of one field of a stream's entry; nil when it has none
local function field(values, name)
    for i = 1, #values, 2 do
        if values[i] == name then return values[i + 1] end
    end
end
