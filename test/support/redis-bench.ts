import { randomUUID } from 'node:crypto'
import { createClient } from 'redis'
import type { Draft, NewRecord } from '../../src/record.js'
import type { Store } from '../../src/store.js'
import { type RedisStoreOptions, redisStore, type SendCommand } from '../../src/stores/redis.js'
import type { Command } from '../../src/stores/redis-link.js'
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
