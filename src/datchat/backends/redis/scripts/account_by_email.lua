-- KEYS  ids by folded e-mail
-- ARGV  prefix of accounts' keys, folded e-mail
-- the account's fields, none when there is no account

local id = redis.call('HGET', KEYS[1], ARGV[2])
return id and redis.call('HGETALL', ARGV[1] .. id) or {}
