import { createClient, memoryStore, register, verifyAndResolve } from 'cheqpoint-callback'
import { Pool } from 'undici'
import { type Batched, serveBatches } from './batches.js'
import { key } from './by-hand.js'
import { action } from './contenders.js'
import { callbackOf } from './offline.js'

/*
 * `verifyAndResolve` and the completion of its claim, without a host, or a bare request for the same approval: `resolve.js
 * UPSTREAM ours|bare`.
 */
const [upstream = '', who] = process.argv.slice(2)

function ours(): Batched {
  const options = {
    client: createClient({ apiKey: key, baseUrl: upstream }),
    store: memoryStore({ maxPending: 1_000_000 }),
    confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
    polling: { concurrency: 1_000 },
  }
  return {
    async prepare(from, count) {
      for (let at = from; at < from + count; at++) await register(`c_${at}`, action, options)
    },
    async take(at) {
      const outcome = await verifyAndResolve(callbackOf(`c_${at}`), options)
      if (outcome.kind !== 'ok') throw new Error(`${outcome.kind} in place of ok`)
      await outcome.claim.complete()
    },
  }
}

function bare(): Batched {
  const pool = new Pool(upstream)
  const headers = { 'x-api-key': key }
  return {
    prepare: async () => {},
    async take(at) {
      const { body } = await pool.request({ path: `/api/approvals/c_${at}`, method: 'GET', headers })
      await body.json()
    },
  }
}

await serveBatches(who === 'bare' ? bare() : ours(), 2_500)
