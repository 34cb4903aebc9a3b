-- process.lua: the batch's dead letters.
--
-- Reads    call
-- Defines  write_dead_letters(keys, batch)
local function write_dead_letters(keys, batch)
    local arg = batch.first_dead_arg
    for _ = 1, batch.dead do
        local last = arg + 2 + ARGV[arg + 2]
        call('XADD', keys.dead_letters, '*', 'id', ARGV[arg], 'reason', ARGV[arg + 1], unpack(ARGV, arg + 3, last))
        arg = last + 1
    end
end
