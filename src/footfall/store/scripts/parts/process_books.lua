-- process.lua: the books, and the keys that all batches write to.
--
-- Reads    call, pcall, number_of, broken_key
-- Defines  read_books(keys, batch)          checkpoint, processed; nil and a reply when the batch must not be applied
--          begin_writing(keys, books)       from now on a write that is refused leaves the mark that this sets
--          write_books(keys, batch, books)  processed, as it is now, after all other writes
local function read_books(keys, batch)
    local book = pcall('HMGET', keys.meta, 'state', 'generation', 'torn')
    if book.err then return nil, {'BROKEN', keys.meta} end
    if book[1] == 'loading' then return nil, {'LOADING'} end
    if book[1] ~= 'ready' or not book[2] then return nil, {'BROKEN', keys.meta} end
    local checkpoint, processed = pcall('GET', keys.checkpoint), pcall('GET', keys.processed)
    if type(checkpoint) ~= 'string' then return nil, {'BROKEN', keys.checkpoint} end
    processed = type(processed) == 'string' and #processed > 0 and number_of(processed)
    if not processed then return nil, {'BROKEN', keys.processed} end
    if book[2] ~= ARGV[2] or checkpoint ~= ARGV[1] then return nil, {'FENCED'} end
    if book[3] then return nil, {'TORN'} end

    local last = pcall('XRANGE', keys.stream, batch.last_id, batch.last_id)
    if last.err then return nil, {'BROKEN', keys.stream} end
    if not last[1] or #last[1][2] ~= batch.values then return nil, {'FENCED'} end
    for i = 1, batch.values do
        if last[1][2][i] ~= ARGV[9 + i] then return nil, {'FENCED'} end
    end

    local broken = broken_key(keys)
    if broken then return nil, {'BROKEN', broken} end
    return {checkpoint = checkpoint, processed = processed}
end

local function begin_writing(keys, books)
    call('HSET', keys.meta, 'torn', books.checkpoint .. ' ' .. string.format('%.0f', books.processed))
end

local function write_books(keys, batch, books)
    local processed = string.format('%.0f', books.processed + batch.entries)
    call('MSET', keys.processed, processed, keys.checkpoint, batch.last_id)
    call('HDEL', keys.meta, 'torn')
    return processed
end
