-- Set a field of an account, if there is one; and end its sessions when told to.
-- KEYS  the account, its sessions
-- ARGV  field, value, prefix of sessions' keys ('' to let them live)

if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
if ARGV[3] ~= '' then
    for _, session in ipairs(redis.call('SMEMBERS', KEYS[2])) do
        redis.call('DEL', ARGV[3] .. session)
    end
    redis.call('DEL', KEYS[2])
end
return 1
