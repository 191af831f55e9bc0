-- Drops all but the newest records of a log, keeping what an unfinished request needs. Needs drop.lua in front.
--
-- KEYS  1 log (see commit.lua)
-- ARGV  1 how many to keep, at least 1
-- Returns how many went
-- Invariant: nothing after the last terminal record goes; without one nothing goes.
local bounds = redis.call('HMGET', KEYS[1], 'oldest', 'newest')
local oldest, newest = tonumber(bounds[1]), tonumber(bounds[2])
if not newest then return 0 end
for version = newest, oldest, -1 do
  if string.sub(redis.call('HGET', KEYS[1], string.format('c%d', version)) or '', 1, 1) == 'T' then
    return drop(KEYS[1], math.min(version, newest - tonumber(ARGV[1])))
  end
end
return 0
