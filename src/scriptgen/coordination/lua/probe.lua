-- A write that harms nothing, to see whether this slot can be written.
-- KEYS  1 a key of its own in the slot to try
-- ARGV  1 time to live (ms)
-- Returns 1.
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return 1
