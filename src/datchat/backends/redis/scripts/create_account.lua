-- Create an account. Done again by the same attempt it changes nothing.
-- KEYS  ids by folded e-mail, ids by folded name, ids in order; keys of accounts begin with ARGV[1]
-- ARGV  prefix, attempt, folded e-mail, folded name, id, email, name, password_hash, created_at, admin, disabled
-- the name that it got, or false when the e-mail has an account

local emails, names, order = KEYS[1], KEYS[2], KEYS[3]
local prefix, attempt, email, name, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local owner = redis.call('HGET', emails, email)
if owner then
    local made = redis.call('HMGET', prefix .. owner, 'attempt', 'name')
    return made[1] == attempt and made[2]
end
-- A folded name with a suffix is the folded form of the name with that suffix: neither digits nor hyphens compose.
local suffix, number = '', 1
while redis.call('HEXISTS', names, name .. suffix) == 1 do
    number = number + 1
    suffix = '-' .. number
end
redis.call('HSET', emails, email, id)
redis.call('HSET', names, name .. suffix, id)
redis.call('RPUSH', order, id)
redis.call('HSET', prefix .. id, 'attempt', attempt, 'id', id, 'email', ARGV[6], 'name', ARGV[7] .. suffix,
    'password_hash', ARGV[8], 'created_at', ARGV[9], 'admin', ARGV[10], 'disabled', ARGV[11])
return ARGV[7] .. suffix
