-- retry_dead_letters.lua: the metadata, and the keys that all dead letters write to.
--
-- Reads    pcall, number_of, broken_key
-- Defines  read_metadata(keys, generation)  checkpoint, settled; nil and a reply when nothing must be applied
local function read_metadata(keys, generation)
    local fields = pcall('HMGET', keys.meta, 'state', 'generation', 'settled', 'torn')
    if fields.err then return nil, {'BROKEN', keys.meta} end
    if fields[1] == 'loading' then return nil, {'LOADING'} end
    local settled = number_of(fields[3])
    if fields[1] ~= 'ready' or not settled then return nil, {'BROKEN', keys.meta} end
    if fields[2] ~= generation then return nil, {'FENCED'} end
    if fields[4] then return nil, {'TORN'} end

    local checkpoint = pcall('GET', keys.checkpoint)
    if type(checkpoint) ~= 'string' or pcall('XRANGE', keys.stream, checkpoint, checkpoint).err then
        return nil, {'BROKEN', type(pcall('XLEN', keys.stream)) == 'number' and keys.checkpoint or keys.stream}
    end
    local broken = broken_key(keys)
    if broken then return nil, {'BROKEN', broken} end
    return {checkpoint = checkpoint, settled = settled}
end
