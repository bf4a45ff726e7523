import { createClient } from 'redis'
import { redisStore } from '../../../src/stores/redis/redis-store.js'
import { startRedis } from '../../support/redis-server.js'
import { openApproval } from './open-approval.js'

/*
 * What takeDue(32) costs with 1,000,000 records pending, as a multiple of what it costs with 10,000. Both stores are on
 * one server, and are asked in turns. Needs about 1 GB and half a minute: `node dist/test/long/bench/take-due.js`.
 */

const rounds = 2_000
const hour = 3_600_000
const details = { orderId: '8842', amount: 120 }

const server = await startRedis()
const client = await createClient({ url: server.url }).connect()
try {
  const small = await fill('small', 10_000)
  const large = await fill('large', 1_000_000)
  const times = { small: [] as number[], large: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    times.small.push(await small())
    times.large.push(await large())
  }
  const serverSide = { small: await serverMicros(small), large: await serverMicros(large) }
  const seen = median(times.large) / median(times.small)
  const spent = serverSide.large / serverSide.small
  console.log(
    `takeDue(32), median of ${rounds}: ${median(times.small).toFixed(3)} ms with 10,000 pending, ${median(times.large).toFixed(3)} ms with 1,000,000: ratio ${seen.toFixed(2)}`,
  )
  console.log(
    `on the server alone, mean of ${rounds}: ${serverSide.small.toFixed(1)} µs and ${serverSide.large.toFixed(1)} µs: ratio ${spent.toFixed(2)}`,
  )
  process.exitCode = Math.max(seen, spent) <= 1.3 ? 0 : 1
} finally {
  await client.close()
  await server.stop()
}

/** Resolves with the milliseconds that it took. */
type TakeDue = () => Promise<number>

/** Takes 32 due keys out of so many pending ones, each time, and pushes them to somewhere among the others. */
async function fill(prefix: string, pending: number): Promise<TakeDue> {
  const store = redisStore({ sendCommand: (args) => client.sendCommand(args), prefix })
  for (let from = 0; from < pending; from += 1_000) {
    await Promise.all(
      Array.from({ length: 1_000 }, (_, at) =>
        openApproval(store, `apr-${from + at}`, details, Math.round(hour + (hour * (from + at)) / pending)),
      ),
    )
  }
  const due = Array.from({ length: 32 }, (_, at) => ['1', `a:apr-${at}`]).flat()
  return async () => {
    await client.sendCommand(['ZADD', `{${prefix}:0}:due`, 'XX', ...due])
    const start = performance.now()
    const { keys } = await store.takeDue(32, 1.5 * hour)
    const end = performance.now()
    if (keys.length !== 32) throw new Error(`${keys.length} keys were due, not 32`)
    return end - start
  }
}

async function serverMicros(takeDue: TakeDue): Promise<number> {
  await client.sendCommand(['CONFIG', 'RESETSTAT'])
  for (let round = 0; round < rounds; round++) await takeDue()
  const stats = String(await client.sendCommand(['INFO', 'commandstats']))
  return Number(/cmdstat_evalsha:.*usec_per_call=([\d.]+)/.exec(stats)?.[1])
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
}
