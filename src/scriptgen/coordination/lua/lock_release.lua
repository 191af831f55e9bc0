-- Give back whatever `token` has: the lock, or its place as the next waiter.
-- KEYS  1 lock  2 next
-- ARGV  1 token  2 hand-over (ms): how long the lock stays reserved for `next`  3 channel  4 message
-- Returns 1 when the lock was held, else 0. Somebody else's lock or place is never touched.
-- Publishes only when somebody waits, so an uncontended release costs no message.
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if redis.call('PEXPIRE', KEYS[2], ARGV[2]) == 1 then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return 1
