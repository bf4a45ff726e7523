import { createHash } from 'node:crypto'

/*
 * The store uses Redis only through these scripts. Their keys are declared and share the hash tag of one partition:
 * `entry` is a text (see `writeEntry`), `due` and `parked` are sorted sets of keys, scored by time. Time is the
 * server's, in ms. Indexes are written before the entry and cleared after it: a script that fails halfway may leave an
 * extra key in an index, never an open entry outside of it. GETEX counts as a write, so a replica refuses it; a full
 * server refuses a script whose first write needs memory, and GETEX needs none.
 */

/** A script and its digest for EVALSHA. */
export type Script = { readonly source: string; readonly sha: string }

const time = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
`

/**
 * Reads an entry. KEYS entry, due, parked. ARGV key. → seconds, microseconds, and: `none` · `entry`, text (empty:
 * another type), due (a future one from the text, since `take` moves only due keys) or nil, parked or nil (only if not
 * due). If the indexes contradict the text, the caller runs `inspect`.
 */
export const read: Script = script(`
local clock = redis.call('TIME')
local text = redis.pcall('GETEX', KEYS[1])
if not text then
  for index = 2, 3 do redis.call('ZREM', KEYS[index], ARGV[1]) end
  return {clock[1], clock[2], 'none'}
end
if type(text) == 'table' then text = '' end
local at = string.match(text, '^[^\\n]+\\n (%d+)\\n')
if at and at - clock[1] * 1000 > 1000 then return {clock[1], clock[2], 'entry', text, at} end
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
return {clock[1], clock[2], 'entry', text, due, not due and redis.call('ZSCORE', KEYS[3], ARGV[1])}
`)

/**
 * Reads an entry that `read` cannot interpret, and repairs the indexes; removes it if its digest is the given one.
 * KEYS as in `read`. ARGV key, digest (empty: remove nothing).
 * → seconds, microseconds, and: `none` · `removed` · `unreadable`, digest · `entry`, text, due or nil, digest.
 */
export const inspect: Script = script(`
local clock, key = redis.call('TIME'), ARGV[1]
local text = redis.pcall('GETEX', KEYS[1])
local other = type(text) == 'table'
if other and not string.find(text.err, 'WRONGTYPE', 1, true) then return text end
if other then text = redis.call('DUMP', KEYS[1]) end
local digest = redis.sha1hex(text or '')
local removed = text and digest == ARGV[2]
if removed then redis.call('DEL', KEYS[1]) end
if removed or not text then
  for index = 2, 3 do redis.call('ZREM', KEYS[index], key) end
  return {clock[1], clock[2], removed and 'removed' or 'none'}
end
local parked, due
if not other then parked, due = string.match(text, '^1 [ -~]+\\n(%-?%d*) (%-?%d*)\\n') end
if not due then return {clock[1], clock[2], 'unreadable', digest} end
if due == '' then redis.call('ZREM', KEYS[2], key) else redis.call('ZADD', KEYS[2], 'NX', due, key) end
if parked == '' then redis.call('ZREM', KEYS[3], key) else redis.call('ZADD', KEYS[3], 'NX', parked, key) end
return {clock[1], clock[2], 'entry', text, redis.call('ZSCORE', KEYS[2], key), digest}
`)

/**
 * Writes an entry over one that begins with `expected` (empty: over nothing). KEYS entry, due, parked. ARGV key,
 * expected, dueAt, parkedAt, keepMs (each empty for none), text, `GETEX` on a full server. → 1, also if repeated, or 0.
 */
export const write: Script = script(`
local key, expected, due, parked, keep, text, first = unpack(ARGV)
if first ~= '' then redis.pcall(first, KEYS[1]) end
local old = redis.pcall('GETRANGE', KEYS[1], 0, #expected)
if type(old) == 'table' then return string.find(old.err, 'WRONGTYPE', 1, true) and 0 or old end
if string.sub(old, 1, #expected) ~= expected or expected == '' and redis.call('EXISTS', KEYS[1]) == 1 then
  local line = string.find(text, '\\n', 1, true)
  return redis.call('GETRANGE', KEYS[1], 0, line - 1) == string.sub(text, 1, line) and 1 or 0
end
if due ~= '' then redis.call('ZADD', KEYS[2], due, key) end
if parked ~= '' then redis.call('ZADD', KEYS[3], parked, key) end
if keep == '' then redis.call('SET', KEYS[1], text) else redis.call('SET', KEYS[1], text, 'PX', keep) end
if due == '' then redis.call('ZREM', KEYS[2], key) end
-- The second line of an entry that is not parked begins with a space.
if parked == '' and expected ~= '' and string.byte(old, #expected + 1) ~= 32 then redis.call('ZREM', KEYS[3], key) end
return 1
`)

/** Time to live of the number of partitions: 30 days, in milliseconds. Renewed after a day. */
const numberKeptMs = 2_592_000_000

/**
 * Takes due keys, oldest first, and hides each for `hideMs`. Renews the time to live of the number of partitions.
 * KEYS due, and on the first partition the number. ARGV limit, hideMs (empty: only read).
 * → time until the next is due or nil, key, dueAt, key, dueAt….
 */
export const take: Script = script(`${time}
redis.call('ZREM', KEYS[1], '')
local reply = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
for at = 1, ARGV[2] == '' and 0 or #reply, 2 do redis.call('ZADD', KEYS[1], now + ARGV[2], reply[at]) end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
table.insert(reply, 1, first and math.max(first - now, 0) or false)
local left = KEYS[2] and redis.call('PTTL', KEYS[2]) or -2
if left ~= -2 and left < ${numberKeptMs - 86_400_000} then redis.call('PEXPIRE', KEYS[2], ${numberKeptMs}) end
return reply
`)

/** Reads keys of an index: all of one time, then `count` later ones. KEYS index. ARGV count, time (or -inf). → key, time…. */
export const page: Script = script(`
local reply = redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[2], 'BYSCORE', 'WITHSCORES')
local later = redis.call('ZRANGE', KEYS[1], '(' .. ARGV[2], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
for at = 1, #later do reply[#reply + 1] = later[at] end
return reply
`)

/** Counts. KEYS due, parked. → due, parked, how long the oldest is overdue. */
export const count: Script = script(`${time}
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
return {redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]), math.max(now - (first or now), 0)}
`)

/** Agrees on the number of partitions. KEYS number, due. ARGV number, the one to replace. → the number in force. */
export const agree: Script = script(`
redis.call('ZREM', KEYS[2], '')
local kept = redis.call('GET', KEYS[1])
if kept and kept ~= ARGV[1] and kept ~= ARGV[2] then return kept end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ${numberKeptMs})
return ARGV[1]
`)

/** Shows whether keys and replies pass unchanged. KEYS any. → key, 7, nil, an empty array, its node's INFO or nil. */
export const probe: Script = script(`
local info = redis.pcall('INFO')
return {KEYS[1], 7, false, {}, type(info) == 'string' and info}
`)

function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
