import { createHash, randomUUID } from 'node:crypto'
import { CheqpointError, isCheqpointError } from '../../model/errors.js'
import { redisEntries, writeEntry } from './entries.js'
import { RedisKeys } from './keys.js'
import { asArray, asInteger, asText, type RedisLink, wrongReply } from './link.js'
import * as scripts from './scripts.js'

/** Options that the server's setup must meet. */
type ServerRules = { readonly minReplicas: number; readonly allowEviction: boolean }

/** `Store.check` for Redis: tries every command on the node of each partition and checks the server's settings. */
export async function checkRedis(link: RedisLink, keys: RedisKeys, rules: ServerRules): Promise<readonly string[]> {
  const checkNode = async (key: string, partition: number): Promise<readonly string[]> => {
    const info = await probe(link, key)
    const warnings = await judgeServer(link, key, info, rules)
    if (rules.minReplicas > 0 && info !== null) await demandRouting(link, key, info)
    if (await tryCommands(link, keys.trial(partition, randomUUID()))) return warnings
    // A full server with a `volatile-*` policy evicts the trial keys at once, because they have a time to live.
    if (info?.includes('maxmemory_policy:noeviction')) throw notKept()
    const dropped = 'Redis evicted the keys of check(), as a full server with a volatile policy does; raise maxmemory'
    return [...warnings, dropped]
  }
  const found = await Promise.all(keys.indexes.map(({ due }, partition) => checkNode(due, partition)))
  await agreeOnPartitions(link, keys)
  return [...new Set(found.flat())]
}

/** Returns the text of INFO, or `null` if it is not permitted. Rejects if the client changes keys or replies. */
async function probe(link: RedisLink, key: string): Promise<string | null> {
  // Not EVALSHA, which would not show that EVAL is refused.
  const [name, seven, nil, empty, info] = asArray(await link.send(['EVAL', scripts.probe.source, '1', key], key))
  if (asText(name) !== key) {
    const fix = 'a client update can change every key; leave keyPrefix out, and use the option prefix of redisStore'
    throw unsuitable(`your client changes keys (keyPrefix); ${fix}`)
  }
  if (asInteger(seven) !== 7) throw wrongReply(0, 'the integer 7')
  if (nil !== null) throw wrongReply(nil, 'null')
  if (asArray(empty).length > 0) throw wrongReply(empty, 'an empty array')
  return info === null ? null : asText(info)
}

/** Sends every command that the store needs, on trial keys that expire. `false`: a trial key was not kept. */
async function tryCommands(link: RedisLink, keys: RedisKeys): Promise<boolean> {
  const [key, { read, write, takeDue, list, count, remove }] = ['a:check', redisEntries(link, keys)]
  const [, due, parked] = keys.of(key)
  const first = { stamp: 'one', dueAt: 0, parkedAt: null, state: { text: 'ä€😀\u0000\ud800' } }
  const last = { ...first, stamp: 'two', dueAt: null }
  const written = await write(key, null, first, { keepMs: 60_000 })
  const [taken, { entry, unreadable }] = [await takeDue(1, 0), await read(key)]
  if (unreadable !== undefined || (entry ?? first).state['text'] !== first.state.text) throw notKept()
  const [listed, { open }] = [await list('due', { limit: 1 }), await count()]
  // For a sorted set in place of an entry, the script also uses DUMP.
  await link.run(scripts.inspect, [due, due, parked], [key, ''])
  const ended = await write(key, 'one', last, { keepMs: 60_000 })
  const removed = await remove(key, createHash('sha1').update(writeEntry(last)).digest('hex'))
  const isListed = taken.keys[0] === key && listed.items.length === 1 && open === 1
  return written && isListed && ended && removed && entry !== null
}

/** Agrees on the number of partitions: processes with different numbers would not find each other's entries. */
async function agreeOnPartitions(link: RedisLink, keys: RedisKeys): Promise<void> {
  const { number, indexes } = keys
  const mine = indexes.length
  const agree = async (replaced: string) =>
    asInteger(await link.run(scripts.agree, [number, indexes[0]?.due ?? ''], [String(mine), replaced]))
  const kept = await agree('')
  if (kept === mine) return
  const { open, parked } = await redisEntries(link, RedisKeys.under(keys.prefix, kept)).count()
  if (open + parked === 0 && (await agree(String(kept))) === mine) return
  const fix = 'set it back until nothing is open, or use another prefix'
  throw unsuitable(`entries are stored with partitions: ${kept}, but the option is ${mine}; ${fix}`)
}

const fileWarnings: Readonly<Record<string, string | undefined>> = {
  everysec: 'Redis syncs its append-only file once a second: a power cut loses the last second; set appendfsync always',
  no: 'Redis never syncs its append-only file: a power cut may lose half a minute; set appendfsync always',
  refused: 'Redis refuses CONFIG GET to this user: appendfsync was not checked',
  'no file': 'Redis has no append-only file: a crash loses all writes since the last snapshot; set appendonly yes',
}

/** Checks the settings of a key's node, by INFO (`null`: not permitted) and CONFIG GET. Resolves with warnings. */
async function judgeServer(link: RedisLink, key: string, infoText: string | null, rules: ServerRules) {
  const { minReplicas, allowEviction } = rules
  const info = parseInfo(infoText ?? '')
  const warnings = infoText === null ? ['Redis refuses INFO to this user: version and replicas were not checked'] : []
  const version = info.get('redis_version') ?? ''
  if (/^([0-5]|6\.[01])\./.test(version))
    throw unsuitable(`this is Redis ${version}, and 6.2 or newer is needed; upgrade the server`)
  if (info.get('role') === 'slave')
    throw unsuitable('this node is a replica, which accepts no writes; connect to its primary')
  const count = info.get('connected_slaves') ?? minReplicas
  const lacking = `it has ${count} connected replicas and minReplicas is ${minReplicas}`
  if (Number(count) < minReplicas) throw unsuitable(`${lacking}; add replicas or lower minReplicas`)
  const policy = info.get('maxmemory_policy') ?? (await setting(link, key, 'maxmemory-policy'))
  if (policy === null) warnings.push('Redis refuses INFO and CONFIG GET to this user: maxmemory-policy was not checked')
  else if (!/^(noeviction|volatile-[a-z-]+)$/.test(policy)) {
    const danger = `its maxmemory-policy is ${policy}, which silently drops open approvals when memory runs out`
    if (!allowEviction) throw unsuitable(`${danger}; set noeviction, or a volatile policy if Redis is also a cache`)
    warnings.push(`Redis may lose approvals: ${danger}; set noeviction`)
  }
  const file = info.get('aof_enabled') ?? (await setting(link, key, 'appendonly'))
  const sync = file === '0' || file === 'no' ? 'no file' : ((await setting(link, key, 'appendfsync')) ?? 'refused')
  return [...warnings, ...[fileWarnings[sync]].filter((each) => each !== undefined)]
}

/** Requires that commands follow the key: WAIT only covers writes of its own connection. */
async function demandRouting(link: RedisLink, key: string, infoText: string): Promise<void> {
  // A client that ignores the key picks a random node each time, so one try is not enough.
  for (let round = 0; round < 8; round++) {
    const info = parseInfo(asText(await link.send(['INFO', 'server'], key)))
    if (info.get('run_id') === parseInfo(infoText).get('run_id')) continue
    const fix = 'use a client that can (ioredis cannot for a cluster), or leave minReplicas out'
    throw unsuitable(`minReplicas requires that sendCommand routes commands without keys by its argument key; ${fix}`)
  }
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  return new Map([...text.matchAll(/^([a-z_]+):(.*?)\r?$/gm)].map(([, name = '', value = '']) => [name, value]))
}

/** Returns one server setting, or `null` if CONFIG GET is not permitted. */
async function setting(link: RedisLink, key: string, name: string): Promise<string | null> {
  const reply = await link.send(['CONFIG', 'GET', name], key).catch((error: unknown) => {
    if (isCheqpointError(error, 'store-unavailable')) throw error
    return null
  })
  // Depends on the client: [name, value], [{ key, value }] (GLIDE), a Map, or an object.
  const [first, second]: readonly unknown[] = Array.isArray(reply) ? reply : [reply]
  const asObject: Readonly<Record<string, unknown>> = Object(first instanceof Map ? Object.fromEntries(first) : first)
  const value = typeof first === 'string' ? second : (asObject[name] ?? asObject['value'])
  return typeof value === 'string' ? value : null
}

function notKept(): CheqpointError {
  return new CheqpointError('store-response', 'Redis did not return what was written; sendCommand must use UTF-8')
}

/** The error for an unsuitable server or client. */
function unsuitable(reason: string): CheqpointError {
  return new CheqpointError('store-unsuitable', `The setup of Redis is unsafe: ${reason}`)
}
