#!lua
-- Ends a batch that was applied in part, which a rebuild has undone: it will be applied again. Its dead letters, the
-- newest ones that there are, go first: they would come twice.
--
-- KEYS  1 meta          torn is removed
--       2 checkpoint    read
--       3 dead letters  XDEL: those of entries after the checkpoint
--       4 processed     SET: what it was before that batch
--
-- Result  {'OK', how many dead letters were removed}, or {'NONE'} when no batch was torn
local meta, checkpoint_key, dead_letters, processed_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call = redis.call

--@include digits
--@include field

local torn = call('HGET', meta, 'torn')
if not torn then return {'NONE'} end

local checkpoint = call('GET', checkpoint_key)
local began_at, processed = string.match(torn, '^(%S+) (%d+)$')
if began_at == checkpoint then call('SET', processed_key, processed) end -- else nothing but the mark is left to remove
checkpoint = digits(checkpoint)
local removed, page = 0
local before
repeat
    before = removed
    page = call('XREVRANGE', dead_letters, '+', '-', 'COUNT', 100)
    for _, letter in ipairs(page) do
        if digits(field(letter[2], 'id') or '') <= checkpoint then break end
        removed = removed + call('XDEL', dead_letters, letter[1])
    end
until removed - before < 100
call('HDEL', meta, 'torn')
return {'OK', removed}
