-- Move a user's marker forward, never back and never past the top.
-- KEYS  the room, its markers
-- ARGV  the user's id, the offset or '' for the top, '1' to leave private rooms alone
-- where it stands then, or false when there is no room (or it is to be left alone)

local facts = redis.call('HMGET', KEYS[1], 'top', 'private')
if not facts[1] or (ARGV[3] == '1' and facts[2] == '1') then
    return false
end
local marker = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
local top = tonumber(facts[1])
local wanted = ARGV[2] == '' and top or math.min(tonumber(ARGV[2]), top)
if wanted > marker then
    marker = wanted
    redis.call('HSET', KEYS[2], ARGV[1], string.format('%.0f', marker))
end
return string.format('%.0f', marker)
