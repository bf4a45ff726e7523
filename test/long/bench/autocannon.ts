import autocannon from 'autocannon'
import type { Load, Loaded } from './load.js'

/* Sends one load, given as JSON, and prints what came of it. A process of its own. */

// Given by load.js alone.
const { url, from, amount, connections, agent, body } = JSON.parse(process.argv[2] ?? '{}') as Load
let next = from
const start = performance.now()
/** When the last response came. */
let end = start
let responses = 0
const options = {
  url,
  method: 'POST' as const,
  amount,
  connections,
  // It ends with a sample.
  sampleInt: 50,
  requests: [
    {
      headers: { 'user-agent': agent, 'content-type': 'application/json' },
      setupRequest: (request: autocannon.Request) => ({ ...request, body: body.replace('%d', String(next++)) }),
    },
  ],
}
const result = await new Promise<autocannon.Result>((resolve, reject) => {
  const instance = autocannon(options, (error: Error | null, found) => (error ? reject(error) : resolve(found)))
  instance.on('response', () => {
    if (++responses === amount) end = performance.now()
  })
})
if (result.errors > 0) throw new Error(`${result.errors} connections failed`)
const loaded: Loaded = {
  perSecond: amount / ((end - start) / 1000),
  p50Ms: result.latency.p50,
  p99Ms: result.latency.p99,
  failures: result.non2xx,
}
console.log(JSON.stringify(loaded))
