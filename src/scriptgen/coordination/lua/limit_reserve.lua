-- Reserve one request against all limits of a tenant: all or nothing. The reference is gcra.TenantState.reserve.
-- KEYS  1 hash: now, request, tokens (µs, theoretical arrival times), first, next (bounds of the log),
--         c:<sequence> = "<at>:<us>" (a charge of the running busy period),
--         l:<lease> = "<us>:<sequence>" (what a live lease has reserved)
--       2 sorted set: live leases by expiry (µs)
-- ARGV  1 lease id  2 request charge  3 request burst  4 tokens charge  5 tokens burst  6 concurrent
--       7 lease (µs)  8 log limit  9 concurrency retry (µs); a burst or `concurrent` of 0 turns a limit off
-- Returns {request wait, tokens wait, concurrency wait, now}, all µs; all waits 0: reserved.
-- Invariants: a refusal charges nothing; repeating a granted reservation charges nothing more. Times count from
-- 2020, so that they are exact in a double and in its %.0f text.
local id, request_us, request_burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local tokens_us, tokens_burst, concurrent = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local lease_us, log_limit, retry = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local function text(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = (tonumber(time[1]) - 1577836800) * 1000000 + tonumber(time[2])
local state = redis.call('HMGET', KEYS[1], 'now', 'request', 'tokens', 'first', 'next')
local before, request, tokens = tonumber(state[1] or 0), tonumber(state[2] or 0), tonumber(state[3] or 0)
local first, following = tonumber(state[4] or 0), tonumber(state[5] or 0)

local function forget_log()
  for sequence = first, following - 1 do redis.call('HDEL', KEYS[1], 'c:' .. text(sequence)) end
  first = following
  redis.call('HSET', KEYS[1], 'first', text(first))
end

if now < before then -- The server's clock was set back: set everything back with it.
  request, tokens = request - (before - now), tokens - (before - now)
  for _, lease in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    redis.call('ZINCRBY', KEYS[2], text(now - before), lease)
  end
  forget_log()
  redis.call('HSET', KEYS[1], 'request', text(request), 'tokens', text(tokens))
end
redis.call('HSET', KEYS[1], 'now', text(now))
for _, lease in ipairs(redis.call('ZRANGE', KEYS[2], '-inf', text(now), 'BYSCORE')) do
  redis.call('ZREM', KEYS[2], lease)
  redis.call('HDEL', KEYS[1], 'l:' .. lease)
end
if redis.call('HEXISTS', KEYS[1], 'l:' .. id) == 1 then return {0, 0, 0, now} end

local new_request, new_tokens = math.max(request, now) + request_us, math.max(tokens, now) + tokens_us
local request_wait, tokens_wait, concurrency_wait = 0, 0, 0
if request_burst > 0 then request_wait = math.max(0, new_request - request_burst - now) end
if tokens_burst > 0 then tokens_wait = math.max(0, new_tokens - tokens_burst - now) end
if concurrent > 0 and redis.call('ZCARD', KEYS[2]) >= concurrent then
  local earliest = tonumber(redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2])
  concurrency_wait = math.min(retry, earliest - now)
end
-- Kept until nothing in it can matter any more.
local keep_ms = text(math.ceil((math.max(new_request, new_tokens) - now + lease_us) / 1000) + 60000)
redis.call('PEXPIRE', KEYS[1], keep_ms)
if request_wait > 0 or tokens_wait > 0 or concurrency_wait > 0 then
  return {request_wait, tokens_wait, concurrency_wait, now}
end

if tokens <= now then forget_log() end
redis.call('HSET', KEYS[1], 'request', text(new_request), 'tokens', text(new_tokens),
  'next', text(following + 1),
  'c:' .. text(following), text(now) .. ':' .. text(tokens_us),
  'l:' .. id, text(tokens_us) .. ':' .. text(following))
if following + 1 - first > log_limit then
  redis.call('HDEL', KEYS[1], 'c:' .. text(first))
  redis.call('HSET', KEYS[1], 'first', text(first + 1))
end
redis.call('ZADD', KEYS[2], text(now + lease_us), id)
redis.call('PEXPIRE', KEYS[2], keep_ms)
return {0, 0, 0, now}
