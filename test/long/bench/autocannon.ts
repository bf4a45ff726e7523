import autocannon from 'autocannon'
import type { Load, Loaded } from './load.js'

/* Sends one load, given as JSON, and prints what came of it. A process of its own. */

// Given by load.js alone.
const { url, from, amount, connections, agent, body } = JSON.parse(process.argv[2] ?? '{}') as Load
let next = from
const result = await autocannon({
  url,
  method: 'POST',
  amount,
  connections,
  requests: [
    {
      headers: { 'user-agent': agent, 'content-type': 'application/json' },
      setupRequest: (request) => ({ ...request, body: body.replace('%d', String(next++)) }),
    },
  ],
})
if (result.errors > 0) throw new Error(`${result.errors} connections failed`)
const loaded: Loaded = {
  perSecond: amount / ((result.finish.getTime() - result.start.getTime()) / 1000),
  p50Ms: result.latency.p50,
  p99Ms: result.latency.p99,
  failures: result.non2xx,
}
console.log(JSON.stringify(loaded))
