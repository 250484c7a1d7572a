-- The last entries before an offset.
-- KEYS  the room, its log
-- ARGV  the offset, how many at most
-- false when there is no room, else {top, first offset of the page less one, last offset of the page, entries}

local top = redis.call('HGET', KEYS[1], 'top')
if not top then
    return false
end
local last = math.max(0, math.min(tonumber(top), tonumber(ARGV[1]) - 1))
local after = math.max(0, last - tonumber(ARGV[2]))
local entries = {}
if last > after then
    entries = redis.call('XRANGE', KEYS[2], id_of(after + 1), id_of(last))
end
return { top, string.format('%.0f', after), string.format('%.0f', last), entries }
