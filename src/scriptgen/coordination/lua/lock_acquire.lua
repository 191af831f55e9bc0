-- Take a session's lock, or queue for it.
-- KEYS  1 lock: token of the holder, expires with the lease
--       2 next: token of the waiter whose turn comes next, expires with that waiter's patience
-- ARGV  1 token  2 lease (ms)  3 patience (ms): longer than a waiter's pause between two calls, 0 for one who
--         asks only once and takes no place
-- Returns 0 when `token` holds the lock now, else the ms after which asking again is sure to be worth while.
-- Invariants: repeating a call whose reply was lost succeeds; a free lock goes to `next` before anyone else,
-- so the process that releases cannot starve the others; a dead `next` delays the others by its patience only.
local owner = redis.call('GET', KEYS[1])
if owner == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 0
end
local first = redis.call('GET', KEYS[2])
local mine = first == ARGV[1]
if not owner and (mine or not first) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  if mine then redis.call('DEL', KEYS[2]) end
  return 0
end
if ARGV[3] ~= '0' and (mine or not first) then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
end
if owner then return math.max(1, redis.call('PTTL', KEYS[1])) end
-- Free, but kept for `next`, who takes it within milliseconds: then there is a place to queue for.
return math.max(1, math.min(10, redis.call('PTTL', KEYS[2])))
