"""The Lua scripts on a session's record: each is one step that no other client can divide.

A record is a hash: `v` version, `e` epoch, `x` deadline and `a` last use (Unix ms and s), `u` user id,
`d` the sealed session, `c` who has claimed it and `cx` until when (Unix ms). Its mark is a second key in
the same slot that remembers how a session left: `out` (logged out) or `moved <epoch> <who>` (into the
memory of a replica).

Versions come again when the store goes back (to a backup, or to a replica that was behind), and so a write
is known by the digest of what it sealed. No two are alike, for each seal has a random part.

While a claim lasts nobody reads, writes or ends the session, for the claimer is about to take what it
read. A claim that was not confirmed in time holds nobody up, and the first write takes it away.

All scripts get KEYS[1] the record and KEYS[2] its mark. Time is the store's own, so that the clocks of
replicas need not agree. A record outlives its deadline by a while, so that an expired session can be
told from a lost one; `state` says which it is. When the store's memory is used up, a read and a logout
still work: what they would like to write besides is only tried (pcall).
"""

from __future__ import annotations

from typing import Final

from services.store import Script

_COMMON: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function state(deadline)
  if deadline then
    if now < tonumber(deadline) then return 'live' else return 'expired' end
  end
  return redis.call('GET', KEYS[2]) or 'none'
end
local function claimed(who, deadline)
  return who and (not deadline or now < tonumber(deadline))
end
local function free(r)
  local s = state(r[1])
  if s == 'live' and claimed(r[2], r[3]) then return 'claimed' end
  return s
end
local function write_of(sealed)
  return redis.sha1hex(sealed)
end
local function renew(call, ttl, keep)
  call('HSET', KEYS[1], 'x', now + ttl)
  redis.call('PEXPIRE', KEYS[1], ttl + keep)
end
"""


def _script(name: str, body: str, *, writes: bool = True) -> Script:
    return Script(name, _COMMON + body, writes)


INSERT: Final = _script(
    "session_insert",
    """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'e', ARGV[4], 'u', ARGV[5], 'a', ARGV[6], 'd', ARGV[7])
renew(redis.call, tonumber(ARGV[1]), tonumber(ARGV[2]))
return 1
""",
)
"""ttl_ms, keep_ms, version, epoch, user, last use, sealed. 1, or 0 when the key is taken."""

TOUCH: Final = _script(
    "session_touch",
    """
local r = redis.call('HMGET', KEYS[1], 'x', 'c', 'cx', 'v', 'e', 'a', 'd')
local s = free(r)
if s ~= 'live' then return {s} end
redis.pcall('HSET', KEYS[1], 'a', ARGV[3])
renew(redis.pcall, tonumber(ARGV[1]), tonumber(ARGV[2]))
if ARGV[4] ~= '' and write_of(r[7]) == ARGV[4] then return {s, r[4], r[5], r[6]} end
return {s, r[4], r[5], r[6], r[7]}
""",
    writes=False,
)
"""ttl_ms, keep_ms, last use, known write or nothing. State, version, epoch, last use before this one, and
the sealed session unless the known write is still the last."""

SWAP: Final = _script(
    "session_swap",
    """
local r = redis.call('HMGET', KEYS[1], 'x', 'c', 'cx', 'v', 'e', 'a', 'd')
local s = free(r)
if s ~= 'live' then return {s} end
if write_of(r[7]) ~= ARGV[3] then return {'conflict', r[4], r[5], r[6], r[7]} end
redis.call('HSET', KEYS[1], 'v', ARGV[4], 'a', ARGV[5], 'd', ARGV[6])
redis.call('HDEL', KEYS[1], 'c', 'cx')
renew(redis.call, tonumber(ARGV[1]), tonumber(ARGV[2]))
return {'done'}
""",
)
"""ttl_ms, keep_ms, expected write, version, last use, sealed. `done`, or what was there instead."""

FINISH: Final = _script(
    "session_finish",
    """
local s = free(redis.call('HMGET', KEYS[1], 'x', 'c', 'cx'))
if s ~= 'live' then return s end
redis.call('DEL', KEYS[1])
redis.pcall('SET', KEYS[2], 'out', 'PX', ARGV[1])
return s
""",
)
"""How long the mark stays, in ms. The state that it had: `live` when this ended it."""

STATE: Final = _script(
    "session_state", "return free(redis.call('HMGET', KEYS[1], 'x', 'c', 'cx'))", writes=False
)
"""The state alone; renews nothing."""

CLAIM: Final = _script(
    "session_claim",
    """
local r = redis.call('HMGET', KEYS[1], 'x', 'c', 'cx', 'v', 'e', 'a', 'd')
local s = free(r)
if s ~= 'live' and not (s == 'claimed' and r[2] == ARGV[1]) then return {s} end
if tonumber(r[5]) < tonumber(ARGV[3]) then return {'none'} end
redis.call('HSET', KEYS[1], 'c', ARGV[1], 'cx', now + ARGV[2])
return {'live', r[4], r[5], r[6], r[7]}
""",
)
"""Who claims, for how long (ms), the lowest epoch that is worth it. As `TOUCH` answers, but renews nothing;
the same one may ask again, when an answer got lost."""

CONFIRM: Final = _script(
    "session_confirm",
    """
local mark = 'moved ' .. ARGV[2] .. ' ' .. ARGV[1]
if redis.call('GET', KEYS[2]) == mark then return 1 end
if redis.call('HGET', KEYS[1], 'c') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], mark, 'PX', ARGV[3])
redis.call('DEL', KEYS[1])
return 1
""",
)
"""Who has claimed it, its epoch there, how long the mark stays in ms. 1: from now on the claimer holds it
and nobody else; 0: it came too late. May be repeated when an answer got lost."""

PUT: Final = _script(
    "session_put",
    """
local epoch, version, rule = tonumber(ARGV[4]), tonumber(ARGV[3]), ARGV[8]
local mark = redis.call('GET', KEYS[2])
if mark and rule ~= 'any' then
  local moved = string.match(mark, '^moved (%d+)')
  if not moved or epoch < tonumber(moved) then return 0 end
end
local r = redis.call('HMGET', KEYS[1], 'e', 'v', 'c', 'cx')
if r[1] and rule ~= 'any' then
  local e, v = tonumber(r[1]), tonumber(r[2])
  if epoch < e or (epoch == e and (version < v or claimed(r[3], r[4]))) then return 0 end
  if rule == 'newer' and epoch == e and version == v then return 0 end
end
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'e', ARGV[4], 'u', ARGV[5], 'a', ARGV[6], 'd', ARGV[7])
redis.call('HDEL', KEYS[1], 'c', 'cx')
renew(redis.call, tonumber(ARGV[1]), tonumber(ARGV[2]))
redis.call('DEL', KEYS[2])
return 1
""",
)
"""As `INSERT`, and a rule. With `same` a session never goes back: not behind a newer version or epoch, not
behind a claim or a move, and not behind a logout; putting the same again changes nothing, so it may be
repeated when an answer got lost. `newer` leaves the same alone too, `any` overwrites whatever is there."""

READ: Final = _script(
    "session_read",
    """
local r = redis.call('HMGET', KEYS[1], 'x', 'c', 'cx', 'v', 'e', 'u', 'a', 'd')
if free(r) ~= 'live' then return false end
return {r[4], r[5], r[6], r[7], r[8], tostring(tonumber(r[1]) - now)}
""",
    writes=False,
)
"""Version, epoch, user, last use, sealed, ms left; nothing for one that is over or claimed."""
