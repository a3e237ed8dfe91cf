-- PUT /v1/vars/KEY: a bounded set of keys, a value of 256 bytes that is never the same twice (the same one again would be no change).
-- Argument: token.
dofile(debug.getinfo(1, "S").source:match("@(.*)/") .. "/report.lua")

local n = 0
local head, filler

function init(args)
  head = " HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " .. args[1] ..
    "\r\nContent-Type: application/json\r\nContent-Length: 268\r\n\r\n"
  filler = string.rep("x", 246)
  n = math.floor(tonumber(args[2]) * 1e7)
end

function request()
  n = n + 1
  return string.format('PUT /v1/vars/bench-%d%s{"value":"%010d%s"}', n % 2000, head, n, filler)
end
