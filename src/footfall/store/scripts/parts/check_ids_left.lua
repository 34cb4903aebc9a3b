-- Reads    stream_info
-- Defines  check_ids_left(keys)  nil; or a reply, when the ids of the dead letters may not last. Behind the last ms that
--                                there can be only sequence numbers are left, and they could run out between two XADDs
local function check_ids_left(keys)
    local last_id = stream_info(keys.dead_letters)['last-generated-id']
    if last_id and string.match(last_id, '^18446744073709551615%-') then return {'BROKEN', keys.dead_letters} end
end
