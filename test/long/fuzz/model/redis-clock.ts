import { createClient } from 'redis'
import type { SendCommand } from '../../../../src/stores/redis/redis-store.js'
import * as scripts from '../../../../src/stores/redis/scripts.js'
import { startRedis, type TestServer } from '../../../support/redis-server.js'
import type { FakeTime } from '../time.js'

/*
 * A real Redis whose scripts use the time of the test: each script reads a key instead of the server's time, and is
 * otherwise unchanged. Leases end when the test says so, without sleeping. The server itself still uses its own clock:
 * tombstones do not expire within a run.
 */

const clockKey = 'fuzz:clock'
const askTime = "redis.call('TIME')"
/** Seconds and microseconds, as the server replies. */
const readTime = `(function(ms) return {math.floor(ms / 1000), (ms % 1000) * 1000} end)(redis.call('GET', '${clockKey}'))`

export interface ClockedRedis {
  /** Number of commands in flight. */
  readonly pending: () => number
  /** Sends commands with the time of this clock. */
  readonly send: (time: FakeTime) => SendCommand
  readonly raw: (args: readonly string[]) => Promise<unknown>
  close(): Promise<void>
}

export async function openClockedRedis(): Promise<ClockedRedis> {
  const server: TestServer = await startRedis()
  const client = await createClient({ url: server.url }).connect()
  const changed = new Map<string, string>()
  for (const script of Object.values(scripts)) {
    const source = script.source.replace(askTime, readTime)
    if (source.includes('TIME')) throw new Error('a script that asks for the time in another way')
    changed.set(script.sha, String(await client.sendCommand(['SCRIPT', 'LOAD', source])))
  }
  let pending = 0
  return {
    pending: () => pending,
    send: (time) => async (args) => {
      const [command, sha = '', ...operands] = args
      if (command === 'EVAL') throw new Error('every script was loaded')
      pending++
      try {
        // Sent together and executed in this order.
        const [, reply] = await Promise.all([
          client.sendCommand(['SET', clockKey, String(Math.floor(time.now()))]),
          client.sendCommand(command === 'EVALSHA' ? [command, changed.get(sha) ?? '', ...operands] : args),
        ])
        return reply
      } finally {
        pending--
      }
    },
    raw: (args) => client.sendCommand([...args]),
    async close() {
      await client.close()
      await server.stop()
    },
  }
}
