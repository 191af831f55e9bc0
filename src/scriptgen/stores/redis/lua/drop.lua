-- Drops the records up to and including version `last` from a log. Put in front of the scripts that need it.
-- Fields of a log: see commit.lua. Invariant: the records left have no gaps, `oldest` is the first of them.
local function drop(log, last)
  local oldest = tonumber(redis.call('HGET', log, 'oldest'))
  if not oldest then return 0 end
  for version = oldest, last do
    local v = string.format('%d', version)
    local request = redis.call('HGET', log, 'q' .. v)
    if request and redis.call('HGET', log, 'r' .. request) == v then
      redis.call('HDEL', log, 'r' .. request)
    end
    redis.call('HDEL', log, 'c' .. v, 'h' .. v, 's' .. v, 'q' .. v)
  end
  if last < oldest then return 0 end
  redis.call('HSET', log, 'oldest', string.format('%d', last + 1))
  return last - oldest + 1
end
