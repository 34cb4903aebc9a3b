-- Defines  average_of(stars, count)  rounded half up, in whole numbers: (2 * stars + count) div (2 * count); 0 of none
local function average_of(stars, count)
    if count == 0 then return 0 end
    local doubled = 2 * stars + count
    return (doubled - doubled % (2 * count)) / (2 * count)
end
