-- For wrk: `amount` requests, each for another approval, then stop. Prints one line of JSON.
-- Arguments: first number, amount, agent, path, template with %d for the number.
local from, amount, agent, path, template

function init(args)
  from, amount, agent, path, template = tonumber(args[1]), tonumber(args[2]), args[3], args[4], args[5]
  headers = { ["User-Agent"] = agent, ["Content-Type"] = "application/json" }
  sent, answered = 0, 0
end

function request()
  local number = from + sent
  sent = sent + 1
  return wrk.format("POST", path, headers, (template:gsub("%%d", tostring(number), 1)))
end

-- wrk sleeps for as long as it was told to send; its own signal wakes it.
local ffi = require("ffi")
ffi.cdef "int getpid(void); int kill(int pid, int signal);"
local SIGINT = 2

function response(status)
  answered = answered + 1
  if answered == amount then
    wrk.thread:stop()
    ffi.C.kill(ffi.C.getpid(), SIGINT)
  end
end

function done(summary, latency)
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"failures":%d,"errors":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)
  ))
end
