import { Pool } from 'undici'
import type { Load, Loaded } from './load.js'

/*
 * Sends one load, given as JSON, evenly spread over its time and whatever comes back, and prints what came of it. A process
 * of its own.
 */

// Given by load.js alone.
const { url, from, amount, connections, agent, body, perSecond = 100 } = JSON.parse(process.argv[2] ?? '{}') as Load
const { origin, pathname: path } = new URL(url)
const pool = new Pool(origin, { connections })
const headers = { 'user-agent': agent, 'content-type': 'application/json' }
const latencies: number[] = []
let failures = 0

async function sendOne(number: number): Promise<void> {
  const start = performance.now()
  const answer = await pool.request({ path, method: 'POST', headers, body: body.replace('%d', String(number)) })
  await answer.body.dump()
  latencies.push(performance.now() - start)
  if (answer.statusCode >= 400) failures++
}

const start = performance.now()
const sent: Promise<void>[] = []
while (sent.length < amount) {
  const due = Math.min(amount, ((performance.now() - start) / 1000) * perSecond)
  while (sent.length < due) sent.push(sendOne(from + sent.length))
  await new Promise((resolve) => setTimeout(resolve, 1))
}
await Promise.all(sent)
const seconds = (performance.now() - start) / 1000
await pool.close()
latencies.sort((a, b) => a - b)
const loaded: Loaded = {
  perSecond: amount / seconds,
  p50Ms: latencies[Math.floor(amount * 0.5)] ?? Number.NaN,
  p99Ms: latencies[Math.floor(amount * 0.99)] ?? Number.NaN,
  failures,
}
console.log(JSON.stringify(loaded))
