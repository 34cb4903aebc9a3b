#!lua flags=allow-oom
-- Opens the metadata: creates the bookkeeping of a new or taken-over stream, or checks what is there. Each connection begins
-- with it, also those that only read; on a server that is out of memory, too: what it writes is little, and once.
--
-- KEYS  1 meta        created when the metadata is new, else schema and shards are compared; takenOver: how many entries
--                     another program had processed; books: which metadata this is, by when it was made
--       2 checkpoint  created as 0 with meta; taken over as it is when another program wrote it
--       3 processed   created with meta: entries added, less those after the checkpoint
--       4 stream      read only
-- ARGV  1 schema  2 shards  3 which metadata the caller has had open; '' for none yet, '-' for some without a name
--
-- Result  {'READY' | 'LOADING', generation, checkpoint, which metadata or '-', 'NEW' when it was created now}
--         {'GONE'}                    there are none, but the caller has had some open
--         {'OTHER'}                   these are others than those that the caller has had open
--         {'MISMATCH', field, found}  meta was written with another schema or number of shards
--         {'BROKEN', key, what is wrong, commands that would repair it ('; ' between them) or ''}
local meta, checkpoint_key, processed_key, stream = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local LAST_TIME = '9999999999999' -- an id beyond it is no time that is counted (after the year 2286)

--@include stream_info
--@include digits
--@include whole
--@include type_of

local function count_after(id)
    local count, page = 0
    repeat
        page = redis.call('XRANGE', stream, '(' .. id, '+', 'COUNT', 1000)
        count = count + #page
        if #page > 0 then id = page[#page][1] end
    until #page < 1000
    return count
end

for _, expected in ipairs({{meta, 'hash'}, {checkpoint_key, 'string'}, {processed_key, 'string'}, {stream, 'stream'}}) do
    local found = type_of(expected[1])
    if found ~= 'none' and found ~= expected[2] then
        return {'BROKEN', expected[1], 'it is a ' .. found .. ', not a ' .. expected[2], ''}
    end
end

local known = ARGV[3] or ''
local metadata = '-'
local info = stream_info(stream)
local added = info['entries-added'] or 0
local checkpoint = redis.call('GET', checkpoint_key)
local processed = redis.call('GET', processed_key)
local has_count = processed and string.match(processed, '^%d+$') ~= nil
local is_new = type_of(meta) == 'none'
local generation, loaded, lost, explained = '1', 0, 0, 0

-- Only Footfall counts what is processed: somebody has deleted meta. Another stream's batch must not fit the new
-- generation, and the generations that loads count are small.
if is_new and processed then
    local ms = string.match(checkpoint or '', '^([1-9]%d*)%-') or '1'
    if #ms > 16 then ms = '1' end
    return {'BROKEN', meta, 'it is missing although ' .. processed_key .. ' is there',
            'HSET ' .. meta .. ' schema ' .. ARGV[1] .. ' shards ' .. ARGV[2] .. ' generation ' .. ms ..
            ' state ready loaded 0'}
end

if is_new and known ~= '' then return {'GONE'} end
if not is_new then
    local found = redis.call('HMGET', meta, 'schema', 'shards', 'generation', 'state', 'books', 'loaded',
                             'lost', 'trimmed', 'gone')
    if found[1] ~= ARGV[1] then return {'MISMATCH', 'schema', found[1] or 'missing'} end
    if found[2] ~= ARGV[2] then return {'MISMATCH', 'shards', found[2] or 'missing'} end
    metadata = found[5] or '-'
    if known ~= '' and known ~= '-' and metadata ~= '-' and metadata ~= known then return {'OTHER'} end
    generation = found[3]
    if not generation or not string.match(generation, '^%d+$') or (found[4] ~= 'ready' and found[4] ~= 'loading') then
        return {'BROKEN', meta, 'its fields generation and state are not what they must be', ''}
    end
    if found[4] == 'loading' then
        return {'LOADING', generation, checkpoint or '0', metadata}
    end
    loaded = tonumber(found[6] or '0') or 0
    lost, explained = tonumber(found[7] or '0') or 0, (tonumber(found[8] or '0') or 0) + (tonumber(found[9] or '0') or 0)
end

-- Whether what comes after this id is no time.
local function is_last(id) return #id >= 13 and (string.find(id, '-', 1, true) > 14 or string.sub(id, 1, 13) == LAST_TIME) end

-- A name for a stream that is kept aside.
local function free_name()
    local name, number = stream .. ':usedup', 1
    while redis.pcall('EXISTS', name) == 1 do
        number = number + 1
        name = stream .. ':usedup' .. number
    end
    return name
end

-- Makes the stream go on after this id, as if so many entries had been added to it.
local function go_on_after(id, count)
    local set_id = 'XSETID ' .. stream .. ' ' .. id .. ' ENTRIESADDED ' .. whole(count)
    if not info['length'] then set_id = 'XADD ' .. stream .. ' MAXLEN 0 ' .. id .. ' new stream; ' .. set_id end
    return id == checkpoint and set_id or set_id .. '; SET ' .. checkpoint_key .. ' ' .. id
end

local function set(key, value) return value == '' and '' or 'SET ' .. key .. ' ' .. value end

-- The entry with exactly the unprocessed ones behind it, when their number is known and at hand; else ''.
local function by_count()
    if not has_count then return '' end
    local behind = added - tonumber(processed)
    if behind == added then return '0' end
    if behind < 0 or behind >= 10000 then return '' end
    local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', behind + 1)
    return #newest == behind + 1 and newest[behind + 1][1] or ''
end

if not checkpoint then
    if not is_new then
        return {'BROKEN', checkpoint_key, 'it is missing', set(checkpoint_key, added == 0 and '0' or by_count())}
    end
    checkpoint = '0'
end
-- the server knows best which ids there can be; it takes incomplete ones, too
local is_entry_id = checkpoint == '0' or (string.match(checkpoint, '^%d+%-%d+$')
                    and not redis.pcall('XRANGE', stream, checkpoint, checkpoint).err)
if not is_entry_id then
    return {'BROKEN', checkpoint_key, 'it does not hold an entry id', set(checkpoint_key, by_count())}
end
if digits(checkpoint) > digits(info['last-generated-id'] or '0-0') then
    -- an id that is no time is not gone on after: the stream would take no more
    local after = is_last(checkpoint) and '1-0' or checkpoint
    if not info['length'] then
        return {'BROKEN', stream, 'it is missing although ' .. checkpoint .. ' was processed. When no copy of it is left, a ' ..
                'new one can go on: what counts is counted', has_count and go_on_after(after, processed) or ''}
    end
    if has_count and tonumber(processed) > added then
        local is_known = after == checkpoint or info['length'] == 0
        return {'BROKEN', stream, 'it ends with ' .. info['last-generated-id'] .. ', although the entries up to ' ..
                checkpoint .. ' were processed, ' .. processed .. ' of them, and only ' .. added ..
                ' were ever added to it: was an older stream put in its place?',
                is_known and go_on_after(after, processed) or ''}
    end
    local suggestion = by_count()
    if suggestion == '' then suggestion = info['last-generated-id'] end
    return {'BROKEN', checkpoint_key, 'it lies beyond the last entry, ' .. info['last-generated-id'],
            set(checkpoint_key, suggestion)}
end
-- Until all of it is processed, processing goes on; then nothing that counts can come after it.
local last_id = info['last-generated-id'] or '0-0'
if is_last(last_id) and (checkpoint == last_id or count_after(checkpoint) == 0) then
    local what = 'its ids are used up: the last one is ' .. last_id .. ', and what comes after that is no time. All of it ' ..
                 'is processed; a new stream goes on, and this one stays, under another name'
    local name = free_name()
    info = {}
    return {'BROKEN', stream, what, 'RENAMENX ' .. stream .. ' ' .. name .. '; ' .. go_on_after('1-0', added)}
end
if loaded > added then
    return {'BROKEN', stream, whole(loaded) .. ' check-ins were loaded, but only ' .. added ..
            ' were ever added to it: was it deleted?', ''}
end
-- More was processed than was ever added, unless just so many were told to be lost that are not missing: that,
-- count_lost.lua sets right.
local missing = added - (info['length'] or 0) - explained
if has_count and tonumber(processed) > added and (missing < 0 or lost - (processed - added) ~= missing) then
    local behind = count_after(checkpoint)
    return {'BROKEN', stream, processed .. ' entries were processed, but only ' .. added ..
            ' were ever added to it: was it deleted, or an older one put in its place? Then its count can be set right ' ..
            'by what was processed; when it is ' .. processed_key .. ' that is wrong, SET that to ' .. whole(added - behind),
            'XSETID ' .. stream .. ' ' .. last_id .. ' ENTRIESADDED ' .. whole(tonumber(processed) + behind)}
end
if is_new or not has_count then
    local counted = whole(added - (info['length'] and count_after(checkpoint) or 0))
    if not is_new then
        return {'BROKEN', processed_key, processed and 'it is not a number' or 'it is missing',
                set(processed_key, counted)}
    end
    local time = redis.call('TIME')
    metadata = time[1] .. '.' .. time[2]
    redis.call('HSET', meta, 'schema', ARGV[1], 'shards', ARGV[2], 'generation', generation, 'state', 'ready',
               'loaded', '0', 'books', metadata)
    if checkpoint ~= '0' then redis.call('HSET', meta, 'takenOver', counted) end
    redis.call('SET', checkpoint_key, checkpoint)
    redis.call('SET', processed_key, counted)
    return {'READY', generation, checkpoint, metadata, 'NEW'}
end
return {'READY', generation, checkpoint, metadata}
