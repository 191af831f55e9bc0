-- Extend a held lock.
-- KEYS  1 lock
-- ARGV  1 token  2 lease (ms)
-- Returns 1 when `token` still holds the lock, 0 when another does.
-- An absent lock is taken again: the holder asks only while its lease runs, so the server lost its data
-- (restarted empty). Should another have come and gone meanwhile, compare-and-set refuses this holder's commit.
local owner = redis.call('GET', KEYS[1])
if owner == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
if owner then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
