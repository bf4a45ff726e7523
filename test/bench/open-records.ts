import { memoryStore } from 'cheqpoint-callback'

/*
 * A memory store with so many pending records: `open-records.js COUNT`. Prints bytes for a record, and milliseconds that
 * a tick of the sweep takes: 32 due keys handed out and pushed ahead.
 */
const count = Number(process.argv[2] ?? 1_000)
const hour = 3_600_000
const ticks = 2_000
/** As many are due, however many are pending. */
const due = 640

globalThis.gc?.()
const before = process.memoryUsage().heapUsed
const store = memoryStore({ maxPending: count + 1 })
for (let at = 0; at < count; at++) {
  const details = JSON.stringify({ orderId: `order-${at}`, amount: 120, currency: 'USD', reason: 'damaged' })
  await store.add(
    {
      id: `apr_${at}`,
      ref: null,
      action: 'process_refund',
      assistant: null,
      expiresAt: 1e12,
      details,
      context: 'null',
    },
    { dueInMs: at < due ? 0 : hour + at },
  )
}
globalThis.gc?.()
const bytes = (process.memoryUsage().heapUsed - before) / count

const times: number[] = []
for (let tick = 0; tick < ticks; tick++) {
  const start = performance.now()
  const taken = await store.takeDue(32, 1.5 * hour)
  times.push(performance.now() - start)
  // What was taken is due again, so that each tick finds as much.
  for (const key of taken) if (key.kind === 'approval') await store.knock(key.id, { withinMs: 0 })
}
const tickMs = times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN
console.log(JSON.stringify({ bytes, tickMs }))
