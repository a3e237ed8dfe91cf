-- Linearizable GET /v1/vars/KEY of the keys that muster-put.lua writes. Argument: token.
dofile(debug.getinfo(1, "S").source:match("@(.*)/") .. "/report.lua")

local n = 0
local head

function init(args)
  head = "?consistency=linearizable HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer " .. args[1] .. "\r\n\r\n"
end

function request()
  n = n + 1
  return "GET /v1/vars/bench-" .. n % 2000 .. head
end
