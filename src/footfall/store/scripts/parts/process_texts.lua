-- process.lua: how numbers and members are written. These are called several times per check-in, so they have faster
-- versions than other scripts have.
--
-- Defines  ZEROS                            ZEROS[n] fills a number of n digits up to 16
--          whole(number)                    a whole number as an argument
--          seen_member(location, ms, user)  a member of the last-seen index, of texts
local ZEROS = {'000000000000000', '00000000000000', '0000000000000', '000000000000', '00000000000',
               '0000000000', '000000000', '00000000', '0000000', '000000', '00000', '0000', '000', '00', '0', ''}

-- The server itself would write a large one that ends in zeros as 1e+08; small ones, which nearly all are, it converts
-- faster than Lua formats them.
local function whole(number)
    if number < 10000000 then return number end
    return string.format('%.0f', number)
end

-- Location with 16 digits, time with 13 (or more, after the year 2286), user. Half of what string.format costs.
local function seen_member(location, ms, user)
    return ZEROS[#location] .. location .. ':' .. (#ms < 13 and string.rep('0', 13 - #ms) or '') .. ms .. ':' .. user
end
