#!lua
-- Adds a chunk of check-ins to the stream, each on its own: one that is refused does not spoil the others.
--
-- KEYS  1 stream     XADD
--       2 meta       read: state
--       3 processed  read: how many entries the checkpoint has passed
--       then for each check-in: the user's key, the location's key (read: is there a record?)
-- ARGV  1 max_backlog
--       2 reject | create: what to do with an unknown user or location
--       then for each check-in: userId, locationId, starRating
--
-- Result  a list with, for each check-in, its entry id or UNKNOWN_USER | UNKNOWN_LOCATION | BROKEN <key>;
--         or for the whole chunk, with nothing added, FULL | LOADING | BROKEN <key>
local stream, meta, processed_key = KEYS[1], KEYS[2], KEYS[3]
local call, pcall = redis.call, redis.pcall

local state = pcall('HGET', meta, 'state')
if state == 'loading' then return 'LOADING' end
if state ~= 'ready' then return 'BROKEN ' .. meta end

local processed = pcall('GET', processed_key)
processed = type(processed) == 'string' and string.match(processed, '^%d+$') and tonumber(processed)
if not processed then return 'BROKEN ' .. processed_key end

local added = 0
local info = pcall('XINFO', 'STREAM', stream)
if info.err then
    -- a stream that is gone although entries of it were processed was deleted by somebody
    if processed > 0 or call('EXISTS', stream) == 1 then return 'BROKEN ' .. stream end
else
    for i = 1, #info, 2 do
        if info[i] == 'entries-added' then
            added = info[i + 1]
            break
        end
    end
end
if added - processed >= tonumber(ARGV[1]) then return 'FULL' end

-- nil when the record is there, else why the check-in is refused
local function refusal(key, unknown)
    local found = pcall('HEXISTS', key, 'id')
    if found == 1 then return nil end
    if found == 0 then return unknown end
    return 'BROKEN ' .. key
end

local create = ARGV[2] == 'create'
local results = {}
for i = 1, (#ARGV - 2) / 3 do
    local refused
    if not create then
        refused = refusal(KEYS[2 + 2 * i], 'UNKNOWN_USER') or refusal(KEYS[3 + 2 * i], 'UNKNOWN_LOCATION')
    end
    if refused then
        results[i] = refused
    else
        local id = pcall('XADD', stream, '*', 'locationId', ARGV[1 + 3 * i], 'userId', ARGV[3 * i],
                         'starRating', ARGV[2 + 3 * i])
        results[i] = type(id) == 'string' and id or ('BROKEN ' .. stream)
    end
end
return results
