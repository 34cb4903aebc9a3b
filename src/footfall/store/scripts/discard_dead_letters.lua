#!lua
-- Removes dead letters, and remembers the entries that they were: they are never counted, also not by a rebuild.
--
-- KEYS  1 dead letters  XDEL
--       2 discarded     HSET entry id -> reason
--       3 meta          read: state, generation; settled + 1, discarded + number of entries to remember
-- ARGV  1 generation
--       then per dead letter: its id, the entry's id ('' when it is none of ours: there is nothing to remember), reason
--
-- Result  {'OK', number of dead letters removed}: those that are gone already are left out; or with nothing changed:
--         {'FENCED'}       the stream was replaced, and with it the dead letters
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key does not hold what it must
local dead_letters, discarded, meta = KEYS[1], KEYS[2], KEYS[3]
local call, pcall = redis.call, redis.pcall

--@include whole

local fields = pcall('HMGET', meta, 'state', 'generation', 'settled', 'discarded')
if fields.err then return {'BROKEN', meta} end
if fields[1] == 'loading' then return {'LOADING'} end
if fields[1] ~= 'ready' then return {'BROKEN', meta} end
if fields[2] ~= ARGV[1] then return {'FENCED'} end
local settled = tonumber(string.match(fields[3] or '0', '^%d+$') or nil)
local total = tonumber(string.match(fields[4] or '0', '^%d+$') or nil)
if not settled or not total then return {'BROKEN', meta} end
if type(pcall('XLEN', dead_letters)) ~= 'number' then return {'BROKEN', dead_letters} end
if type(pcall('HLEN', discarded)) ~= 'number' then return {'BROKEN', discarded} end

local removed, remembered = {}, {}
for i = 2, #ARGV, 3 do
    local id, entry_id, reason = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if #call('XRANGE', dead_letters, id, id) > 0 then
        removed[#removed + 1] = id
        if entry_id ~= '' then
            remembered[#remembered + 1] = entry_id
            remembered[#remembered + 1] = reason
        end
    end
end
if #removed > 0 then
    if #remembered > 0 then call('HSET', discarded, unpack(remembered)) end
    call('XDEL', dead_letters, unpack(removed))
    call('HSET', meta, 'settled', whole(settled + 1),
         'discarded', whole(total + #remembered / 2))
end
return {'OK', #removed}
