import { createReceiver } from 'cheqpoint-callback'
import { Pool } from 'undici'
import { action } from './contenders.js'

/*
 * Decisions a second that one sweep finds and handles: `sweep-rate.js UPSTREAM COUNT`, beside bare GETs through a pool, as
 * many at a time.
 */
const [upstream = '', given = '4000'] = process.argv.slice(2)
const count = Number(given)
const concurrency = 16

const receiver = createReceiver({
  apiKey: 'cq_live_bench',
  baseUrl: upstream,
  polling: { firstMs: 1, requestsPerSecond: Number.POSITIVE_INFINITY, concurrency },
  onDecision() {},
})

async function sweep(prefix: string): Promise<number> {
  for (let at = 0; at < count; at++) await receiver.track(`${prefix}_${at}`, action)
  await new Promise((resolve) => setTimeout(resolve, 20))
  const start = performance.now()
  const { decided } = await receiver.reconcile({ limit: count, timeoutMs: 120_000 })
  if (decided !== count) throw new Error(`${decided} of ${count} were decided`)
  return count / ((performance.now() - start) / 1000)
}

async function bare(): Promise<number> {
  const pool = new Pool(upstream)
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const { body } = await pool.request({ path: `/api/approvals/s_${next++}`, method: 'GET' })
      await body.json()
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: concurrency }, worker))
  await pool.close()
  return count / ((performance.now() - start) / 1000)
}

await sweep('warm')
await bare()
const ours = await sweep('s')
const limit = await bare()
await receiver.close()
console.log(JSON.stringify({ ours, limit }))
