import { Pool } from 'undici'
import type { Load, Loaded } from './load.js'

/*
 * Sends one load, given as JSON, evenly spread over its time and whatever comes back, and prints what came of it. A process
 * of its own, which is cold at first: the latencies of the first third are left out.
 */

// Given by load.js alone.
const { url, from, amount, connections, agent, body, perSecond = 100 } = JSON.parse(process.argv[2] ?? '{}') as Load
const { origin, pathname: path } = new URL(url)
const pool = new Pool(origin, { connections })
const headers = { 'user-agent': agent, 'content-type': 'application/json' }
const all = new Array<number>(amount)
let failures = 0

/** By hand, because what takes processor time here takes it from what is measured. */
function sendOne(at: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const start = performance.now()
    const handler = {
      onRequestStart() {},
      onResponseStart(_controller: unknown, status: number) {
        if (status >= 400) failures++
      },
      onResponseData() {},
      onResponseEnd() {
        all[at] = performance.now() - start
        resolve()
      },
      onResponseError: (_controller: unknown, error: Error) => reject(error),
    }
    pool.dispatch({ path, method: 'POST', headers, body: body.replace('%d', String(from + at)) }, handler)
  })
}

const start = performance.now()
const sent: Promise<void>[] = []
while (sent.length < amount) {
  const due = Math.min(amount, ((performance.now() - start) / 1000) * perSecond)
  while (sent.length < due) sent.push(sendOne(sent.length))
  await new Promise((resolve) => setTimeout(resolve, 1))
}
await Promise.all(sent)
const seconds = (performance.now() - start) / 1000
await pool.close()
const latencies = all.slice(amount / 3).sort((a, b) => a - b)
const loaded: Loaded = {
  perSecond: amount / seconds,
  p50Ms: latencies[latencies.length >> 1] ?? Number.NaN,
  p99Ms: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN,
  failures,
}
console.log(JSON.stringify(loaded))
