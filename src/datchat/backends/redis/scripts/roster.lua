-- Who holds a living lease, by the server's clock.
-- KEYS  the room's leases, the names of those who hold them
-- {leases, names and ids in turn}

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return { redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf'), redis.call('HGETALL', KEYS[2]) }
