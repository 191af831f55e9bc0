-- Read what a generation on another instance has published, and leave word that somebody does.
-- KEYS  as in publish_events.lua
-- ARGV  1 sequence after which to read  2 most batches
-- Returns nothing when nothing is there, else {run, fingerprint, first, last, ended, ms since the last sign of
-- life, batches}; the first batch may begin before what was asked for.
local known = redis.call('HMGET', KEYS[1], 'run', 'fingerprint', 'first', 'last', 'ended', 'beat')
if not known[1] then return {} end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', KEYS[1], 'read', now)
local batches = {}
local from = string.format('%.0f', tonumber(ARGV[1]) + 1)
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[2])) do
  batches[#batches + 1] = entry[2][2]
end
return {
  tonumber(known[1]), known[2], tonumber(known[3]), tonumber(known[4]), known[5] or '',
  math.max(0, now - tonumber(known[6])), batches,
}
