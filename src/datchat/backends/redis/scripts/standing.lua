-- A room as one user finds it.
-- KEYS  the room, its messages, its members, its markers
-- ARGV  the user's id
-- false when there is no room or it is none of theirs, else {facts of the room…, top, chain, marker, unread}

local room, messages, members, markers = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local user = ARGV[1]
local facts = redis.call('HMGET', room, 'id', 'title', 'private', 'archived', 'created_by', 'created_at', 'top', 'chain')
if not facts[7] or (facts[3] == '1' and redis.call('SISMEMBER', members, user) == 0) then
    return false
end
local own = room .. ':own:' .. user
local marker = redis.call('HGET', markers, user) or '0'
local read = tonumber(marker)
local unread = count_of(messages) - count_up_to(messages, read) - count_of(own) + count_up_to(own, read)
facts[9] = marker
facts[10] = unread
return facts
