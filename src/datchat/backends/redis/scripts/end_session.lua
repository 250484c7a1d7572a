-- End a session. Ending an ended one is no error.
-- KEYS  the session
-- ARGV  its id, prefix of the keys of accounts' sessions

local user = redis.call('HGET', KEYS[1], 'user')
if user then
    redis.call('DEL', KEYS[1])
    redis.call('SREM', ARGV[2] .. user, ARGV[1])
end
return 1
