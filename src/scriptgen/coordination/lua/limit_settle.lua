-- End a lease and charge what was really used. The reference is gcra.TenantState.settle.
-- KEYS  1 hash  2 sorted set, as in limit_reserve.lua
-- ARGV  1 lease id  2 actual (µs), or '' to keep the reservation charged  3 log limit
-- Returns {1 when the lease was live, else 0; now}.
-- Invariants: once only, deleting the lease decides; a lease that has expired stays charged; overage always
-- becomes debt; a refund restores exactly what would be there had only `actual` been charged.
local function text(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = (tonumber(time[1]) - 1577836800) * 1000000 + tonumber(time[2])
local state = redis.call('HMGET', KEYS[1], 'now', 'request', 'tokens', 'first', 'next', 'l:' .. ARGV[1])
if not state[6] then return {0, now} end
local before, request, tokens = tonumber(state[1]), tonumber(state[2]), tonumber(state[3])
local first, following = tonumber(state[4] or 0), tonumber(state[5])

if now < before then -- The server's clock was set back: set everything back with it.
  request, tokens = request - (before - now), tokens - (before - now)
  for _, lease in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    redis.call('ZINCRBY', KEYS[2], text(now - before), lease)
  end
  for sequence = first, following - 1 do redis.call('HDEL', KEYS[1], 'c:' .. text(sequence)) end
  first = following
  redis.call('HSET', KEYS[1], 'request', text(request), 'tokens', text(tokens), 'first', text(first))
end
redis.call('HSET', KEYS[1], 'now', text(now))

local expires = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or 0)
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], 'l:' .. ARGV[1])
if expires <= now then return {0, now} end
if ARGV[2] == '' then return {1, now} end

local us, sequence = state[6]:match('^(%d+):(%d+)$')
sequence = tonumber(sequence)
local more = tonumber(ARGV[2]) - tonumber(us)
if more > 0 then
  tokens = math.max(tokens, now) + more
  redis.call('HSET', KEYS[1], 'next', text(following + 1),
    'c:' .. text(following), text(now) .. ':' .. text(more))
  if following + 1 - first > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[1], 'c:' .. text(first))
    redis.call('HSET', KEYS[1], 'first', text(first + 1))
  end
  local keep_ms = math.ceil((tokens - now) / 1000) + 60000
  if redis.call('PTTL', KEYS[1]) < keep_ms then redis.call('PEXPIRE', KEYS[1], text(keep_ms)) end
elseif more < 0 and sequence >= first then
  local names = {'c:' .. text(sequence)}
  for later = sequence + 1, following - 1 do names[#names + 1] = 'c:' .. text(later) end
  local log = redis.call('HMGET', KEYS[1], unpack(names))
  local alone = 0
  for index, charge in ipairs(log) do
    local at, charged = charge:match('^(%d+):(%d+)$')
    if index == 1 then
      redis.call('HSET', KEYS[1], names[1], at .. ':' .. text(tonumber(charged) + more))
    else
      alone = math.max(alone, tonumber(at)) + tonumber(charged)
    end
  end
  tokens = math.max(tokens + more, alone)
end
redis.call('HSET', KEYS[1], 'tokens', text(tokens))
return {1, now}
