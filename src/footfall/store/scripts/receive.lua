#!lua
-- Adds check-ins to the stream, each on its own: one that is refused does not spoil the others.
--
-- They come in groups. A group with an idempotency record is done once: called again with the same fingerprint, it
-- answers what it answered the first time. One of which everything was refused is judged again; when it is more than
-- one check-in, it may be the first of several groups of a request, so its record says whose the key is all the same.
--
-- A record that would last longer than its setting allows was there when the server's clock was set back, or the
-- setting was longer: from the first look at it on it lasts as long as a new one.
--
-- KEYS  1 stream     XADD
--       2 meta       read: state
--       3 processed  read: how many entries the checkpoint has passed
--       4 users removed, 5 locations removed  read, with `create`: who is in it is refused as unknown
--       6 checkpoint  read: is the stream the one that was processed?
--       then per group: its idempotency record when it has one (GET, SET or PEXPIRE)
--         then per check-in: the user's key, the location's key (read: is there a record?), and with a duplicate
--         window its duplicate record (GET, SET or PEXPIRE: id of the entry)
-- ARGV  1 max_backlog
--       2 reject | create: what to do with an unknown user or location
--       3 ms that an idempotency record is kept  4 duplicate window in ms, 0 for none
--       then per group: number of check-ins, fingerprint ('' for none: it has no record)
--         then per check-in: userId, locationId, starRating
--
-- Result  {'OK', group, ...}  for each group one of
--           {'ALL', entry id, ...}
--           {'SOME', outcome, ...}, {'REPLAYED', outcome, ...}  of each check-in: its entry id, or why it was refused:
--             {'UNKNOWN_USER'}, {'UNKNOWN_LOCATION'}, {'DUPLICATE', id of the first}, {'BROKEN', key}
--           {'FULL'}, {'MISMATCH'} (the record has another fingerprint), {'BROKEN', key}: nothing of it was added
--         or with nothing added:
--         {'LOADING'}      data is being loaded
--         {'BROKEN', key}  a key is missing or does not hold what it must
--         {'OLDER'}        the stream ends before the checkpoint, or more was processed than was ever added to it
--         {'FINISHED'}     what the stream gives next is no time
local stream, meta, processed_key = KEYS[1], KEYS[2], KEYS[3]
local call, pcall, sub = redis.call, redis.pcall, string.sub
local create, record_ms, window_ms = ARGV[2] == 'create', tonumber(ARGV[3]), tonumber(ARGV[4])
local users_removed, locations_removed = KEYS[4], KEYS[5]
local LAST_TIME = '9999999999999-' -- an id beyond it is no time that is counted (after the year 2286)
local KEYS_EACH = window_ms > 0 and 3 or 2

-- ---------------------------------------------------------------- the metadata

local state = pcall('HGET', meta, 'state')
if state == 'loading' then return {'LOADING'} end
if state ~= 'ready' then return {'BROKEN', meta} end

local counted = pcall('MGET', processed_key, KEYS[6]) -- of another type: not there
local processed, checkpoint = counted[1], counted[2]
processed = type(processed) == 'string' and string.match(processed, '^%d+$') and tonumber(processed)
if not processed then return {'BROKEN', processed_key} end

-- Whether an id comes after another, as numbers of 64 bits. Not when it is none: what is wrong with the checkpoint, the
-- processor says, and check-ins are stored meanwhile.
local function is_after(one, other)
    if one == other then return false end
    local ms, sequence = string.match(one, '^(%d+)%-(%d+)$')
    local its_ms, its_sequence = string.match(other, '^(%d+)%-(%d+)$')
    if not ms or not its_ms then return false end
    if ms == its_ms then ms, its_ms = sequence, its_sequence end
    if #ms ~= #its_ms then return #ms > #its_ms end
    return ms > its_ms
end

local added, last_id = 0, '0-0'
local info = pcall('XINFO', 'STREAM', stream)
if info.err then
    -- a stream that is gone although entries of it were processed was deleted by somebody
    if processed > 0 or call('EXISTS', stream) == 1 then return {'BROKEN', stream} end
else
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then
            last_id = info[i + 1]
        elseif info[i] == 'entries-added' then
            added = info[i + 1]
            break
        end
    end
    local time = sub(last_id, 1, 14)
    if string.find(last_id, '-', 1, true) > 14 or time == LAST_TIME then return {'FINISHED'} end
    if processed > added then return {'OLDER'} end
    -- nearly always it is of an earlier ms, and times have as many digits: then to compare texts is enough
    local is_earlier = checkpoint and sub(checkpoint, 14, 14) == '-' and sub(time, 14) == '-' and sub(checkpoint, 1, 14) < time
    if checkpoint and not is_earlier and is_after(checkpoint, last_id) then return {'OLDER'} end
end
local full = added - processed >= tonumber(ARGV[1])

local some_removed = false
if create then
    for i = 4, 5 do
        local count = pcall('HLEN', KEYS[i])
        if type(count) ~= 'number' then return {'BROKEN', KEYS[i]} end
        some_removed = some_removed or count > 0
    end
end

-- ---------------------------------------------------------------- one check-in

-- a record lasts no longer than a new one would
local function shorten(record, ms)
    if call('PTTL', record) > ms then call('PEXPIRE', record, ms) end
end

-- nil when the record is there, else why the check-in is refused: {WORD, ...}
local function missing(key, unknown)
    local found = pcall('HEXISTS', key, 'id')
    if found == 1 then return nil end
    if found == 0 then return {unknown} end
    return {'BROKEN', key}
end

-- why the check-in whose keys begin at KEYS[key], and whose values at ARGV[arg], is refused; nil when it is not
local function refusal(key, arg)
    local why
    if not create then
        why = missing(KEYS[key], 'UNKNOWN_USER') or missing(KEYS[key + 1], 'UNKNOWN_LOCATION')
    elseif some_removed then
        why = call('HEXISTS', users_removed, ARGV[arg]) == 1 and {'UNKNOWN_USER'}
              or call('HEXISTS', locations_removed, ARGV[arg + 1]) == 1 and {'UNKNOWN_LOCATION'} or nil
    end
    if why or window_ms == 0 then return why end
    local first = pcall('GET', KEYS[key + 2])
    if type(first) == 'string' then
        shorten(KEYS[key + 2], window_ms)
        return {'DUPLICATE', first}
    end
    return first and {'BROKEN', KEYS[key + 2]} or nil
end

-- ---------------------------------------------------------------- the groups

-- A record holds the fingerprint and the outcomes, a line each; no outcomes when everything was refused. A line is an
-- entry id, or the words of a refusal with a space between them.
local function line_of(outcome) return type(outcome) == 'table' and table.concat(outcome, ' ') or outcome end

local function outcome_of(line)
    local word, rest = string.match(line, '^(%u[%u_]*) ?(.*)$')
    if not word then return line end
    return rest == '' and {word} or {word, rest}
end

local function replayed(record, fingerprint)
    local stored = pcall('GET', record)
    if not stored then return nil end
    if type(stored) ~= 'string' then return {'BROKEN', record} end
    local outcomes = {}
    for line in string.gmatch(stored, '[^\n]+') do outcomes[#outcomes + 1] = line end
    if outcomes[1] ~= fingerprint then
        shorten(record, record_ms)
        return {'MISMATCH'}
    end
    if not outcomes[2] then return nil end
    -- a write, so that a WAIT after this call covers the first one
    call('PEXPIRE', record, record_ms)
    outcomes[1] = 'REPLAYED'
    for i = 2, #outcomes do outcomes[i] = outcome_of(outcomes[i]) end
    return outcomes
end

-- Whether a check-in of the group at KEYS[key] and ARGV[arg] cannot be judged: then the whole group is left, to be tried again.
local function broken(key, arg, count)
    for i = 0, count - 1 do
        local why = refusal(key + KEYS_EACH * i, arg + 3 * i)
        if why and why[1] == 'BROKEN' then return why end
    end
end

local results = {'OK'}
local key, arg = 7, 5
while arg <= #ARGV do
    local count, fingerprint, record = tonumber(ARGV[arg]), ARGV[arg + 1], nil
    arg = arg + 2
    local result
    if fingerprint ~= '' then
        record = KEYS[key]
        key = key + 1
        result = replayed(record, fingerprint)
        if not result and not full then result = broken(key, arg, count) end
    end
    if not result and full then result = {'FULL'} end
    if result then
        key, arg = key + KEYS_EACH * count, arg + 3 * count
    else
        result = {}
        local accepted = 0
        for i = 2, count + 1 do
            local outcome = refusal(key, arg)
            if not outcome then
                outcome = pcall('XADD', stream, '*', 'locationId', ARGV[arg + 1], 'userId', ARGV[arg],
                                'starRating', ARGV[arg + 2])
                if type(outcome) == 'string' then
                    accepted = accepted + 1
                    if window_ms > 0 then call('SET', KEYS[key + 2], outcome, 'PX', window_ms) end
                else
                    outcome = {'BROKEN', stream}
                end
            end
            result[i] = outcome
            key, arg = key + KEYS_EACH, arg + 3
        end
        if record and (accepted > 0 or count > 1) then
            local lines = {fingerprint}
            if accepted > 0 then
                for i = 2, count + 1 do lines[i] = line_of(result[i]) end
            end
            call('SET', record, table.concat(lines, '\n'), 'PX', record_ms)
        end
        result[1] = accepted == count and 'ALL' or 'SOME'
    end
    results[#results + 1] = result
end
return results
