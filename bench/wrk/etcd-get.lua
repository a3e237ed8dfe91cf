-- Linearizable range requests for one key through etcd's HTTP gateway.
dofile(debug.getinfo(1, "S").source:match("@(.*)/") .. "/report.lua")

local n = 0

function request()
  n = n + 1
  return string.format('POST /v3/kv/range HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n' ..
    '{"key":"bench%07d"}', n % 2000)
end
