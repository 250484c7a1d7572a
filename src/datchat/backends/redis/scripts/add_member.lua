-- Let a user into a room; what stands there is no news to them.
-- KEYS  the room, its members, its markers
-- ARGV  the user's id
-- 1, or 0 when there is no room

local top = redis.call('HGET', KEYS[1], 'top')
if not top then
    return 0
end
if redis.call('SADD', KEYS[2], ARGV[1]) == 1 and
    tonumber(top) > tonumber(redis.call('HGET', KEYS[3], ARGV[1]) or '0') then
    redis.call('HSET', KEYS[3], ARGV[1], top)
end
return 1
