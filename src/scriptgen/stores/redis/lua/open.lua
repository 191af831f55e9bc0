-- Reads what the start of a request needs: the session with its newest turns, the newest record of the log,
-- and the newest record of one request. Writes nothing. For keys and fields see commit.lua.
--
-- KEYS  1 session, 2 turns, 3 script places, 4 log
-- ARGV  1 how many turns, '-1' for all, '' to leave the session out
--       2 '1' to read the newest record
--       3 request id, '' for none
-- Returns {head or false, '[turn, …]' newest first, '[script, …]', latest, found}
--   where a record is {version, c, header, state} or false; `found` is 'latest' when it is the same.
--   Turns and scripts are JSON and come as one array each: clients read one long string much faster than
--   many short ones.
local session, turns, places, log = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local function record(version)
  local stored = redis.call('HMGET', log, 'c' .. version, 'h' .. version, 's' .. version)
  return { version, stored[1], stored[2], stored[3] }
end

local head, newest_turns, scripts = false, {}, {}
if ARGV[1] ~= '' then head = redis.call('HGET', session, 'head') end
if head and ARGV[1] ~= '0' then
  local floor = '-inf'
  if ARGV[1] == '-1' then
    newest_turns = redis.call('ZREVRANGE', turns, 0, -1)
  else
    local rows = redis.call('ZREVRANGE', turns, 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
    for at = 1, #rows, 2 do newest_turns[#newest_turns + 1] = rows[at] end
    if #newest_turns == tonumber(ARGV[1]) then floor = rows[#rows] end
  end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', places, floor, '+inf')) do
    scripts[#scripts + 1] = redis.call('HGET', session, 's' .. id) or nil
  end
end

local latest, found = false, false
local newest = redis.call('HGET', log, 'newest')
if newest then
  if ARGV[2] == '1' then latest = record(newest) end
  if ARGV[3] ~= '' then
    local version = redis.call('HGET', log, 'r' .. ARGV[3])
    if version == newest and latest then found = 'latest' elseif version then found = record(version) end
  end
end
return { head, '[' .. table.concat(newest_turns, ',') .. ']', '[' .. table.concat(scripts, ',') .. ']', latest, found }
