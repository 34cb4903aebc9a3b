-- wrk's part of api.py: gets the paths in turn; prints what came of it as JSON.
--
-- arguments (after wrk's `--`)  the paths
local requests, at = {}, 0

function init(arguments)
    for i, path in ipairs(arguments) do
        requests[i] = wrk.format('GET', path)
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
