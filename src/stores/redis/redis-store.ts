import { CheqpointError } from '../../model/errors.js'
import { group, invalid, number, refuseClient } from '../../options/option-checks.js'
import type { Store } from '../store.js'
import { checkRedis } from './check.js'
import { redisEntries } from './entries.js'
import { RedisKeys } from './keys.js'
import { RedisLink, type SendCommand } from './link.js'

export { optionalCommands, requiredCommands } from './errors.js'
export type { SendCommand } from './link.js'

/** Options of {@link redisStore}. */
export interface RedisStoreOptions {
  /** Sends a command through your Redis client; see {@link redisStore} for the line for each client. */
  readonly sendCommand: SendCommand
  /** Prefix of every key, without braces. `check()` rejects if the client adds a `keyPrefix`. Default `'cheqpoint'`. */
  readonly prefix?: string | undefined
  /** Parts of the key space, each on one node. The same in all processes (`check()`). Default 1; 16 for a cluster. */
  readonly partitions?: number | undefined
  /**
   * Replicas that must have a write before it is acknowledged. WAIT is not consensus: a failover may still lose the
   * write. The client must send WAIT over the connection of the write: no pool, no ioredis cluster. Default 0.
   */
  readonly minReplicas?: number | undefined
  /** How long to wait for the replicas, in milliseconds. Default 1,000. */
  readonly replicaTimeoutMs?: number | undefined
  /** Lets `check()` pass with an `allkeys-*` policy, which may silently evict open approvals. Default `false`. */
  readonly allowEviction?: boolean | undefined
}

/**
 * A store for any number of processes, on Redis 6.2 or newer or Valkey, single or cluster. Each method is one atomic
 * script with the server's clock; with `partitions`, takeDue, list and count run one on each. For durability set
 * `appendonly yes`, `appendfsync always`, `maxmemory-policy noeviction`. When Redis is full, new approvals reject with
 * `store-full`; open ones can still complete. Set time-outs in your client.
 *
 * @example
 * ```ts
 * import { createClient, createCluster } from 'redis'
 * redisStore({ sendCommand: (args) => client.sendCommand(args) })
 * redisStore({ sendCommand: (args, key) => cluster.sendCommand(key, false, args), partitions: 16 })
 *
 * import { Cluster, Redis } from 'ioredis'
 * redisStore({ sendCommand: (args) => redis.call(...args) })
 * redisStore({ sendCommand: (args) => cluster.call(...args), partitions: 16 })
 *
 * import { GlideClient } from '@valkey/valkey-glide'
 * redisStore({ sendCommand: (args) => glide.customCommand(args) })
 * ```
 *
 * The Redis user needs the rights in {@link requiredCommands}. A failed command rejects with `store-full`,
 * `store-unavailable`, `store-unsuitable` or `store-response`. Throws `option-missing`, `option-invalid` or
 * `option-unknown`; does no I/O until first use. You own the connection: close it after the receiver.
 */
export function redisStore(options: RedisStoreOptions): Store {
  const names = ['sendCommand', 'prefix', 'partitions', 'minReplicas', 'replicaTimeoutMs', 'allowEviction']
  refuseClient(options, 'sendCommand', 'redisStore({ sendCommand: (args) => client.sendCommand(args) })')
  const given = group(options, '', names)
  const { sendCommand, prefix = 'cheqpoint', allowEviction = false } = options ?? {}
  const missing = 'option sendCommand is missing: a function that sends a command through your Redis client'
  if (sendCommand === undefined) throw new CheqpointError('option-missing', missing)
  if (typeof sendCommand !== 'function') throw invalid('sendCommand', sendCommand, 'a function')
  if (typeof prefix !== 'string' || !/^[^{}]{1,64}$/.test(prefix))
    throw invalid('prefix', prefix, 'a text of 1 to 64 characters without braces')
  if (typeof allowEviction !== 'boolean') throw invalid('allowEviction', allowEviction, 'true or false')
  const minReplicas = number(given['minReplicas'], 'minReplicas', 0, 0, 64)
  const timeoutMs = number(given['replicaTimeoutMs'], 'replicaTimeoutMs', 1_000, 1, 600_000)
  const link = new RedisLink(sendCommand, { atLeast: minReplicas, timeoutMs })
  const keys = RedisKeys.under(prefix, number(given['partitions'], 'partitions', 1, 1, 1024))
  return { ...redisEntries(link, keys), check: () => checkRedis(link, keys, { minReplicas, allowEviction }) }
}
