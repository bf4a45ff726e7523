import { CheqpointError } from '../../model/errors.js'
import { group, invalid, number, oneOf } from '../../options/option-checks.js'
import type { Store } from '../store.js'
import { redisApprovals } from './approvals.js'
import { checkRedis } from './check.js'
import { redisDue } from './due.js'
import { RedisKeys } from './keys.js'
import { RedisLink, type SendCommand } from './link.js'
import { redisPages } from './pages.js'
import { redisReservations } from './reservations.js'

export type { SendCommand } from './link.js'

/** What {@link redisStore} takes. */
export interface RedisStoreOptions {
  /** How your Redis client sends a command; see {@link redisStore} for the line that fits it. */
  readonly sendCommand: SendCommand
  /** Start of every key. Receivers that share it share their approvals. No braces. Default `'cheqpoint'`. */
  readonly prefix?: string | undefined
  /**
   * Parts that the keys are spread over, each on one node of a cluster. Default 1; 16 suit a cluster. Kept in Redis at
   * the first `check()`, and not to be changed while records are open.
   */
  readonly partitions?: number | undefined
  /**
   * Replicas that must have a write before it is acknowledged; fewer reject it with `store-unavailable`. Makes the loss
   * of a primary survivable, not impossible: WAIT is no consensus. The client must send WAIT over the connection that
   * the write took, so no pool, and not ioredis for a cluster. Default 0.
   */
  readonly minReplicas?: number | undefined
  /** How long to wait for them, in milliseconds. Default 1,000. */
  readonly replicaTimeoutMs?: number | undefined
  /**
   * What is remembered of a finished approval: `full` (default) keeps the decision, a reviewer's edit and note included,
   * and what the handler returned; `outcome-only` keeps neither, so `wait` resolves without them.
   */
  readonly tombstone?: 'full' | 'outcome-only' | undefined
  /** Lets `check()` pass where an `allkeys-*` policy may drop open approvals without a word. Default `false`. */
  readonly allowEviction?: boolean | undefined
}

/**
 * A store for any number of processes, on Redis 6.2 or newer (tested on 7.0), single or cluster. Every change is one atomic
 * script by the server's clock, and safe to send again; a duplicate costs one call, a decision three. It keeps what
 * Redis keeps: set `appendonly yes`, `appendfsync always`, `maxmemory-policy noeviction`. When Redis is full, new
 * approvals reject with `store-full`, and those that it holds can still end.
 *
 * It knows no client. `sendCommand` is one line; the client's own options decide about time-outs and reconnects:
 *
 * ```ts
 * import { createClient, createCluster } from 'redis'
 * redisStore({ sendCommand: (args) => client.sendCommand(args) })
 * redisStore({ sendCommand: (args, key) => cluster.sendCommand(key, false, args), partitions: 16 })
 *
 * import { Cluster, Redis } from 'ioredis'
 * redisStore({ sendCommand: (args) => redis.call(...args) })
 * redisStore({ sendCommand: (args) => cluster.call(...args), partitions: 16 })
 * ```
 *
 * Limits: the reference of a finished approval is forgotten with its tombstone; a process that dies in that moment
 * leaves about 150 bytes behind. A failed command never looks like an unknown approval: it rejects with `store-unavailable`, `store-unsuitable` or `store-answer`.
 * Throws `option-missing`, `option-invalid` or `option-unknown`; does no I/O until it is used.
 */
export function redisStore(options: RedisStoreOptions): Store {
  const { sendCommand, prefix, partitions, replicas, tombstone, allowEviction } = readOptions(options)
  const link = new RedisLink(sendCommand, replicas)
  const keys = new RedisKeys(prefix, partitions)
  const approvals = redisApprovals(link, keys, tombstone)
  const { resume, ...reservations } = redisReservations(link, keys)
  return {
    ...approvals,
    ...reservations,
    ...redisDue(link, keys, resume),
    ...redisPages(link, keys, { ...approvals, ...reservations }),
    check: () => checkRedis(link, keys, { minReplicas: replicas.atLeast, allowEviction }),
    /** The connection is the caller's. */
    close: () => Promise.resolve(),
  }
}

const optionNames: readonly (keyof RedisStoreOptions)[] = [
  'sendCommand',
  'prefix',
  'partitions',
  'minReplicas',
  'replicaTimeoutMs',
  'tombstone',
  'allowEviction',
]

function readOptions(options: RedisStoreOptions) {
  const { sendCommand, prefix = 'cheqpoint', allowEviction = false } = options ?? {}
  group(options, '', optionNames)
  if (sendCommand === undefined) {
    throw new CheqpointError(
      'option-missing',
      'option sendCommand must be given: how your Redis client sends a command',
    )
  }
  if (typeof sendCommand !== 'function') throw invalid('sendCommand', sendCommand, 'a function')
  if (typeof prefix !== 'string' || !/^[^{}]{1,64}$/.test(prefix)) {
    throw invalid('prefix', prefix, 'a text of 1 to 64 characters without braces')
  }
  if (typeof allowEviction !== 'boolean') throw invalid('allowEviction', allowEviction, 'true or false')
  return {
    sendCommand,
    prefix,
    partitions: number(options.partitions, 'partitions', 1, 1, 1024),
    replicas: {
      atLeast: number(options.minReplicas, 'minReplicas', 0, 0, 64),
      timeoutMs: number(options.replicaTimeoutMs, 'replicaTimeoutMs', 1_000, 1, 600_000),
    },
    tombstone: oneOf(options.tombstone, 'tombstone', ['full', 'outcome-only']),
    allowEviction,
  }
}
