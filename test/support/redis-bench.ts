import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createClient } from 'redis'
import type { Draft, NewRecord } from '../../src/stores/record.js'
import type { Command } from '../../src/stores/redis/link.js'
import { type RedisStoreOptions, redisStore, type SendCommand } from '../../src/stores/redis/redis-store.js'
import type { Store } from '../../src/stores/store.js'
import { sharedRedis } from './redis-server.js'

/** One connection to one server, and stores on it that share nothing. */
export interface RedisBench {
  readonly url: string
  readonly send: SendCommand
  /** A command of the test itself. */
  raw(...args: Command): Promise<unknown>
  /** A store under a prefix of its own. */
  store(options?: Partial<RedisStoreOptions>): Store
  close(): Promise<void>
}

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

/** Passes commands on, and remembers them. */
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

/** Lets so many script calls through, and loses the connection at every command after them. */
export function dyingAfter(calls: number, send: SendCommand): SendCommand {
  let left = calls
  return async (args, key) => {
    if (left <= 0) throw new Error('read ECONNRESET')
    const reply = await send(args, key)
    left--
    return reply
  }
}

export function scriptCalls(commands: readonly Command[]): number {
  return commands.filter(([name]) => name === 'EVALSHA' || name === 'EVAL').length
}

export const approved = '{"status":"approved","modifiedDetails":null,"note":null,"decidedAt":null,"via":"callback"}'

/** An hour, which no test lasts. */
export const hour = 3_600_000

export function draft(change: Partial<Draft> = {}): Draft {
  return {
    ref: null,
    action: 'process_refund',
    assistant: null,
    expiresAt: 1_795_478_400_000,
    details: '{"orderId":"8842","amount":120}',
    context: 'null',
    ...change,
  }
}

export function record(id: string, change: Partial<Draft> = {}): NewRecord {
  return { id, ...draft(change) }
}

/** A decision from claim to completion. */
export async function decide(store: Store, id: string, token: string): Promise<void> {
  assert.equal((await store.claim(id, token, hour, {})).kind, 'claimed')
  assert.equal((await store.seal(id, token, approved)).kind, 'sealed')
  assert.equal(await store.complete(id, token, { outcome: 'approved', result: '{"refund":"r-1"}' }, hour), 'done')
}

/** Calls every method but `check`, and leaves nothing open. All its ids and references start with `name`. */
export async function throughEverything(store: Store, name: string): Promise<void> {
  const names = ['a', 'b', 'c', 'd'].map((letter) => `${name}-${letter}`)
  const [a = '', b = '', c = '', d = ''] = names
  for (const id of names) await store.add(record(id), { dueInMs: 0 })
  await store.knock(a, { withinMs: 0 })
  await store.claim(a, 'one', hour, {})
  await store.extend(a, 'one', hour)
  await store.release(a, 'one', { dueInMs: 0, notBeforeMs: 0 })
  await decide(store, a, 'two')
  await store.claim(b, 'one', hour, {})
  await store.park(b, 'one', 'adopted', '')
  await store.list({ state: 'parked', limit: 1 })
  await store.retry(b)
  await store.cancel(b, hour)
  await store.get(c)
  const { cursor } = await store.list({ state: 'open', limit: 1 })
  await store.list({ state: 'open', limit: 1, cursor: cursor ?? undefined })
  await store.takeDue(2, hour)
  await store.stats()
  await store.nextDueInMs()
  for (const ref of names) await store.reserve(ref, draft(), { dueInMs: hour })
  await store.hold(a, 'candidate')
  await store.postpone(a, 0)
  await store.reservation(a)
  await store.reservations({ limit: 1 })
  await store.discard(a)
  await store.bind(b, `${name}-e`, { dueInMs: hour })
  for (const id of [c, d, `${name}-e`]) await store.cancel(id, hour)
  for (const ref of [c, d]) await store.discard(ref)
}
