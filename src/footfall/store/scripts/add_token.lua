#!lua
-- Makes a token known. Its name must be new.
--
-- KEYS  1 tokens  HVALS, HSET: SHA-256 of a token -> JSON
-- ARGV  1 SHA-256 of the token  2 its JSON  3 its name
--
-- Result  {'OK'} | {'TAKEN'} (another has this name) | {'BROKEN', key}: nothing was changed
local tokens = KEYS[1]

local values = redis.pcall('HVALS', tokens)
if values.err then return {'BROKEN', tokens} end
for i = 1, #values do
    local is_json, token = pcall(cjson.decode, values[i])
    if not is_json or type(token) ~= 'table' then return {'BROKEN', tokens} end
    if token.name == ARGV[3] then return {'TAKEN'} end
end

redis.call('HSET', tokens, ARGV[1], ARGV[2])
return {'OK'}
