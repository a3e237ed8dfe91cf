-- The same writes through etcd's HTTP gateway. Keys and values are base64 there: digits are base64 too, so the counter goes in
-- as it is and stands for other bytes. Argument: number of this run.
dofile(debug.getinfo(1, "S").source:match("@(.*)/") .. "/report.lua")

local n = 0
local head, filler

function init(args)
  head = "POST /v3/kv/put HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: 377\r\n\r\n"
  filler = string.rep("x", 330) .. "xA=="
  n = math.floor(tonumber(args[1]) * 1e7)
end

function request()
  n = n + 1
  return string.format('%s{"key":"bench%07d","value":"%010d%s"}', head, n % 2000, n, filler)
end
