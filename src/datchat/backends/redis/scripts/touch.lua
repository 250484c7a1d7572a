-- Begin or renew leases, by the server's clock.
-- KEYS  the room's leases, the names of those who hold them
-- ARGV  how long, in milliseconds; then for each: the lease, the user's id, the user's name

if redis.replicate_commands then
    redis.replicate_commands()
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
for at = 2, #ARGV, 3 do
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[1]), ARGV[at])
    redis.call('HSET', KEYS[2], ARGV[at + 1], ARGV[at + 2])
end
-- Names of those who are gone go when they are the most.
if redis.call('HLEN', KEYS[2]) > 2 * redis.call('ZCARD', KEYS[1]) + 100 then
    local here = {}
    for _, lease in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
        here[lease:match('%z(.*)$')] = true
    end
    for _, id in ipairs(redis.call('HKEYS', KEYS[2])) do
        if not here[id] then
            redis.call('HDEL', KEYS[2], id)
        end
    end
end
local keep = 2 * tonumber(ARGV[1])
for _, key in ipairs(KEYS) do
    if redis.call('PTTL', key) < keep then
        redis.call('PEXPIRE', key, keep)
    end
end
return 1
