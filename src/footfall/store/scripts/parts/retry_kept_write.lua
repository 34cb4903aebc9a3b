-- retry_dead_letters.lua, what is kept of the newest check-ins: writes what retry_kept_read has gathered.
--
-- Reads    call, whole, history, writes, counts, histories, rewritten
for _, write in ipairs(writes) do call(unpack(write)) end
for list in pairs(rewritten) do
    local checkins = histories[list]
    call('DEL', list)
    call('RPUSH', list, unpack(checkins, math.max(1, #checkins - history + 1)))
end
for hash, count in pairs(counts) do
    for name, total in pairs(count.fields) do call('HSET', hash, name, whole(total)) end
    call('EXPIRE', hash, count.expires_s)
end
