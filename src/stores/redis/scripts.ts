import { createHash } from 'node:crypto'
import { recordVersion } from '../record.js'
import { maxCandidates, quickPolls } from '../store.js'

/*
 * Every change of state is one of these scripts. What holds for all of them:
 *
 * - Keys: only declared ones, all under the hash tag of one partition. KEYS[1] is the entry that the script is about
 *   (of an approval or of a reference), KEYS[2] the due index, KEYS[3] the parked index.
 * - Time is the server's, in milliseconds.
 * - An entry is one MessagePack array in one string, its values in the order of `fields`: two thirds of the memory of a
 *   hash, read and written in one step. Details, context, sealed decision and result are text that no script looks
 *   into. A field may be added at the end; any other change of `fields` is another version.
 * - Members of the due index: `a:<id>` an approval, `r:<ref>` a reservation, `b:<ref>` one that is being bound.
 *   Members of the parked index are ids.
 * - ARGV marked `?` are empty for "none" and start with `=` otherwise.
 * - A reply is an array that starts with a word. `unreadable` may come from every script on an entry: what is stored
 *   is damaged or of a newer version, and was left alone.
 * - `draft` stands for: action, assistant?, expiresAt?, details, context. `record` for: ref or nil, and a draft.
 */

/** A script, and the digest by which EVALSHA knows it. */
export interface Script {
  readonly source: string
  readonly sha: string
}

const time = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Out of memory, the server refuses a script at its first write if that one could grow, and lets it finish past any
-- other. What was accepted must be able to end, so all but new intake begin with a removal, if need be of nothing.
local function pass_when_full(index)
  redis.call('ZREM', index, '')
end
`

const entry = `
-- nil where nothing is stored, false where it cannot be read: a script that breaks off half-way would look like an outage
local function load()
  local text = redis.call('GET', KEYS[1])
  if not text then return nil end
  local unpacked, values = pcall(cmsgpack.unpack, text)
  if not unpacked or type(values) ~= 'table' or values[1] ~= ${recordVersion} then return false end
  local entry = {}
  for at = 1, #fields do
    local value = values[at]
    if value then
      local name = fields[at]
      local kind = kinds[name] or 'string'
      if kind ~= 'any' and type(value) ~= kind then return false end
      entry[name] = value
    end
  end
  local needed = entry.state and needs[entry.state]
  if not needed then return false end
  for _, name in ipairs(needed) do
    if entry[name] == nil then return false end
  end
  return entry
end

local function pack(entry)
  local last = #fields
  while entry[fields[last]] == nil do last = last - 1 end
  local values = {}
  for at = 1, last do values[at] = entry[fields[at]] or false end
  return cmsgpack.pack(values)
end

local function save(entry)
  redis.call('SET', KEYS[1], pack(entry))
end

local function due(member, at)
  redis.call('ZADD', KEYS[2], at, member)
end

local function due_by(member, at)
  redis.call('ZADD', KEYS[2], 'LT', at, member)
end

local function optional(argument)
  if argument ~= '' then return string.sub(argument, 2) end
end

local function append_record(reply, entry)
  for _, value in ipairs({
    entry.ref or false, entry.action, entry.assistant or false, entry.expires or false, entry.details, entry.context,
  }) do reply[#reply + 1] = value end
  return reply
end
`

const approval = `
-- made: when it was added or reserved. token: whose claim was the last, kept to know a call sent again. lease: its end,
-- nil when given back. after: no claim before. owed: quick looks. started: the token whose start was counted last.
local fields = {
  'v', 'state', 'made', 'action', 'expires', 'details', 'context', 'assistant', 'ref', 'fence', 'after', 'token', 'lease',
  'owed', 'starts', 'started', 'sealed', 'reason', 'note', 'outcome', 'result',
}
-- Those that are not text, and those that an entry in each state has.
local kinds = {
  v = 'number', made = 'number', fence = 'number', after = 'number', lease = 'number', owed = 'number', starts = 'number',
}
local needs = {
  open = { 'made', 'action', 'details', 'context' },
  parked = { 'made', 'action', 'details', 'context', 'reason', 'note' },
  done = { 'action', 'outcome' },
}
local id = ARGV[1]
local member = 'a:' .. id
${entry}
local function held_by(entry, token)
  return entry and entry.state == 'open' and entry.lease and entry.token == token
end

local function tombstone(entry)
  return {
    'done', entry.ref or false, entry.action, entry.assistant or false,
    entry.outcome, entry.sealed or false, entry.result or false,
  }
end

local function bury(entry, outcome, sealed, result, retention)
  redis.call('ZREM', KEYS[2], member)
  redis.call('ZREM', KEYS[3], id)
  redis.call('SET', KEYS[1], pack({
    v = entry.v, state = 'done', ref = entry.ref, action = entry.action, assistant = entry.assistant,
    outcome = outcome, sealed = sealed, result = result, token = entry.token,
  }), 'PX', retention)
end
`

const reservation = `
-- ids: candidates. Of a half-bound one: at, when the record is to be due; was, when the reservation was; reason, why the
-- record is to be parked.
local fields = {
  'v', 'state', 'id', 'made', 'action', 'expires', 'details', 'context', 'assistant', 'ids', 'at', 'was', 'sealed',
  'reason',
}
local kinds = { v = 'number', made = 'number', ids = 'table', at = 'number', was = 'any' }
local needs = {
  open = { 'made', 'action', 'details', 'context', 'ids' },
  half = { 'made', 'action', 'details', 'context', 'id', 'at' },
  bound = { 'id' },
}
local ref = ARGV[1]
${entry}
local function binding(entry)
  if entry.state == 'bound' then return {'bound', entry.id} end
  return append_record({
    'half', entry.id, entry.made, math.max(entry.at - now, 0), entry.sealed or false, entry.reason or false,
  }, entry)
end
`

/**
 * Writes a record, unless its id is taken.
 * KEYS entry, due, parked. ARGV id, ref?, made (empty: now), dueIn, sealed?, reason? (parked from the start), draft.
 * → `added` · `exists`, ref or nil, time to live (0: open).
 */
export const put: Script = script(`${approval}
local bound_from = ARGV[3] ~= ''
if bound_from then pass_when_full(KEYS[2]) end
local entry = load()
if entry == false then return {'unreadable'} end
if entry then return {'exists', entry.ref or false, math.max(redis.call('PTTL', KEYS[1]), 0)} end
local reason = optional(ARGV[6])
save({
  v = ${recordVersion}, state = reason and 'parked' or 'open', made = bound_from and tonumber(ARGV[3]) or now,
  ref = optional(ARGV[2]), sealed = optional(ARGV[5]), reason = reason, note = reason and '',
  action = ARGV[7], assistant = optional(ARGV[8]), expires = optional(ARGV[9]), details = ARGV[10], context = ARGV[11],
})
if reason then redis.call('ZADD', KEYS[3], now, id) else due(member, now + ARGV[4]) end
return {'added'}
`)

/**
 * Takes the lease.
 * KEYS entry, due. ARGV id, token, lease, ref?, force (1 or 0), knock (1 or 0).
 * → `claimed`, fence, starts, sealed or nil, age, record · `unknown` · `foreign` · `parked`, reason · `held`, for
 * · `too-soon`, in · `done`, ref or nil, action, assistant or nil, outcome, sealed or nil, result or nil.
 */
export const claim: Script = script(`${approval}
pass_when_full(KEYS[2])
local token, ref = ARGV[2], optional(ARGV[4])
local force, knock = ARGV[5] == '1', ARGV[6] == '1'
local entry = load()
if entry == nil then
  redis.call('ZREM', KEYS[2], member)
  return {'unknown'}
end
if not entry then return {'unreadable'} end
if ref and entry.ref ~= ref then return {'foreign'} end
if entry.state == 'done' then return tombstone(entry) end
if entry.state == 'parked' then return {'parked', entry.reason} end
if knock then entry.owed = ${quickPolls} end
local held = entry.lease and entry.lease > now
if held and entry.token ~= token then
  if knock then save(entry) end
  return {'held', entry.lease - now}
end
if not held and not force and (entry.after or 0) > now then
  if knock then save(entry) end
  due_by(member, entry.after)
  return {'too-soon', entry.after - now}
end
if not held then
  entry.token, entry.lease = token, now + ARGV[3]
  entry.fence = (entry.fence or 0) + 1
  due(member, entry.lease)
end
save(entry)
return append_record(
  {'claimed', entry.fence, entry.starts or 0, entry.sealed or false, math.max(now - entry.made, 0)}, entry)
`)

/**
 * Notes a callback that was not looked into.
 * KEYS entry, due. ARGV id, ref?, within. → `knocked` · `done` · `parked` · `foreign` · `unknown`.
 */
export const knock: Script = script(`${approval}
pass_when_full(KEYS[2])
local ref = optional(ARGV[2])
local entry = load()
if entry == nil then return {'unknown'} end
if not entry then return {'unreadable'} end
if ref and entry.ref ~= ref then return {'foreign'} end
if entry.state ~= 'open' then return {entry.state} end
entry.owed = ${quickPolls}
save(entry)
due_by(member, now + ARGV[3])
return {'knocked'}
`)

/** Moves the end of the lease. KEYS entry, due. ARGV id, token, lease. → `extended` · `lost`. */
export const extend: Script = script(`${approval}
pass_when_full(KEYS[2])
local entry = load()
if not held_by(entry, ARGV[2]) then return {'lost'} end
entry.lease = now + ARGV[3]
save(entry)
due(member, entry.lease)
return {'extended'}
`)

/**
 * Writes the decision, unless one is written, and counts a start, once a token.
 * KEYS entry, due. ARGV id, token, sealed. → `sealed`, the decision that stands, starts · `lost`.
 */
export const seal: Script = script(`${approval}
pass_when_full(KEYS[2])
local entry = load()
if not held_by(entry, ARGV[2]) then return {'lost'} end
entry.sealed = entry.sealed or ARGV[3]
if entry.started ~= entry.token then
  entry.started, entry.starts = entry.token, (entry.starts or 0) + 1
end
save(entry)
return {'sealed', entry.sealed, entry.starts}
`)

/**
 * Gives the lease back.
 * KEYS entry, due. ARGV id, token, dueIn, notBefore, knocked (1 or 0), giveAttemptBack (1 or 0). → `released` · `lost`.
 */
export const release: Script = script(`${approval}
pass_when_full(KEYS[2])
local token = ARGV[2]
local entry = load()
if not held_by(entry, token) then
  return {entry and entry.state == 'open' and entry.token == token and 'released' or 'lost'}
end
local due_in = tonumber(ARGV[3])
local owed = ARGV[5] == '1' and ${quickPolls} or entry.owed or 0
if owed > 0 then
  owed, due_in = owed - 1, tonumber(ARGV[4])
end
if ARGV[6] == '1' and entry.started == token then
  entry.started, entry.starts = nil, entry.starts - 1
end
entry.owed, entry.after, entry.lease = owed, now + ARGV[4], nil
save(entry)
due(member, now + due_in)
return {'released'}
`)

/**
 * Ends the record; its tombstone expires.
 * KEYS entry, due, parked. ARGV id, token, outcome, result?, retention, keep (1 or 0: sealed and result).
 * → `done`, ref or nil · `lost`.
 */
export const complete: Script = script(`${approval}
local token = ARGV[2]
local entry = load()
if held_by(entry, token) then
  local keep = ARGV[6] == '1'
  bury(entry, ARGV[3], keep and entry.sealed or nil, keep and optional(ARGV[4]) or nil, ARGV[5])
elseif not entry or entry.state ~= 'done' or entry.token ~= token then
  return {'lost'}
end
return {'done', entry.ref or false}
`)

/**
 * Takes the record out of the due index.
 * KEYS entry, due, parked. ARGV id, token, reason, note. → `parked` · `lost`.
 */
export const park: Script = script(`${approval}
local token = ARGV[2]
local entry = load()
if not held_by(entry, token) then
  return {entry and entry.state == 'parked' and entry.token == token and 'parked' or 'lost'}
end
entry.state, entry.reason, entry.note, entry.lease = 'parked', ARGV[3], ARGV[4], nil
redis.call('ZREM', KEYS[2], member)
save(entry)
redis.call('ZADD', KEYS[3], now, id)
return {'parked'}
`)

/** A parked record is pending again. KEYS entry, due, parked. ARGV id. → `pending` · `not-parked` · `unknown`. */
export const retry: Script = script(`${approval}
local entry = load()
if entry == nil then return {'unknown'} end
if not entry then return {'unreadable'} end
if entry.state ~= 'parked' then return {'not-parked'} end
entry.state, entry.reason, entry.note = 'open', nil, nil
entry.token, entry.starts, entry.started, entry.after = nil, nil, nil, nil
redis.call('ZREM', KEYS[3], id)
save(entry)
due(member, now)
return {'pending'}
`)

/**
 * Ends a record without a run.
 * KEYS entry, due, parked. ARGV id, retention. → `cancelled`, ref or nil · `held` · `done` · `unknown`.
 */
export const cancel: Script = script(`${approval}
local entry = load()
if entry == nil then return {'unknown'} end
if not entry then return {'unreadable'} end
if entry.state == 'done' then return {'done'} end
if entry.lease and entry.lease > now then return {'held'} end
entry.token = nil
bury(entry, 'cancelled', nil, nil, ARGV[2])
return {'cancelled', entry.ref or false}
`)

/**
 * Reads a record.
 * KEYS entry, due. ARGV id. → `none` · `done`, as from claim · `pending` or `claimed`, fence, starts, sealed or nil,
 * age, due in, record · `parked`, fence, starts, sealed or nil, age, reason, note, record.
 */
export const read: Script = script(`${approval}
local entry = load()
if entry == nil then return {'none'} end
if not entry then return {'unreadable'} end
if entry.state == 'done' then return tombstone(entry) end
local reply = {
  entry.state, entry.fence or 0, entry.starts or 0, entry.sealed or false, math.max(now - entry.made, 0),
}
if entry.state == 'parked' then
  reply[6], reply[7] = entry.reason, entry.note
else
  reply[1] = entry.lease and entry.lease > now and 'claimed' or 'pending'
  reply[6] = (redis.call('ZSCORE', KEYS[2], member) or now) - now
end
return append_record(reply, entry)
`)

/**
 * Keeps a request before it is sent.
 * KEYS reference, due. ARGV ref, dueIn, draft. → `reserved` · `open` · `bound`, id · `half` (see `bind`).
 */
export const reserve: Script = script(`${reservation}
local entry = load()
if entry == false then return {'unreadable'} end
if entry then return entry.state == 'open' and {'open'} or binding(entry) end
save({
  v = ${recordVersion}, state = 'open', made = now, ids = {},
  action = ARGV[3], assistant = optional(ARGV[4]), expires = optional(ARGV[5]), details = ARGV[6], context = ARGV[7],
})
due('r:' .. ref, now + ARGV[2])
return {'reserved'}
`)

/**
 * First write of a binding: the reference belongs to this id from now on. The record is written at the id's partition
 * (`put`), then the reservation is dropped (`settle`). Until then it stands in the due index as \`b:<ref>\`, due soon.
 * An id that a callback named before makes the record due at once.
 * KEYS reference, due. ARGV ref, id, dueIn, sealed?, reason? (to be parked).
 * → `half`, id, made, due in, sealed or nil, reason or nil, record · `bound`, id · `unknown`.
 */
export const bind: Script = script(`${reservation}
local entry = load()
if entry == nil then return {'unknown'} end
if not entry then return {'unreadable'} end
if entry.state == 'open' then
  entry.state, entry.id, entry.at = 'half', ARGV[2], now + ARGV[3]
  entry.sealed, entry.reason = optional(ARGV[4]), optional(ARGV[5])
  for _, candidate in ipairs(entry.ids) do
    if candidate == entry.id then entry.at = now end
  end
  entry.was = redis.call('ZSCORE', KEYS[2], 'r:' .. ref) or now
  redis.call('ZREM', KEYS[2], 'r:' .. ref)
  save(entry)
  due('b:' .. ref, now + 1000)
end
return binding(entry)
`)

/**
 * Last write of a binding: the reference points to its id, or is open again where the id belongs to another record.
 * KEYS reference, due. ARGV ref, id, verdict (bound or conflict), time to live (0: none). → `settled`.
 */
export const settle: Script = script(`${reservation}
local entry = load()
if entry == false then return {'unreadable'} end
redis.call('ZREM', KEYS[2], 'b:' .. ref)
if not entry or entry.state ~= 'half' or entry.id ~= ARGV[2] then return {'settled'} end
if ARGV[3] == 'conflict' then
  due('r:' .. ref, entry.was)
  entry.state, entry.id, entry.at, entry.was, entry.sealed, entry.reason = 'open', nil, nil, nil, nil, nil
  save(entry)
else
  save({ v = entry.v, state = 'bound', id = entry.id })
  if ARGV[4] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
end
return {'settled'}
`)

/**
 * Remembers an id that a callback claimed.
 * KEYS reference, due. ARGV ref, id. → `held` · `full` · `unknown` · `bound`, id · `half` (see `bind`).
 */
export const hold: Script = script(`${reservation}
local entry = load()
if entry == nil then return {'unknown'} end
if not entry then return {'unreadable'} end
if entry.state ~= 'open' then return binding(entry) end
for _, known in ipairs(entry.ids) do
  if known == ARGV[2] then return {'held'} end
end
if #entry.ids >= ${maxCandidates} then return {'full'} end
entry.ids[#entry.ids + 1] = ARGV[2]
save(entry)
return {'held'}
`)

/**
 * Forgets a reservation.
 * KEYS reference, due. ARGV ref. → `discarded` · `unknown` · `bound`, id · `half` (see `bind`).
 */
export const discard: Script = script(`${reservation}
local entry = load()
if entry == nil then return {'unknown'} end
if not entry then return {'unreadable'} end
if entry.state ~= 'open' then return binding(entry) end
redis.call('ZREM', KEYS[2], 'r:' .. ref)
redis.call('DEL', KEYS[1])
return {'discarded'}
`)

/**
 * Makes a reservation due.
 * KEYS reference, due. ARGV ref, dueIn. → `postponed` · `unknown` · `bound`, id · `half` (see `bind`).
 */
export const postpone: Script = script(`${reservation}
pass_when_full(KEYS[2])
local entry = load()
if entry == nil then return {'unknown'} end
if not entry then return {'unreadable'} end
if entry.state ~= 'open' then return binding(entry) end
due('r:' .. ref, now + ARGV[2])
return {'postponed'}
`)

/**
 * Reads a reservation, and takes what no longer is one out of the due index.
 * KEYS reference, due. ARGV ref. → `open`, age, record, candidates… · `none` · `bound`, id · `half` (see `bind`).
 */
export const peek: Script = script(`${reservation}
local entry = load()
if entry == false then return {'unreadable'} end
if entry and entry.state == 'open' then
  local reply = append_record({'open', math.max(now - entry.made, 0)}, entry)
  for _, candidate in ipairs(entry.ids) do reply[#reply + 1] = candidate end
  return reply
end
redis.call('ZREM', KEYS[2], 'r:' .. ref)
if entry == nil then
  redis.call('ZREM', KEYS[2], 'b:' .. ref)
  return {'none'}
end
return binding(entry)
`)

/** Shows due members, oldest first. KEYS due. ARGV limit. → `due`, member, score, member, score…. */
export const look: Script = script(`
local reply = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
table.insert(reply, 1, 'due')
return reply
`)

/**
 * Takes due members, oldest first, and pushes each a lease ahead.
 * KEYS due. ARGV limit, lease. → `due`, member, score, member, score…: when each was due.
 */
export const take: Script = script(`
pass_when_full(KEYS[1])
local reply = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1], 'WITHSCORES')
for at = 1, #reply, 2 do redis.call('ZADD', KEYS[1], now + ARGV[2], reply[at]) end
table.insert(reply, 1, 'due')
return reply
`)

/**
 * Reads members of an index, from behind the given one; where that one has moved, from its old score on.
 * KEYS index. ARGV count, score (empty: from the start), member. → `page`, member, score, member, score….
 */
export const page: Script = script(`
local from = 0
if ARGV[2] ~= '' then
  if redis.call('ZSCORE', KEYS[1], ARGV[3]) == ARGV[2] then
    from = redis.call('ZRANK', KEYS[1], ARGV[3]) + 1
  else
    from = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[2])
  end
end
local reply = redis.call('ZRANGE', KEYS[1], from, from + ARGV[1] - 1, 'WITHSCORES')
table.insert(reply, 1, 'page')
return reply
`)

/** Counts. KEYS due, parked. → `counts`, due, parked, time until the first is due (nil: none; negative: overdue). */
export const count: Script = script(`
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return {
  'counts', redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]), first[2] and first[2] - now or false,
}
`)

/**
 * Shows how replies arrive, and what the node of this key says of itself; asked in a script because only keys lead to
 * a certain node. KEYS any. → `probe`, 7, nil, an empty array, INFO (nil: refused).
 */
export const probe: Script = script(`
local info = redis.pcall('INFO')
return {'probe', 7, false, {}, type(info) == 'string' and info or false}
`)

function script(body: string): Script {
  const source = `${time}${body}`
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
