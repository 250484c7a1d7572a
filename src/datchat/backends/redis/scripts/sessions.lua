-- Sessions that live.
-- KEYS  sessions
-- ARGV  now, prefix of accounts' keys
-- for each session {created_at, expires_at, user's id, user's name, admin}, or false

local found = {}
for place, key in ipairs(KEYS) do
    local session = redis.call('HMGET', key, 'user', 'created_at', 'expires_at')
    found[place] = false
    if session[1] and tonumber(session[3]) > tonumber(ARGV[1]) then
        local account = redis.call('HMGET', ARGV[2] .. session[1], 'name', 'admin', 'disabled')
        if account[1] and account[3] ~= '1' then
            found[place] = { session[2], session[3], session[1], account[1], account[2] }
        end
    end
end
return found
