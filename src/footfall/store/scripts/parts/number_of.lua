-- Defines  number_of(text)  the whole number in a hash field; 0 when there is none, nil when it is something else
local function number_of(text)
    if not text then return 0 end
    local number = tonumber(text)
    return number and number >= 0 and number <= 9007199254740991 and number % 1 == 0 and number or nil
end
