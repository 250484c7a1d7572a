-- The entries after a cursor.
-- KEYS  the room, its log
-- ARGV  the cursor's offset and chain, how many at most
-- false when there is no room; {0} when the log has no such cursor; else {1, top, chain of the top, entries}

local facts = redis.call('HMGET', KEYS[1], 'top', 'chain')
if not facts[1] then
    return false
end
local after, link, limit = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local expected = string.rep('0', 16)
if ARGV[1] == facts[1] then
    expected = facts[2]
elseif after > 0 then
    local found = redis.call('XRANGE', KEYS[2], id_of(after), id_of(after))
    expected = found[1] and found[1][2][2]
end
if link ~= expected then
    return { 0 }
end
return { 1, facts[1], facts[2], redis.call('XRANGE', KEYS[2], id_of(after + 1), '+', 'COUNT', limit) }
