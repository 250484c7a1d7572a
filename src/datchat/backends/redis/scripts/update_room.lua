-- Replace the title and the archived flag.
-- KEYS  the room
-- ARGV  title, archived
-- 1, or 0 when there is no room

if redis.call('EXISTS', KEYS[1]) == 0 then
    return 0
end
redis.call('HSET', KEYS[1], 'title', ARGV[1], 'archived', ARGV[2])
return 1
