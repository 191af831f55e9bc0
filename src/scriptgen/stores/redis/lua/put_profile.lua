-- Stores a style profile if the stored revision is the expected one.
--
-- KEYS  1 profile: hash of revision and body
-- ARGV  1 expected revision, '0' for none stored; 2 new revision; 3 body
-- Returns 1 when it is stored, also when exactly this one was there before (a reply was lost); else 0
local stored = redis.call('HMGET', KEYS[1], 'revision', 'body')
if stored[1] == ARGV[2] and stored[2] == ARGV[3] then return 1 end
if (stored[1] or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'body', ARGV[3])
return 1
