-- Defines  baseline_of(baselines, id, ...)  what is in the baseline of a record, of which the fields named are numbers;
--                                           without one these are 0, and is_missing is true; nil when it is broken
local function baseline_of(baselines, id, ...)
    local json = redis.call('HGET', baselines, id)
    local readable, baseline = true, {is_missing = true}
    if json then readable, baseline = pcall(cjson.decode, json) end -- Lua's own pcall
    if not readable or type(baseline) ~= 'table' then return nil end
    for _, name in ipairs({...}) do
        if baseline.is_missing then baseline[name] = 0 end
        if type(baseline[name]) ~= 'number' then return nil end
    end
    return baseline
end
