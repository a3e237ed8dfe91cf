-- What every script here prints at its end: one line of JSON for bench/wrk.ts.

-- wrk's histogram has more than what was measured: of every answer that took longer than two of the mean intervals between
-- a client's requests it says that requests which were never sent would have waited as well. The generator for etcd says
-- only what it saw, so this takes it away again, from the longest down: `asMeasured` of value n undoes what n had added.
local function asMeasured(summary, latency)
  if summary.requests == 0 then return {}, {} end
  local clients = tonumber(os.getenv("WRK_CLIENTS"))
  local interval = math.floor(summary.duration / math.floor(summary.requests / clients))
  local values, counts = {}, {}
  for i = 1, #latency do
    local value, count = latency(i)
    values[i], counts[value] = value, count
  end
  for i = #values, 1, -1 do
    local count, m = counts[values[i]], values[i] - interval
    while values[i] >= 2 * interval and count > 0 and m > interval do
      counts[m] = counts[m] - count
      m = m - interval
    end
  end
  return values, counts
end

local function percentiles(values, counts, total, shares)
  local found, sum, at = {}, 0, 1
  for i = 1, #values do
    sum = sum + counts[values[i]]
    while at <= #shares and sum >= math.ceil(total * shares[at]) do
      found[at] = values[i]
      at = at + 1
    end
  end
  return found
end

function done(summary, latency, requests)
  local e = summary.errors
  local values, counts = asMeasured(summary, latency)
  local total = 0
  for i = 1, #values do total = total + counts[values[i]] end
  local found = percentiles(values, counts, total, { 0.5, 0.99 })
  io.write(string.format(
    '{"requests":%d,"durationUs":%d,"counted":%d,"p50Us":%d,"p99Us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration, total, found[1] or 0, found[2] or 0,
    e.status, e.connect + e.read + e.write + e.timeout))
end
