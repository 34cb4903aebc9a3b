-- Reads    pcall
-- Defines  cpu_clock()  seconds of CPU that the server has used; 0 when it does not say. Redis before 7.4 and Valkey before
--                       8.0 have no os.clock: INFO says it, too
local function cpu_clock()
    if rawget(_G, 'os') then return os.clock() end
    local info = pcall('INFO', 'cpu')
    if type(info) ~= 'string' then return 0 end -- the user may not use it
    return info:match('used_cpu_sys:([%d.]+)') + info:match('used_cpu_user:([%d.]+)')
end
