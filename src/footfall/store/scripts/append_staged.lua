#!lua
-- Moves a chunk of staged check-ins to the end of the stream. Those that cannot come there any more, since another program
-- has added entries meanwhile, are dropped.
--
-- KEYS  1 lease    compared
--       2 meta     read: switched; loaded + number of entries
--       3 staging  the first entries: XDEL
--       4 stream   XADD
-- ARGV  1 token of the lease  2 how many at most
--
-- Result  {'OK', number of entries, how many of them were dropped}, 0 when none are left; or with nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, meta, staging, stream = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, pcall = redis.call, redis.pcall

--@include stream_info
--@include digits

if call('GET', lease) ~= ARGV[1] then return {'LOST'} end
local fields = pcall('HMGET', meta, 'switched', 'loaded')
if fields.err or fields[1] ~= 'append' or not tonumber(fields[2] or '0') then return {'BROKEN', meta} end
local page = pcall('XRANGE', staging, '-', '+', 'COUNT', ARGV[2])
if page.err then return {'BROKEN', staging} end
if #page == 0 then return {'OK', 0, 0} end
local info = stream_info(stream)
if not info then return {'BROKEN', stream} end
local last = digits(info['last-generated-id'] or '0-0')

local ids, dropped = {}, 0
for i, entry in ipairs(page) do
    if digits(entry[1]) > last then
        call('XADD', stream, entry[1], unpack(entry[2]))
    else
        dropped = dropped + 1
    end
    ids[i] = entry[1]
end
call('XDEL', staging, unpack(ids))
call('HINCRBY', meta, 'loaded', #page - dropped)
return {'OK', #page, dropped}
