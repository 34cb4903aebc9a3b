#!lua
-- Forgets what was counted for a chunk of removed users or locations, since the stream that counted it is replaced.
-- The ids stay: they are not given out again. Running it a second time changes nothing.
--
-- KEYS  1 lease    compared
--       2 removed  HSET
-- ARGV  1 token of the lease  2 JSON of counters of which there are none  then the ids
--
-- Result  {'OK'}; or with nothing changed:
--         {'LOST'}         the lease is another load's by now
--         {'BROKEN', key}  a key does not hold what it must
local lease, removed = KEYS[1], KEYS[2]
local call = redis.call

if redis.pcall('GET', lease) ~= ARGV[1] then return {'LOST'} end
if call('TYPE', removed).ok ~= 'hash' then return {'BROKEN', removed} end
for i = 3, #ARGV do call('HSET', removed, ARGV[i], ARGV[2]) end
return {'OK'}
