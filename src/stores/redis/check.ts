import { CheqpointError, isCheqpointError } from '../../model/errors.js'
import type { RedisKeys } from './keys.js'
import type { RedisLink } from './link.js'
import { asInteger, wrongReply } from './replies.js'
import * as scripts from './scripts.js'

export interface CheckRules {
  readonly minReplicas: number
  readonly allowEviction: boolean
}

type Info = ReadonlyMap<string, string>

/** `Store.check` for Redis: looks at the node of each partition. */
export async function checkRedis(link: RedisLink, keys: RedisKeys, rules: CheckRules): Promise<readonly string[]> {
  const warnings = new Set<string>()
  const nodes = await Promise.all(keys.indexes().map(async ({ due }) => ({ key: due, info: await ask(link, due) })))
  for (const { key, info } of nodes) {
    if (info === null) {
      warnings.add(
        'Redis refuses INFO to this user: version, eviction policy, persistence and replicas were not checked; allow INFO',
      )
      continue
    }
    refuseUnfit(info, rules)
    for (const warning of warningsOf(info, rules)) warnings.add(warning)
    const sync = info.get('aof_enabled') === '1' ? await syncWarning(link, key) : null
    if (sync !== null) warnings.add(sync)
    if (rules.minReplicas > 0) await demandRouting(link, key, info)
  }
  await agreeOnPartitions(link, keys)
  return [...warnings]
}

/** What the node of this key says of itself, or `null` where it may not. Rejects where replies arrive changed. */
async function ask(link: RedisLink, key: string): Promise<Info | null> {
  const reply = await link.run(scripts.probe, [key], [])
  reply.oneOf('probe')
  if (reply.integer() !== 7) throw wrongReply(0, 'the integer 7')
  if (reply.textOrNull() !== null) throw wrongReply('', 'null')
  reply.emptyArray()
  const info = reply.textOrNull()
  return info === null ? null : parseInfo(info)
}

function parseInfo(text: string): Info {
  return new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const colon = line.indexOf(':')
      return line.startsWith('#') || colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const]
    }),
  )
}

function refuseUnfit(info: Info, { allowEviction }: CheckRules): void {
  const version = info.get('redis_version') ?? ''
  const [major = Number.NaN, minor = Number.NaN] = version.split('.').map(Number)
  if (major < 6 || (major === 6 && minor < 2)) {
    throw unsuitable(`this is Redis ${version}, and 6.2 or newer is needed; upgrade the server`)
  }
  const policy = info.get('maxmemory_policy') ?? ''
  if (policy.startsWith('allkeys') && !allowEviction) {
    throw unsuitable(
      `its maxmemory-policy is ${policy}, which silently drops open approvals when memory runs out; set it to noeviction, or to a volatile policy where it also is a cache`,
    )
  }
  if (info.get('role') === 'slave') {
    throw unsuitable('this node is a replica, which takes no writes; connect to its primary')
  }
}

function warningsOf(info: Info, { minReplicas, allowEviction }: CheckRules): readonly string[] {
  const warnings: string[] = []
  const policy = info.get('maxmemory_policy') ?? ''
  if (policy.startsWith('allkeys') && allowEviction) {
    warnings.push(`Redis may drop open approvals when memory runs out: maxmemory-policy is ${policy}; set noeviction`)
  }
  if (info.get('aof_enabled') === '0') {
    warnings.push(
      'Redis keeps no append-only file: a crash loses every approval since its last snapshot; set appendonly yes',
    )
  }
  const replicas = Number(info.get('connected_slaves') ?? Number.NaN)
  if (replicas < minReplicas) {
    warnings.push(
      `Redis has ${replicas} connected replicas and minReplicas is ${minReplicas}: every write will be reported as failed; add replicas or lower minReplicas`,
    )
  }
  return warnings
}

/** How much of the append-only file a power cut may take; `null` where none. */
async function syncWarning(link: RedisLink, key: string): Promise<string | null> {
  let reply: unknown
  try {
    reply = await link.send(['CONFIG', 'GET', 'appendfsync'], key)
  } catch (error) {
    if (isCheqpointError(error, 'store-unavailable')) throw error
  }
  const policy = Array.isArray(reply) ? reply[1] : undefined
  switch (policy) {
    case 'always':
      return null
    case 'everysec':
      return 'Redis writes its append-only file to disk once a second: a power cut loses up to a second of acknowledged approvals; set appendfsync always'
    case 'no':
      return 'Redis leaves it to the system when to write its append-only file to disk: a power cut may lose half a minute of acknowledged approvals; set appendfsync always'
  }
  return 'Redis refuses CONFIG GET to this user: whether appendfsync is always was not checked'
}

/** WAIT counts for the connection that it arrives on: elsewhere it would confirm what nobody asked. */
async function demandRouting(link: RedisLink, key: string, info: Info): Promise<void> {
  // A client that ignores the key picks any node each time, so it is asked more than once.
  for (let round = 0; round < 8; round++) {
    const reply = await link.send(['INFO', 'server'], key)
    if (typeof reply !== 'string') throw wrongReply(reply, 'a string')
    if (parseInfo(reply).get('run_id') === info.get('run_id')) continue
    throw unsuitable(
      'minReplicas needs commands without keys to follow the key that sendCommand is given, and yours go to any node; use a client that can (ioredis cannot for a cluster), or leave minReplicas out',
    )
  }
}

/** The first store of a prefix fixes the number: another one would look for the same record in another place. */
async function agreeOnPartitions(link: RedisLink, keys: RedisKeys): Promise<void> {
  const mine = String(keys.partitions)
  let full: unknown
  try {
    if ((await link.send(['SET', keys.meta, mine, 'NX'], keys.meta)) === 'OK') return
  } catch (error) {
    // A full server refuses this even where there is nothing to write; what it holds must be able to end.
    if (!isCheqpointError(error, 'store-full')) throw error
    full = error
  }
  const reply = await link.send(['GET', keys.meta], keys.meta)
  if (reply === null && full !== undefined) throw full
  const theirs = asInteger(reply)
  if (theirs === keys.partitions) return
  throw unsuitable(
    `its records were stored with partitions: ${theirs}, and now it is ${mine}; set it back, or use another prefix`,
  )
}

function unsuitable(reason: string): CheqpointError {
  return new CheqpointError('store-unsuitable', `Redis must not be used as it is set up: ${reason}`)
}
