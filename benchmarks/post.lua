-- wrk's part of receiver.py: posts check-ins of the sample's users, made once, in turn; prints what came of it as JSON.
--
-- arguments (after wrk's `--`)  1 bare | phone | traced: which headers  2 path  3 check-ins per request
--                               4 none | one | many: whose sessions' cookies; with `one` all check-ins are user 1's
local SAMPLE_USERS, SAMPLE_LOCATIONS, REQUESTS = 1000, 215, 997

-- what a phone app or a browser sends besides: the same with each request
local PHONE = {
    ['User-Agent'] = 'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/126.0.0.0 Mobile Safari/537.36',
    ['Accept'] = 'application/json, text/plain, */*',
    ['Accept-Encoding'] = 'gzip, deflate, br',
    ['Accept-Language'] = 'en-US,en;q=0.9,de;q=0.8',
    ['Connection'] = 'keep-alive',
    ['Cache-Control'] = 'no-cache',
    ['Referer'] = 'https://app.example.com/places/13',
    ['Sec-Ch-Ua-Mobile'] = '?1',
    ['Sec-Fetch-Mode'] = 'cors',
    ['X-App-Version'] = '4.12.0',
}

local function headers_of(set, number, cookie)
    local headers = {['Content-Type'] = 'application/json', ['Cookie'] = cookie}
    if set == 'bare' then return headers end
    for name, value in pairs(PHONE) do headers[name] = value end
    if set == 'traced' then
        -- what a gateway or an instrumented client adds: another with each request
        headers['X-Request-Id'] = string.format('7f8c1d1e-4a3b-4c55-9d52-%012x', number)
        headers['Traceparent'] = string.format('00-4bf92f3577b34da6a3ce929d%08x-00f067aa%08x-01', number, number)
    end
    return headers
end

local requests, at = {}, 0

local function check_in(user)
    return string.format('{"userId":%d,"locationId":%d,"starRating":%d}', user, math.random(SAMPLE_LOCATIONS), math.random(0, 5))
end

function init(arguments)
    math.randomseed(1)
    local per_request, sessions = tonumber(arguments[3]), arguments[4]
    for i = 1, per_request == 1 and REQUESTS or 19 do
        local user = sessions == 'one' and 1 or math.random(SAMPLE_USERS)
        local cookie = sessions ~= 'none' and string.format('footfall_session=%043d', user) or nil
        local body = check_in(user)
        if per_request > 1 then
            local all = {}
            for n = 1, per_request do all[n] = check_in(math.random(SAMPLE_USERS)) end
            body = '[' .. table.concat(all, ',') .. ']'
        end
        requests[i] = wrk.format('POST', arguments[2], headers_of(arguments[1], i, cookie), body)
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"refused":%d,"failed":%d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
