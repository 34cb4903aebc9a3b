#!lua
-- Gives a receiver a share of what a token may post in this second of the server's clock.
--
-- A share is an eighth of what is left, at least what is needed: so a receiver seldom has to ask, and little is lost
-- with a share that nobody uses up.
--
-- KEYS  1 quota  GET, SET with an expiry: `<second>:<check-ins given away>`
-- ARGV  1 check-ins per second  2 check-ins needed
--       3 second of which the receiver still has some  4 how many
--
-- Result  {'OK', second, given, left after that, ms until the next second}; given is 0 when it does not reach:
--          nothing was changed then
--         {'BROKEN', key}
local quota, rate, needed = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])

local now = redis.call('TIME')
local second, ms = now[1], 1000 - math.floor(tonumber(now[2]) / 1000)
local value = redis.pcall('GET', quota)
if value and type(value) ~= 'string' then return {'BROKEN', quota} end
local used = 0
if value then
    local of, count = string.match(value, '^(%d+):(%d+)$')
    if not of then return {'BROKEN', quota} end
    if of == second then used = tonumber(count) end
end
local left = math.max(0, rate - used)
if ARGV[3] == second then needed = needed - tonumber(ARGV[4]) end
if needed > left then return {'OK', second, 0, left, ms} end
local given = math.max(needed, math.ceil(left / 8))

redis.call('SET', quota, second .. ':' .. string.format('%d', used + given), 'PX', 2000)
return {'OK', second, given, left - given, ms}
