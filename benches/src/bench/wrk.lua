-- Ends wrk's report, which is for people, with one line of JSON.
function done(summary, latency)
    local errors = summary.errors
    local answered = summary.requests - errors.status
    print(string.format(
        '{"answered":%d,"microseconds":%d,"failed":%d,"p50":%d,"p99":%d,"p999":%d,"max":%d}',
        answered, summary.duration,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max
    ))
end
