#!lua
-- Removes a user for good: record, index entries, baseline, sessions and histories. What was counted at locations
-- stays; how much of that was this user's is remembered under the id, which is not given out again.
--
-- KEYS  1 meta          read: state
--       2 by check-ins  ZREM
--       3 recent        ZREM
--       4 last seen     ZREM
--       5 email         HDEL
--       6 baseline      read, HDEL
--       7 removed       HSET: id -> JSON of the check-ins counted beyond the baseline
--       8 the user's hash              UNLINK
--       9 the user's sessions, a set   UNLINK
--       then a session per member of that set, as the caller has read it, and what else is kept of the user: UNLINK
-- ARGV  1 id  2 stored email as the caller has read it ('' when there is none)  3 that in lower case
--       then the members of the set of sessions
--
-- Result  {'OK', number of check-ins counted beyond the baseline}; or with nothing changed:
--         {'MISSING'}       there is no such user
--         {'RETRY'}         email or sessions are not those that the caller has read
--         {'LOADING'}       data is being loaded
--         {'BROKEN <key>'}  a key does not hold what it must
local meta, by_checkins, recent, last_seen, emails = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local baselines, removed, user, sessions = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local call, fmt = redis.call, string.format
local FIRST_OWN, FIRST_SESSION, MAX_UNPACK = 8, 4, 2000
local id, old_email = ARGV[1], ARGV[3]

-- The number in a hash field; 0 when there is none, nil when it is something else.
local function number_of(text)
    if not text then return 0 end
    return #text <= 16 and not string.find(text, '%D') and tonumber(text) or nil
end

-- ---------------------------------------------------------------- read and check

local state = redis.pcall('HGET', meta, 'state')
if state == 'loading' then return {'LOADING'} end
if state ~= 'ready' then return {'BROKEN ' .. meta} end
for i, expected in ipairs({'hash', 'zset', 'zset', 'zset', 'hash', 'hash', 'hash', 'hash', 'set'}) do
    local found = call('TYPE', KEYS[i]).ok
    if found ~= expected and found ~= 'none' then return {'BROKEN ' .. KEYS[i]} end
end

local stored = call('HMGET', user, 'id', 'email', 'numCheckins', 'lastCheckin', 'lastSeenAt')
if not stored[1] then return {'MISSING'} end
if (stored[2] or '') ~= ARGV[2] then return {'RETRY'} end
local count, at, place = number_of(stored[3]), number_of(stored[4]), number_of(stored[5])
if not count or not at or not place then return {'BROKEN ' .. user} end
if call('SCARD', sessions) ~= #ARGV - FIRST_SESSION + 1 then return {'RETRY'} end
for i = FIRST_SESSION, #ARGV do
    if call('SISMEMBER', sessions, ARGV[i]) == 0 then return {'RETRY'} end
end
local json = call('HGET', baselines, id)
if json then
    local readable, baseline = pcall(cjson.decode, json)
    if not readable or type(baseline) ~= 'table' or type(baseline.numCheckins) ~= 'number' then
        return {'BROKEN ' .. baselines}
    end
    count = math.max(0, count - baseline.numCheckins)
end

-- ---------------------------------------------------------------- write

count = fmt('%.0f', count)
call('HSET', removed, id, '{"numCheckins":' .. count .. '}')
call('HDEL', baselines, id)
call('ZREM', by_checkins, id)
call('ZREM', recent, id)
if stored[4] and stored[5] then call('ZREM', last_seen, fmt('%016.0f:%013.0f:%s', place, at, id)) end
if old_email ~= '' and call('HGET', emails, old_email) == id then call('HDEL', emails, old_email) end
for i = FIRST_OWN, #KEYS, MAX_UNPACK do call('UNLINK', unpack(KEYS, i, math.min(i + MAX_UNPACK - 1, #KEYS))) end
return {'OK', count}
