"""The cache's Lua: each script is one atomic step in Redis (6.2 and later).

A namespace's keys share one hash slot, `{name}:`, followed by

* `e:<key>`      the entry: `v` value, `s` stamp, `f` fresh until, `x` expires at (ms), `t` tags, `n` version
* `l:<key>`      the lock of who is loading it
* `g:<tag>`      the tag's generation: the stamp of its last invalidation
* `t:<tag>`      the keys that carry the tag, scored by their expiry
* `clock`, `evicted`   the last stamp given out; the stamp of the last eviction by pattern

Stamps come from one logical clock, max(time in µs, last + 1), so they order a look before or after an
invalidation exactly. An entry counts only while every generation it depends on is *known* and *older* than
its stamp. That is checked when it is filled and again whenever it is read: a fill that raced an
invalidation is dead on arrival (E083), and a generation that Redis has lost is a miss, not a stale answer.
"""

_TICK = """
local function number(text) return tonumber(text or '0') end
local function text(stamp) return string.format('%.0f', stamp) end
local function time() local t = redis.call('TIME'); return t[1] * 1000000 + t[2] end
local function tick(prefix)
    local stamp = math.max(time(), number(redis.call('GET', prefix .. 'clock')) + 1)
    redis.call('SET', prefix .. 'clock', text(stamp))
    return stamp
end
local function each(tags, visit)
    for tag in string.gmatch(tags, '[^\\n]+') do visit(tag) end
end
"""

#: KEYS: entry, lock. ARGV: prefix, stamp already decoded by the caller, lock token, lock ms (0 = only look),
#: '1' to treat a fresh entry as stale.
#: Returns {state, stamp, value}: same | hit | refresh (stale, the caller is to load) | lead | wait | miss.
LOOK = (
    _TICK
    + """
local prefix, known, token, lock_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local entry = redis.call('HMGET', KEYS[1], 's', 'f', 't')
local live = entry[1] and true
if live then
    each(entry[3], function(tag)
        local generation = redis.call('GET', prefix .. 'g:' .. tag)
        if not generation or tonumber(generation) >= tonumber(entry[1]) then live = false end
    end)
    if not live then redis.call('UNLINK', KEYS[1]) end
end
local fresh = live and ARGV[5] ~= '1' and tonumber(entry[2]) > time() / 1000
local leads = false
if not fresh and lock_ms > 0 then
    leads = redis.call('SET', KEYS[2], token, 'NX', 'PX', lock_ms) and true
end
if live then
    if leads then return {'refresh', text(tick(prefix)), redis.call('HGET', KEYS[1], 'v')} end
    if entry[1] == known then return {'same', entry[1]} end
    return {'hit', entry[1], redis.call('HGET', KEYS[1], 'v')}
end
if leads then return {'lead', text(tick(prefix))} end
return {lock_ms > 0 and 'wait' or 'miss', '0'}
"""
)

#: KEYS: entry, lock. ARGV: prefix, key, lock token, stamp, value, ms fresh, ms kept, version, tags by line.
#: Returns 1 when stored, 0 when an invalidation, an eviction or a newer fill came in between.
FILL = (
    _TICK
    + """
local prefix, key, token, stamp = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local fresh_ms, kept_ms, tags = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[9]
if redis.call('GET', KEYS[2]) == token then redis.call('DEL', KEYS[2]) end
local refused = number(redis.call('GET', prefix .. 'evicted')) >= stamp
    or number(redis.call('HGET', KEYS[1], 's')) > stamp
each(tags, function(tag)
    if number(redis.call('GET', prefix .. 'g:' .. tag)) >= stamp then refused = true end
end)
if refused then return 0 end
local now = math.floor(time() / 1000)
local function keep(name)
    if redis.call('PTTL', name) < kept_ms then redis.call('PEXPIRE', name, kept_ms + 1000) end
end
each(tags, function(tag)
    redis.call('SET', prefix .. 'g:' .. tag, text(stamp - 1), 'NX')
    keep(prefix .. 'g:' .. tag)
    redis.call('ZREMRANGEBYSCORE', prefix .. 't:' .. tag, '-inf', now)
    redis.call('ZADD', prefix .. 't:' .. tag, now + kept_ms, key)
    keep(prefix .. 't:' .. tag)
end)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[5], 's', ARGV[4], 'f', now + fresh_ms, 'x', now + kept_ms,
    'n', ARGV[8], 't', tags)
redis.call('PEXPIRE', KEYS[1], kept_ms)
return 1
"""
)

#: ARGV: prefix. A stamp for a load that nobody else need wait for.
BEGIN = _TICK + "return text(tick(ARGV[1]))"

#: KEYS: lock. ARGV: token.
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

#: ARGV: prefix, tag, ms to remember. From here on no entry of the tag is served; its keys are set aside.
#: Returns {stamp, name of the set that holds the keys, or ''}.
INVALIDATE = (
    _TICK
    + """
local prefix, tag = ARGV[1], ARGV[2]
local stamp = tick(prefix)
redis.call('SET', prefix .. 'g:' .. tag, text(stamp), 'PX', ARGV[3])
local members, aside = prefix .. 't:' .. tag, prefix .. 'aside:' .. text(stamp)
if redis.call('EXISTS', members) == 0 then return {text(stamp), ''} end
redis.call('RENAME', members, aside)
return {text(stamp), aside}
"""
)

#: KEYS: the set aside. ARGV: prefix, tag, stamp, batch. Returns {keys taken, live entries dropped}.
SWEEP = (
    _TICK
    + """
local prefix, tag, stamp, batch = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local members = redis.call('ZPOPMAX', KEYS[1], batch)
local now, dropped = time() / 1000, 0
for i = 1, #members, 2 do
    local name = prefix .. 'e:' .. members[i]
    local entry = redis.call('HMGET', name, 's', 't', 'x')
    local carries = entry[1] and string.find('\\n' .. entry[2] .. '\\n', '\\n' .. tag .. '\\n', 1, true)
    if carries and tonumber(entry[1]) <= stamp then
        redis.call('UNLINK', name)
        if tonumber(entry[3]) > now then dropped = dropped + 1 end
    end
end
return {#members / 2, dropped}
"""
)

#: ARGV: prefix, ms to remember. What is being loaded now will not be stored.
EVICTED = _TICK + "redis.call('SET', ARGV[1] .. 'evicted', text(tick(ARGV[1])), 'PX', ARGV[2]) return 1"
