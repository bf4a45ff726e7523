import { memoryStore } from 'cheqpoint-callback'

/*
 * Memory stores with so many pending records each: `open-records.js COUNT…`. Prints bytes for a record of the last, and for
 * each the milliseconds that a tick of the sweep takes: 32 due keys handed out and pushed ahead. The stores are asked in
 * turns.
 */
const counts = process.argv.slice(2).map(Number)
const hour = 3_600_000
const ticks = 4_000
/** As many are due, however many are pending. */
const due = 640

interface Filled {
  readonly count: number
  readonly bytes: number
  readonly times: number[]
  readonly tick: () => Promise<number>
}

async function fill(count: number): Promise<Filled> {
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const store = memoryStore({ maxPending: count + 1 })
  for (let at = 0; at < count; at++) {
    const details = JSON.stringify({ orderId: `order-${at}`, amount: 120, currency: 'USD', reason: 'damaged' })
    const draft = { ref: null, action: 'process_refund', assistant: null, expiresAt: 1e12, details, context: 'null' }
    await store.add({ id: `apr_${at}`, ...draft }, { dueInMs: at < due ? 0 : hour + at })
  }
  globalThis.gc?.()
  const tick = async (): Promise<number> => {
    const start = performance.now()
    const taken = await store.takeDue(32, 1.5 * hour)
    const ms = performance.now() - start
    // What was taken is due again, so that each tick finds as much.
    for (const key of taken) if (key.kind === 'approval') await store.knock(key.id, { withinMs: 0 })
    return ms
  }
  return { count, bytes: (process.memoryUsage().heapUsed - before) / count, times: [], tick }
}

const stores: Filled[] = []
for (const count of counts) stores.push(await fill(count))
for (let turn = 0; turn < ticks; turn++) for (const { times, tick } of stores) times.push(await tick())

const tickMs = stores.map(({ count, times }) => [count, times.toSorted((a, b) => a - b)[ticks >> 1]] as const)
console.log(JSON.stringify({ bytes: stores.at(-1)?.bytes, ...Object.fromEntries(tickMs) }))
