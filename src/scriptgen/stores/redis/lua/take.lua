-- Removes keys of one hash tag and tells what two fields of the first one were.
--
-- KEYS  1 a hash, 2… more keys
-- ARGV  1, 2 field names
-- Returns {value or false, value or false}
local values = redis.call('HMGET', KEYS[1], ARGV[1], ARGV[2])
redis.call('UNLINK', unpack(KEYS))
return values
