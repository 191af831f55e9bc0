-- Add events to what other instances may read of a running generation, or only say that it still runs.
-- KEYS  1 hash: run, fingerprint, first and last (sequences), ended, beat and read (server time, ms)
--       2 stream: one entry a batch, its id is the sequence of the batch's last event
-- ARGV  1 run: version of the record that began it, higher for whoever took the session over later
--       2 fingerprint  3 first and 4 last sequence of the batch, last < first: no events  5 the batch
--       6 how it ended, '' while it runs  7 1 when this begins the run  8 entries kept  9 time to live (ms)
-- Returns the ms since somebody read it (-1: nobody yet), -2 when a later run has begun, -3 when what came
-- before the batch is not here.
-- Invariants: no event is missing between the first and the last. A batch whose reply was lost may come again,
-- also grown: readers pass over what they have seen.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local known = redis.call('HMGET', KEYS[1], 'run', 'last', 'read')
local run, first, last = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local before = tonumber(known[1] or 0)

if before > run then return -2 end
if before < run then
  if ARGV[7] ~= '1' then return -3 end
  redis.call('DEL', KEYS[1], KEYS[2])
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'fingerprint', ARGV[2], 'first', ARGV[3], 'last', first - 1)
  known = {run, first - 1, false}
end
if last >= first and last > tonumber(known[2]) then
  if first > tonumber(known[2]) + 1 then return -3 end
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[8], ARGV[4] .. '-0', 'e', ARGV[5])
  redis.call('HSET', KEYS[1], 'last', ARGV[4])
end
redis.call('HSET', KEYS[1], 'beat', now)
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'ended', ARGV[6]) end
redis.call('PEXPIRE', KEYS[1], ARGV[9])
redis.call('PEXPIRE', KEYS[2], ARGV[9])
if not known[3] then return -1 end
return math.max(0, now - tonumber(known[3]))
