#!lua flags=allow-oom
-- Gives the processors' lease back, when it is still the caller's.
--
-- KEYS  1 lease  compared, then deleted
-- ARGV  1 token of the caller
--
-- Result  {'OK'}; or with nothing changed:
--         {'OTHER'}        it is another's, or nobody's
--         {'BROKEN', key}  the key is not a lease
local lease = KEYS[1]

--@include is_or_none

if not is_or_none(lease, 'string') then return {'BROKEN', lease} end
if redis.call('GET', lease) ~= ARGV[1] then return {'OTHER'} end

redis.call('DEL', lease)
return {'OK'}
