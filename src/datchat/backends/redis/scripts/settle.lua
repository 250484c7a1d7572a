-- Make an empty database ours, or look whether it is.
-- KEYS  the schema's version, the beat, the lobby, the list of rooms
-- ARGV  our version, id and title of the lobby, chain of an empty log
-- 'ok', 'foreign' when there are other keys and none of ours, or the version when it is another

local version = redis.call('GET', KEYS[1])
if not version then
    if redis.call('DBSIZE') > 0 then
        return 'foreign'
    end
    redis.call('SET', KEYS[1], ARGV[1])
elseif version ~= ARGV[1] then
    return version
end
if redis.call('EXISTS', KEYS[2]) == 0 then
    redis.call('SET', KEYS[2], 1)
end
if redis.call('EXISTS', KEYS[3]) == 0 then
    redis.call('HSET', KEYS[3], 'attempt', '', 'id', ARGV[2], 'title', ARGV[3], 'private', 0, 'archived', 0,
        'created_by', '', 'created_at', 0, 'top', 0, 'chain', ARGV[4])
    redis.call('ZADD', KEYS[4], 'NX', 1, ARGV[2])
end
return 'ok'
