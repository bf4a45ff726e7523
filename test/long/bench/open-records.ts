import { memoryStore } from 'cheqpoint-callback'
import { openApproval } from './open-approval.js'

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
    const details = { orderId: `order-${at}`, amount: 120, currency: 'USD', reason: 'damaged' }
    await openApproval(store, `apr_${at}`, details, at < due ? 0 : hour + at)
  }
  globalThis.gc?.()
  const tick = async (): Promise<number> => {
    const start = performance.now()
    const { keys } = await store.takeDue(32, 1.5 * hour)
    const ms = performance.now() - start
    // What was taken is due again, so that each tick finds as much.
    for (const key of keys) {
      const { now, entry } = await store.read(key)
      if (entry !== null) await store.write(key, entry.stamp, { ...entry, stamp: `tick.${writes++}`, dueAt: now })
    }
    return ms
  }
  return { count, bytes: (process.memoryUsage().heapUsed - before) / count, times: [], tick }
}

let writes = 0
const stores: Filled[] = []
for (const count of counts) stores.push(await fill(count))
for (let turn = 0; turn < ticks; turn++) for (const { times, tick } of stores) times.push(await tick())

const tickMs = stores.map(({ count, times }) => [count, times.toSorted((a, b) => a - b)[ticks >> 1]] as const)
console.log(JSON.stringify({ bytes: stores.at(-1)?.bytes, ...Object.fromEntries(tickMs) }))
