import { randomUUID } from 'node:crypto'
import { createClient } from 'redis'
import type { Command } from '../../src/stores/redis/link.js'
import { type RedisStoreOptions, redisStore, type SendCommand } from '../../src/stores/redis/redis-store.js'
import type { Entry, Store } from '../../src/stores/store.js'
import { sharedRedis } from './redis-server.js'

/** One connection to one server, with independent stores. */
export interface RedisBench {
  readonly url: string
  readonly send: SendCommand
  /** A command of the test itself. */
  raw(...args: Command): Promise<unknown>
  /** A store under a prefix of its own. */
  store(options?: Partial<RedisStoreOptions>): Store
  close(): Promise<void>
}

/** Connects to a server: the one at `url`, or the shared one. */
export async function openBench(url?: string): Promise<RedisBench> {
  const server = url === undefined ? await sharedRedis() : { url, stop: async () => {} }
  const client = await createClient({ url: server.url }).connect()
  const send: SendCommand = (args) => client.sendCommand(args)
  return {
    url: server.url,
    send,
    raw: (...args) => client.sendCommand(args),
    store: (options) => redisStore({ sendCommand: send, prefix: randomUUID(), ...options }),
    async close() {
      await client.close()
      await server.stop()
    },
  }
}

/** Passes commands on and records them. */
export function recorder(send: SendCommand): { readonly send: SendCommand; readonly commands: Command[] } {
  const commands: Command[] = []
  return {
    commands,
    send(args, key) {
      commands.push(args)
      return send(args, key)
    },
  }
}

/** Passes this number of commands, and loses the connection at every later one. */
export function dyingAfter(calls: number, send: SendCommand): SendCommand {
  let left = calls
  return async (args, key) => {
    if (left <= 0) throw new Error('read ECONNRESET')
    const reply = await send(args, key)
    left--
    return reply
  }
}

/** How many of the commands run a script. */
export function scriptCalls(commands: readonly Command[]): number {
  return commands.filter(([name]) => name === 'EVALSHA' || name === 'EVAL').length
}

/** An hour: longer than any test. */
export const hour = 3_600_000

/** An entry with a unique stamp, in no index by default. */
export function entry(change: Partial<Entry> = {}): Entry {
  return { stamp: randomUUID(), dueAt: null, parkedAt: null, state: { amount: 120 }, ...change }
}

/** Calls every method but `check`, and leaves nothing open. All keys contain `name`. */
export async function throughEverything(store: Store, name: string): Promise<void> {
  const keys = ['a', 'b', 'c', 'd'].map((letter) => `a:${name}-${letter}`)
  for (const key of keys) {
    const { now } = await store.read(key)
    const [open, parked, done] = [entry({ dueAt: now }), entry({ parkedAt: now }), entry()]
    await store.write(key, null, open, { intake: true })
    await store.write(key, open.stamp, open)
    await store.takeDue(1, hour)
    await store.list('due', { limit: 1 })
    await store.write(key, open.stamp, parked)
    const { cursor } = await store.list('parked', { limit: 1 })
    await store.list('parked', { limit: 1, cursor: cursor ?? undefined })
    await store.count()
    await store.remove(key, 'no digest')
    await store.write(key, parked.stamp, done, { keepMs: hour })
  }
}
