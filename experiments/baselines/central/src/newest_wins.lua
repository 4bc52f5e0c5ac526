-- Keeps the greater of two updates of a client, KEYS[1]. ARGV[1] is the stamp and the time of receipt,
-- 21 digits each, and then the AT line: compared by bytes, that is the protocol's order (names hold no
-- byte below the space that ends them).
local known = redis.call('GET', KEYS[1])
if known then
  local old, new = known:sub(1, 42), ARGV[1]:sub(1, 42)
  if new < old then return 0 end
  if new == old then
    -- Strings are compared by the locale, which for digits makes no difference and for lines does.
    local length = math.max(#known, #ARGV[1])
    for at = 43, length do
      local a, b = known:byte(at) or -1, ARGV[1]:byte(at) or -1
      if a > b then return 0 end
      if a < b then break end
      if at == length then return 0 end
    end
  end
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
