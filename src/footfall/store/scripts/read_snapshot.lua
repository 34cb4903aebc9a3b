#!lua flags=no-writes
-- Reads metadata and stream, as they are when something else is read in the same transaction. Only reads.
--
-- KEYS  1 meta  2 checkpoint  3 processed  4 stream  5 dead letters
--
-- Result  {'OK', generation, checkpoint, processed, settled, discarded, forgotten, lost, gone, goneDead, trimmed,
--          trimmedSince, takenOver (both '' when not there), the stream's entries-added, its length, its first id,
--          its last-generated-id, its max-deleted-entry-id, the dead letters' last-generated-id}
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key does not hold what it must
local meta, checkpoint_key, processed_key, stream, dead_letters = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local pcall = redis.pcall

--@include stream_info

local fields = pcall('HMGET', meta, 'state', 'generation', 'settled', 'discarded', 'forgotten', 'lost', 'gone',
                   'goneDead', 'trimmed', 'trimmedSince', 'takenOver')
if fields.err then return {'BROKEN', meta} end
if fields[1] == 'loading' then return {'LOADING'} end
if fields[1] ~= 'ready' then return {'BROKEN', meta} end
local checkpoint, processed = pcall('GET', checkpoint_key), pcall('GET', processed_key)
if type(checkpoint) ~= 'string' then return {'BROKEN', checkpoint_key} end
if type(processed) ~= 'string' or not string.match(processed, '^%d+$') then return {'BROKEN', processed_key} end
local info, dead = stream_info(stream), stream_info(dead_letters)
if not info then return {'BROKEN', stream} end
if not dead then return {'BROKEN', dead_letters} end

local first = info['first-entry'] and info['first-entry'][1] or '0-0'
return {'OK', fields[2] or '', checkpoint, processed, fields[3] or '0', fields[4] or '0', fields[5] or '0', fields[6] or '0',
        fields[7] or '0', fields[8] or '0', fields[9] or '0', fields[10] or '', fields[11] or '',
        info['entries-added'] or 0, info['length'] or 0, first,
        info['last-generated-id'] or '0-0', info['max-deleted-entry-id'] or '0-0', dead['last-generated-id'] or '0-0'}
