-- Create a room. Done again by the same attempt it changes nothing.
-- KEYS  the room, its members
-- ARGV  attempt, id, title, private, archived, created_by, created_at, chain of an empty log
-- 1, or 0 when the id is in use

local first = redis.call('HGET', KEYS[1], 'attempt')
if first then
    return first == ARGV[1] and 1 or 0
end
redis.call('HSET', KEYS[1], 'attempt', ARGV[1], 'id', ARGV[2], 'title', ARGV[3], 'private', ARGV[4], 'archived', ARGV[5],
    'created_by', ARGV[6], 'created_at', ARGV[7], 'top', 0, 'chain', ARGV[8])
if ARGV[4] == '1' and ARGV[6] ~= '' then
    redis.call('SADD', KEYS[2], ARGV[6])
end
return 1
