#!lua
-- Begins a load of check-ins, or takes over one that was killed: until its end receivers refuse and processors
-- stand by. Nothing that is there is touched: until it switches, the load can be aborted.
--
-- KEYS  1 lease      compared
--       2 meta       state = loading, load; made when it is missing (anew = 1)
--       3 stream     read: what is there, and how much of it?
--       4 processed  read: how many were counted, also when they are in the stream no longer
--       5 staging    deleted: what a killed load has left
-- ARGV  1 token of the lease  2 schema  3 shards  4 JSON about the load, kept in meta until its end
--       5 keep | drop | append: what to do with the check-ins that are there. With drop, a broken meta is made
--         again, and a stream of another type does not matter.
--       6 with append, the id of the first check-in; with drop, how many check-ins may be lost
--
-- Result  {'OK'}; or with nothing changed:
--         {'HISTORY', loaded, received}  check-ins are there: so many were loaded, so many came in since; ARGV says
--                          keep, or fewer
--         {'OLDER', id}    the first check-in does not come after the newest one that is there
--         {'SWITCHED'}     a killed load has switched already: it must be finished first
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, meta, stream, processed_key, staging = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local mode = ARGV[5]
local call = redis.call

--@include stream_info
--@include digits
--@include type_of

if type_of(lease) ~= 'string' or call('GET', lease) ~= ARGV[1] then return {'LOST'} end

local fields = type_of(meta) == 'hash' and call('HMGET', meta, 'generation', 'state', 'loaded', 'switched') or {}
local generation_text, state = fields[1] or '', fields[2]
local sound = #generation_text <= 16 and string.match(generation_text, '^%d+$') and (state == 'ready' or state == 'loading')
if sound and fields[4] then return {'SWITCHED'} end

if mode ~= 'drop' then
    if not sound then return {'BROKEN', meta} end
    local found = type_of(stream)
    if found ~= 'stream' and found ~= 'none' then return {'BROKEN', stream} end
    local info = stream_info(stream)
    if mode == 'append' then
        local last = info['last-generated-id'] or '0-0'
        if digits(ARGV[6]) <= digits(last) then return {'OLDER', last} end
    else
        local processed = type_of(processed_key) == 'string' and tonumber(call('GET', processed_key)) or 0
        local there, loaded = math.max(info['entries-added'] or 0, processed), tonumber(fields[3] or '') or 0
        -- fewer than were loaded: the stream was deleted, and what is in it now came later
        if there < loaded then loaded = 0 end
        if there > 0 then return {'HISTORY', loaded, there - loaded} end
    end
end
if mode == 'drop' and sound and type_of(stream) == 'stream' then
    local there, loaded = stream_info(stream)['entries-added'], tonumber(fields[3] or '') or 0
    -- some have come while the question was open
    if there > tonumber(ARGV[6]) then return {'HISTORY', math.min(loaded, there), there - math.min(loaded, there)} end
end

if not sound then
    call('DEL', meta)
    -- a generation that no batch can have been read under: they are counted from 1
    local generation = call('TIME')[1]
    call('HSET', meta, 'schema', ARGV[2], 'shards', ARGV[3], 'generation', generation, 'loaded', '0', 'anew', '1')
end
call('HSET', meta, 'state', 'loading', 'load', ARGV[4])
call('UNLINK', staging)
return {'OK'}
