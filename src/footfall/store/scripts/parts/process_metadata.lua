-- process.lua: the metadata, and the keys that all batches write to.
--
-- Reads    call, pcall, number_of, broken_key
-- Defines  read_metadata(keys, batch)          checkpoint, processed; nil and a reply when the batch must not be applied
--          begin_writing(keys, metadata)       from now on a write that is refused leaves the mark that this sets
--          write_metadata(keys, batch, metadata)  processed, as it is now, after all other writes
local function read_metadata(keys, batch)
    local fields = pcall('HMGET', keys.meta, 'state', 'generation', 'torn')
    if fields.err then return nil, {'BROKEN', keys.meta} end
    if fields[1] == 'loading' then return nil, {'LOADING'} end
    if fields[1] ~= 'ready' or not fields[2] then return nil, {'BROKEN', keys.meta} end
    local checkpoint, processed = pcall('GET', keys.checkpoint), pcall('GET', keys.processed)
    if type(checkpoint) ~= 'string' then return nil, {'BROKEN', keys.checkpoint} end
    processed = type(processed) == 'string' and #processed > 0 and number_of(processed)
    if not processed then return nil, {'BROKEN', keys.processed} end
    if fields[2] ~= ARGV[2] or checkpoint ~= ARGV[1] then return nil, {'FENCED'} end
    if fields[3] then return nil, {'TORN'} end

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

local function begin_writing(keys, metadata)
    call('HSET', keys.meta, 'torn', metadata.checkpoint .. ' ' .. string.format('%.0f', metadata.processed))
end

local function write_metadata(keys, batch, metadata)
    local processed = string.format('%.0f', metadata.processed + batch.entries)
    call('MSET', keys.processed, processed, keys.checkpoint, batch.last_id)
    call('HDEL', keys.meta, 'torn')
    return processed
end
