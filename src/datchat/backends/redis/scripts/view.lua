-- The last messages before an offset, with what became of them.
-- KEYS  the room, its log, its messages, its changes
-- ARGV  the offset, how many at most
-- false when there is no room, else {top, chain of the top, 1 when older ones exist, messages}, each of them
-- {offset, stored bytes, stored bytes of its last edit or '', deleted, replies, revision, reactions as 'emoji user'}

local room, log, messages, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local facts = redis.call('HMGET', room, 'top', 'chain')
if not facts[1] then
    return false
end

local function body_at(offset)
    local found = redis.call('XRANGE', log, id_of(offset), id_of(offset))
    return found[1] and found[1][2][4] or ''
end

local function message(offset)
    local change = parse_change(redis.call('HGET', changes, string.format('%.0f', offset)))
    local shown = string.format('%.0f', offset)
    if not change then
        return { shown, body_at(offset), '', 0, 0, shown, {} }
    end
    local edit = change.edit ~= '0' and body_at(tonumber(change.edit)) or ''
    local reactions = redis.call('SMEMBERS', room .. ':reactions:' .. shown)
    return { shown, body_at(offset), edit, tonumber(change.deleted), change.replies, change.revision, reactions }
end

local last = count_up_to(messages, tonumber(ARGV[1]) - 1)
local first = math.max(0, last - tonumber(ARGV[2]))
local page = {}
if last > first then
    local packed = redis.call('GETRANGE', messages, first * WIDTH, last * WIDTH - 1)
    for at = 1, #packed, WIDTH do
        page[#page + 1] = message((struct.unpack('>I6', packed, at)))
    end
end
return { facts[1], facts[2], first > 0 and 1 or 0, page }
