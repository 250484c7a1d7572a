-- Put a room at the end of the list of all, unless it stands there.
-- KEYS  the list
-- ARGV  the room's id

if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
    redis.call('ZADD', KEYS[1], (tonumber(last[2]) or 0) + 1, ARGV[1])
end
return 1
