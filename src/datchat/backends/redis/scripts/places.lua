-- Put in front of the scripts that need it.
--
-- An index is a string of offsets in ascending order, six bytes each, most significant first: the n-th of them is the
-- n-th message of a room, or of an author in a room. So a message costs its index six bytes, and a page, or how many
-- messages follow an offset, costs a binary search.

local WIDTH = 6

local function count_of(index)
    return redis.call('STRLEN', index) / WIDTH
end

local function add_to(index, offset)
    redis.call('APPEND', index, struct.pack('>I6', offset))
end

-- How many offsets of the index are at most `offset`.
local function count_up_to(index, offset)
    local low, high = 0, count_of(index)
    while low < high do
        local middle = math.floor((low + high) / 2)
        local packed = redis.call('GETRANGE', index, middle * WIDTH, middle * WIDTH + WIDTH - 1)
        if struct.unpack('>I6', packed) <= offset then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end

local function id_of(offset)
    return string.format('%.0f-0', offset)
end

-- What became of a message: the offset of its last edit (0: none), whether it is deleted (1), its replies, its
-- revision. nil when nothing ever named it.
local function parse_change(row)
    if not row then
        return nil
    end
    local edit, deleted, replies, revision = row:match('^(%d+) (%d) (%d+) (%d+)$')
    return { edit = edit, deleted = deleted, replies = tonumber(replies), revision = revision }
end
