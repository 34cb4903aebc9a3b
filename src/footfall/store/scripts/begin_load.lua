#!lua
-- Begins a load of check-ins, or takes over one that was killed: until its end receivers refuse and processors
-- stand by.
--
-- KEYS  1 lease    compared
--       2 meta     state = loading; made when it is missing
--       3 stream   read: have check-ins come through a receiver since the last load?
--       4 staging  deleted: what a killed load has left
-- ARGV  1 token of the lease  2 schema  3 shards
--       4 keep | drop: what to do with check-ins that came through a receiver. With drop, a broken meta is made
--         anew, and a stream of another type does not matter.
--
-- Result  {'OK'}; or with nothing changed:
--         {'RECEIVED', n}  n check-ins came through a receiver, and ARGV says keep
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN <key>'} a key does not hold what it must
local lease, meta, stream, staging = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local drop = ARGV[4] == 'drop'
local call = redis.call

--@include stream_info
--@include type_of

if type_of(lease) ~= 'string' or call('GET', lease) ~= ARGV[1] then return {'LOST'} end

local book = type_of(meta) == 'hash' and call('HMGET', meta, 'generation', 'state', 'loaded') or {}
local sound = #(book[1] or '') <= 16 and string.match(book[1] or '', '^%d+$') and (book[2] == 'ready' or book[2] == 'loading')

if not drop then
    if not sound then return {'BROKEN ' .. meta} end
    local found = type_of(stream)
    if found == 'stream' then
        local added, loaded = stream_info(stream)['entries-added'], tonumber(book[3] or '') or 0
        -- fewer than were loaded: the stream was deleted, and what is in it now came later
        if added < loaded then return {'RECEIVED', added} end
        if added > loaded then return {'RECEIVED', added - loaded} end
    elseif found ~= 'none' then
        return {'BROKEN ' .. stream}
    end
end

if not sound then
    call('DEL', meta)
    -- a generation that no batch can have been read under: they are counted from 1
    local generation = call('TIME')[1]
    call('HSET', meta, 'schema', ARGV[2], 'shards', ARGV[3], 'generation', generation, 'loaded', '0')
end
call('HSET', meta, 'state', 'loading')
call('UNLINK', staging)
return {'OK'}
