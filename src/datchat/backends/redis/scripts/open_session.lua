-- Begin a session, and forget the expired ones of the same account.
-- KEYS  the account's sessions
-- ARGV  prefix of sessions' keys, id, user, created_at, expires_at, how long the store keeps it, in milliseconds

for _, session in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    local until_ms = tonumber(redis.call('HGET', ARGV[1] .. session, 'expires_at') or '0')
    if until_ms <= tonumber(ARGV[4]) then
        redis.call('DEL', ARGV[1] .. session)
        redis.call('SREM', KEYS[1], session)
    end
end
redis.call('HSET', ARGV[1] .. ARGV[2], 'user', ARGV[3], 'created_at', ARGV[4], 'expires_at', ARGV[5])
redis.call('PEXPIRE', ARGV[1] .. ARGV[2], ARGV[6])
redis.call('SADD', KEYS[1], ARGV[2])
return 1
