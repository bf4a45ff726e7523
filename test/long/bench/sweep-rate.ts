import { createReceiver } from 'cheqpoint-callback'
import { Pool } from 'undici'
import { action } from './contenders.js'
import { median } from './figures.js'

/*
 * Decisions a second that one sweep finds and handles, and processor time for one, beside bare GETs through a pool, as many
 * at a time, in turns: `sweep-rate.js UPSTREAM WARM_UP TURNS COUNT`.
 */
const [upstream = '', ...sizes] = process.argv.slice(2)
const [warmUp = 20_000, turns = 6, count = 2_500] = sizes.map(Number)
const concurrency = 16

const receiver = createReceiver({
  apiKey: 'cq_live_bench',
  baseUrl: upstream,
  polling: { firstMs: 1, requestsPerSecond: Number.POSITIVE_INFINITY, concurrency },
  onDecision() {},
})
const pool = new Pool(upstream)

interface Rate {
  readonly perSecond: number
  readonly cpuUs: number
}

async function rateOf(work: () => Promise<unknown>): Promise<Rate> {
  const start = performance.now()
  const cpu = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: count / ((performance.now() - start) / 1000), cpuUs: (user + system) / count }
}

let tracked = 0
async function sweep(): Promise<Rate> {
  for (let at = 0; at < count; at++) await receiver.track(`s_${tracked++}`, action)
  await new Promise((resolve) => setTimeout(resolve, 20))
  return rateOf(async () => {
    const { decided } = await receiver.reconcile({ limit: count, timeoutMs: 120_000 })
    if (decided !== count) throw new Error(`${decided} of ${count} were decided`)
  })
}

function bare(): Promise<Rate> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const { body } = await pool.request({ path: `/api/approvals/s_${next++}`, method: 'GET' })
      await body.json()
    }
  }
  return rateOf(() => Promise.all(Array.from({ length: concurrency }, worker)))
}

for (let done = 0; done < warmUp; done += count) {
  await sweep()
  await bare()
}
const taken: { readonly ours: Rate; readonly limit: Rate }[] = []
for (let turn = 0; turn < turns; turn++) taken.push({ ours: await sweep(), limit: await bare() })
await receiver.close()
await pool.close()
const of = (pick: (each: (typeof taken)[number]) => number): number => median(taken.map(pick))
console.log(
  JSON.stringify({
    ours: of(({ ours }) => ours.perSecond),
    limit: of(({ limit }) => limit.perSecond),
    ratio: of(({ ours, limit }) => ours.perSecond / limit.perSecond),
    oursCpu: of(({ ours }) => ours.cpuUs),
    limitCpu: of(({ limit }) => limit.cpuUs),
    ratioCpu: of(({ ours, limit }) => ours.cpuUs / limit.cpuUs),
  }),
)
