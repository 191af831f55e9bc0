-- Appends a record, saves or creates a session, or both or neither. Needs drop.lua in front.
--
-- KEYS  1 session, 2 turns, 3 script places, 4 log: all of one session, on one hash tag
-- ARGV  1 ttl in ms, 0 to keep for ever
--       2 '1' when a record follows, then (3..9): expected version, its checksum, 'T' terminal or 'U'
--         unfinished, request id, header, state, records to keep ('' each when there is none)
--       10 'save' or 'create' when a session follows, then: expected revision to save or place to create,
--         new revision, head, turns to keep, number of turns, (index, body) each, number of scripts,
--         (id, turn index, body) each
-- Returns 'OK', or without having written anything: 'VERSION <newest>', 'REVISION', 'GONE' or 'EXISTS'
--
-- session: hash of revision, place (create time), head, and s<script id> each; turns: sorted set of bodies by
-- index; script places: sorted set of ids by turn index; log: hash of oldest, newest, and for each version
-- c (T or U, then the checksum), h (header), s (state), q (request id), and r<request id>, its newest version.
--
-- Invariants: versions have no gaps; a revision grows by one with every save; repeating a call whose reply
-- was lost changes nothing and answers 'OK'; session and log expire together.
local session, turns, places, log = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local appends = ARGV[2] == '1'
local version
if appends then
  local newest = tonumber(redis.call('HGET', log, 'newest') or '0')
  local expected = tonumber(ARGV[3])
  version = string.format('%d', expected + 1)
  if newest == expected + 1 and redis.call('HGET', log, 'c' .. version) == ARGV[5] .. ARGV[4] then
    appends = false
  elseif newest ~= expected then
    return 'VERSION ' .. string.format('%d', newest)
  end
end

local creates = ARGV[10] == 'create'
local saves = creates or ARGV[10] == 'save'
if saves then
  local stored = redis.call('HMGET', session, 'revision', 'head')
  if stored[1] == ARGV[12] and stored[2] == ARGV[13] then
    saves = false
  elseif creates then
    if stored[1] then return 'EXISTS' end
  elseif not stored[1] then
    return 'GONE'
  elseif stored[1] ~= ARGV[11] then
    return 'REVISION'
  end
end

if appends then
  redis.call('HSETNX', log, 'oldest', version)
  redis.call('HSET', log, 'newest', version, 'c' .. version, ARGV[5] .. ARGV[4], 'h' .. version, ARGV[7],
    's' .. version, ARGV[8], 'q' .. version, ARGV[6], 'r' .. ARGV[6], version)
  if ARGV[5] == 'T' then drop(log, tonumber(version) - tonumber(ARGV[9])) end
end

if saves then
  redis.call('HSET', session, 'revision', ARGV[12], 'head', ARGV[13])
  if creates then redis.call('HSET', session, 'place', ARGV[11]) end
  local at = 16
  for _ = 1, tonumber(ARGV[15]) do
    redis.call('ZREMRANGEBYSCORE', turns, ARGV[at], ARGV[at])
    redis.call('ZADD', turns, ARGV[at], ARGV[at + 1])
    at = at + 2
  end
  local scripts = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, scripts do
    redis.call('ZADD', places, ARGV[at + 1], ARGV[at])
    redis.call('HSET', session, 's' .. ARGV[at], ARGV[at + 2])
    at = at + 3
  end
  local excess = redis.call('ZCARD', turns) - tonumber(ARGV[14])
  if excess > 0 then
    redis.call('ZREMRANGEBYRANK', turns, 0, excess - 1)
    local first = redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')[2]
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', places, '-inf', '(' .. first)) do
      redis.call('HDEL', session, 's' .. id)
    end
    redis.call('ZREMRANGEBYSCORE', places, '-inf', '(' .. first)
  end
end

for _, key in ipairs(KEYS) do
  if ARGV[1] == '0' then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, ARGV[1]) end
end
return 'OK'
