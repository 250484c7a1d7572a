-- Append drafts to the log of one room, in order. Nothing is published: it is not safe yet.
--
-- KEYS  the room, its log, its messages, its changes. Keys of nonces, authors and reactions begin with the room's key
--       and so lie in the same slot of a cluster.
-- ARGV  how long a nonce is remembered, in milliseconds; then for each draft: kind, author, nonce, attempt, the offset
--       that it names (or ''), emoji, on ('1' or '0'), moderator ('1' or '0'), stored bytes.
-- An answer for each: {1, offset, chain, 1 when it was stored before}; {0, archived, found, author, deleted} when the
-- rules are against it (chat/rules.py words the refusal); {0} when there is no room.

local room, log, messages, changes = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local keep_ms = ARGV[1]
local FIELDS = 9

local facts = redis.call('HMGET', room, 'archived', 'top', 'chain')
local archived, top, chain = facts[1], tonumber(facts[2]), facts[3]
local answers = {}

-- The author of the message at an offset; nil when there is none.
local function author_at(offset)
    local found = redis.call('XRANGE', log, offset .. '-0', offset .. '-0')
    return found[1] and found[1][2][6]
end

local function note(named, kind, author, emoji, on)
    local change = parse_change(redis.call('HGET', changes, named))
        or { edit = '0', deleted = '0', replies = 0 }
    local reactions = room .. ':reactions:' .. named
    if kind == 'message' then
        change.replies = change.replies + 1
    elseif kind == 'edit' then
        change.edit = string.format('%.0f', top)
    elseif kind == 'deletion' then
        change.deleted = '1'
        redis.call('DEL', reactions)
    elseif on == '1' then
        redis.call('SADD', reactions, emoji .. ' ' .. author)
    else
        redis.call('SREM', reactions, emoji .. ' ' .. author)
    end
    local row = string.format('%s %s %d %.0f', change.edit, change.deleted, change.replies, top)
    redis.call('HSET', changes, named, row)
end

-- The answer that refuses a draft, or nil.
local function refusal(kind, author, named, moderator)
    if archived == '1' then
        return { 0, 1, 0, '', 0 }
    end
    if named == '' then
        return kind ~= 'message' and { 0, 0, 0, '', 0 } or nil
    end
    local owner = author_at(named)
    if not owner then
        return { 0, 0, 0, '', 0 }
    end
    local change = parse_change(redis.call('HGET', changes, named))
    local deleted = change and change.deleted == '1'
    local own = owner == author
    if deleted or (kind == 'edit' and not own) or (kind == 'deletion' and not own and moderator ~= '1') then
        return { 0, 0, 1, owner, deleted and 1 or 0 }
    end
    return nil
end

local function append(kind, author, nonce, attempt, named, emoji, on, moderator, body)
    local place = room .. ':nonce:' .. author .. ':' .. nonce
    local known = redis.call('GET', place)
    if known then
        -- Written again: since Redis 7.2 WAIT proves nothing on a connection that wrote nothing.
        redis.call('SET', place, known, 'PX', keep_ms)
        local offset, link, first = known:match('^(%d+) (%x+) (.*)$')
        return { 1, offset, link, first == attempt and 0 or 1 }
    end
    local refused = refusal(kind, author, named, moderator)
    if refused then
        return refused
    end
    top = top + 1
    chain = redis.sha1hex(chain .. body):sub(1, 16)
    local offset = string.format('%.0f', top)
    if kind == 'message' then
        redis.call('XADD', log, offset .. '-0', 'c', chain, 'b', body, 'a', author)
        add_to(messages, top)
        add_to(room .. ':own:' .. author, top)
    else
        redis.call('XADD', log, offset .. '-0', 'c', chain, 'b', body)
    end
    redis.call('HSET', room, 'top', offset, 'chain', chain)
    redis.call('SET', place, offset .. ' ' .. chain .. ' ' .. attempt, 'PX', keep_ms)
    if named ~= '' then
        note(named, kind, author, emoji, on)
    end
    return { 1, offset, chain, 0 }
end

for first = 2, #ARGV, FIELDS do
    if top then
        answers[#answers + 1] = append(unpack(ARGV, first, first + FIELDS - 1))
    else
        answers[#answers + 1] = { 0 }
    end
end
return answers
