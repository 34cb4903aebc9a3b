#!lua flags=allow-oom
-- Removes the oldest processed entries beyond those that are retained; never one after the checkpoint, and up to a
-- limit none that a consumer group has pending or has not been delivered. It only frees memory, so it also runs on a
-- server that has none left.
--
-- KEYS  1 stream      XTRIM
--       2 checkpoint  read
--       3 processed   read
--       4 meta        read: state; trimmed + number of removed entries; trimmedSince: ms of the first time
-- ARGV  1 how many processed entries to retain
--       2 how many to remove at most in this call; 0 only looks
--       3 how many more to keep for consumer groups; 0: none is waited for
--
-- Result  {'OK', removed, excess, needed, group, oldest}
--         removed  how many entries were removed
--         excess   how many more processed entries there are by now than are to be retained; below 0, how many fewer
--         needed   how many of the removed ones the group still needed, or came after one that it needed
--         group    the consumer group that needs the oldest processed entry; '' when none needs one
--         oldest   the id of that entry; '' when there is none
--         The others are 0 or '' when there is nothing to remove; all are when a key does not hold what it must. The
--         checkpoint's own entry stays: it tells where the backlog begins.
local stream, retain, most, for_groups = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local call, pcall = redis.call, redis.pcall
-- entries that are looked at one by one: about 2 ms
local READ_AT_ONCE = 1000
local NOTHING = {'OK', 0, 0, 0, '', ''}

-- What a string holds when all of it is like the pattern, else nil.
local function value_of(key, pattern)
    local value = pcall('GET', key)
    return type(value) == 'string' and string.match(value, pattern)
end

local checkpoint, processed = value_of(KEYS[2], '^%d+%-%d+$'), tonumber(value_of(KEYS[3], '^%d+$'))
if pcall('HGET', KEYS[4], 'state') ~= 'ready' or not checkpoint or not processed then return NOTHING end

local info = pcall('XINFO', 'STREAM', stream)
if info.err then return NOTHING end
local length, added
for i = 1, #info, 2 do
    if info[i] == 'length' then length = info[i + 1] end
    if info[i] == 'entries-added' then added = info[i + 1] end
end
local excess = length - (added - processed) - retain
if excess <= 0 then return {'OK', 0, excess, 0, '', ''} end

-- Only entries up to the checkpoint are looked at, so whatever the counters say, none after it can go.
local first = pcall('XRANGE', stream, '-', checkpoint, 'COUNT', 1)
if first.err or #first == 0 then return NOTHING end

-- An id so that ids compare as text: they have 64 bits, Lua's numbers 53.
local function digits(id)
    local ms, sequence = string.match(id, '^(%d+)%-(%d+)$')
    return string.rep('0', 20 - #ms) .. ms .. string.rep('0', 20 - #sequence) .. sequence
end

local group, oldest = '', nil

local function note(name, id)
    if not oldest or digits(id) < digits(oldest) then group, oldest = name, id end
end

local function look_at(name, delivered)
    -- from the first entry on: what is pending and gone needs nothing to be kept
    local pending = pcall('XPENDING', stream, name, first[1][1], checkpoint, 1)
    if pending[1] then note(name, pending[1][1]) end
    -- an error, when it is the greatest id that there can be, has no items
    local undelivered = pcall('XRANGE', stream, '(' .. delivered, checkpoint, 'COUNT', 1)
    if undelivered[1] then note(name, undelivered[1][1]) end
end

if for_groups > 0 then
    for _, fields in ipairs(pcall('XINFO', 'GROUPS', stream)) do
        local about = {}
        for i = 1, #fields, 2 do about[fields[i]] = fields[i + 1] end
        look_at(about['name'], about['last-delivered-id'])
    end
end

local most_now = math.min(excess, most)
if most_now <= 0 then return {'OK', 0, excess, 0, group, oldest or ''} end

-- First whole nodes of the stream (100 entries, unless the server is set up in another way), as many as are free: that
-- is a matter of microseconds, and the entries need not be read.
local removed = call('XTRIM', stream, 'MINID', '~', oldest or checkpoint, 'LIMIT', most_now)
excess = excess - removed

-- Then the rest, entry by entry.
local take = math.min(most_now - removed, excess, READ_AT_ONCE)
local entries = pcall('XRANGE', stream, '-', checkpoint, 'COUNT', take + 1)
take = math.max(0, math.min(take, #entries - 1))
-- how many of the entries to take come before the one that is needed
local free = take
if take > 0 and oldest and digits(entries[take + 1][1]) > digits(oldest) then
    local bound = digits(oldest)
    free = 0
    while digits(entries[free + 1][1]) < bound do free = free + 1 end
end
take = math.max(free, math.min(take, excess - for_groups))
if take > 0 then
    local of_rest = call('XTRIM', stream, 'MINID', entries[take + 1][1])
    removed, excess = removed + of_rest, excess - of_rest
end
if removed > 0 then
    local now = call('TIME')
    call('HINCRBY', KEYS[4], 'trimmed', removed)
    call('HSETNX', KEYS[4], 'trimmedSince', now[1] .. string.format('%03d', math.floor(now[2] / 1000)))
end
return {'OK', removed, excess, math.max(0, take - free), group, oldest or ''}
