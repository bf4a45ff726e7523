import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { serve } from '@hono/node-server'
import { createReceiver } from 'cheqpoint-callback'
import { honoCallback } from 'cheqpoint-callback/hono'
import { Hono } from 'hono'
import { Pool } from 'undici'
import { agent } from './by-hand.js'
import { action } from './contenders.js'

/*
 * A steady load in one process: requests are tracked, called back and handled, a part of the callbacks is lost and found
 * by the sweep. Looks at heap, handles and timers after a collection every few seconds, and fits a line through what it
 * saw once the tombstones had turned over: until then they fill the room that they may take, and their table grows a
 * last time. `npm run soak -- [--minutes 10] [--per-second 1000]`.
 */

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, 'per-second': { type: 'string', default: '1000' } },
})
const minutes = Number(values.minutes)
const perTick = Math.ceil(Number(values['per-second']) / 10)
const lookEveryMs = 5_000
/** Twice as many as there can be tombstones, and some. */
const settledAfter = 200_000
const { gc } = globalThis
if (gc === undefined) throw new Error('run with --expose-gc')

const upstream = createServer((request, response) => {
  const id = request.url?.split('/').at(-1)
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(`{"id":"${id}","status":"APPROVED","modifiedDetails":null,"decisionNote":null,"decidedAt":null}`)
}).listen(0, '127.0.0.1')
await new Promise((resolve) => upstream.once('listening', resolve))

let handled = 0
const receiver = createReceiver({
  apiKey: 'cq_live_bench',
  baseUrl: urlOf(upstream),
  polling: { firstMs: 500, requestsPerSecond: Number.POSITIVE_INFINITY },
  confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
  onDecision() {
    handled++
  },
})
const server = serve({ fetch: new Hono().post('/hook', honoCallback(receiver)).fetch, port: 0, hostname: '127.0.0.1' })
await new Promise((resolve) => server.once('listening', resolve))
await receiver.start()
const pool = new Pool(urlOf(server), { connections: 16 })

let sent = 0
async function submitOne(): Promise<void> {
  const id = `soak_${sent++}`
  await receiver.track(id, action)
  // Every tenth callback is lost.
  if (sent % 10 === 0) return
  const { body } = await pool.request({
    path: '/hook',
    method: 'POST',
    headers: { 'user-agent': agent, 'content-type': 'application/json' },
    body: JSON.stringify({ approvalId: id, status: 'approved' }),
  })
  await body.dump()
}

const samples: { readonly minute: number; readonly heap: number; readonly resources: number }[] = []
const until = performance.now() + minutes * 60_000
let nextLook = 0
while (performance.now() < until) {
  const tick = performance.now() + 100
  await Promise.all(Array.from({ length: perTick }, submitOne))
  if (sent >= settledAfter && performance.now() >= nextLook) {
    nextLook = performance.now() + lookEveryMs
    gc()
    samples.push({
      minute: performance.now() / 60_000,
      heap: process.memoryUsage().heapUsed,
      resources: process.getActiveResourcesInfo().length,
    })
  }
  await new Promise((resolve) => setTimeout(resolve, Math.max(tick - performance.now(), 0)))
}
while (handled < sent) await new Promise((resolve) => setTimeout(resolve, 100))

if (samples.length < 20) throw new Error(`too short: all is at work after ${settledAfter} decisions`)
const { slope, error } = regress(samples.map(({ minute, heap }) => [minute, heap] as const))
const resources = samples.map((sample) => sample.resources)
const grown = Math.abs(slope) > 3 * error && slope > 0
console.log(
  [
    `${sent} decisions in ${minutes} minutes, all handled; every tenth callback lost`,
    `heap after collection, since ${settledAfter} decisions: ${(slope / 1024).toFixed(1)} ± ${(error / 1024).toFixed(1)} KiB a minute, of ${((samples[0]?.heap ?? 0) / 1_048_576).toFixed(1)} MiB`,
    `every minute, MiB: ${samples
      .filter((_, at) => at % (60_000 / lookEveryMs) === 0)
      .map(({ heap }) => (heap / 1_048_576).toFixed(2))
      .join(' ')}`,
    `handles and timers since then: ${Math.min(...resources)} to ${Math.max(...resources)}`,
    grown ? 'the heap grows' : 'the heap does not grow',
  ].join('\n'),
)
await receiver.close()
await pool.close()
server.close()
upstream.close()
process.exitCode = grown ? 1 : 0

function urlOf(listening: { address(): unknown }): string {
  // Both listen on a port.
  return `http://127.0.0.1:${(listening.address() as { port: number }).port}`
}

/** Least squares, with the standard error of the slope. */
function regress(points: readonly (readonly [x: number, y: number])[]): {
  readonly slope: number
  readonly error: number
} {
  const count = points.length
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count
  const squares = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / squares
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0)
  return { slope, error: Math.sqrt(rest / (count - 2) / squares) }
}
