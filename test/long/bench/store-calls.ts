import type { Entry } from 'cheqpoint-callback'
import { type Batched, serveBatches } from './batches.js'
import { type DatabaseName, databases } from './databases.js'
import { openApproval } from './open-approval.js'

/*
 * The store calls of a decision, read, claim, record and complete, or as many bare round trips: `store-calls.js DATABASE AT
 * ours|bare`. The entries have the size that a decision's have; the state machine is left out.
 */
const [name = '', at = '', who] = process.argv.slice(2)
if (!(name in databases)) throw new Error(`no database is named ${name}`)
const database = databases[name as DatabaseName]

const details = { orderId: '8842', amount: 120, text: 'x'.repeat(150) }
const leaseMs = 60_000
const retentionMs = 3_600_000

async function ours(): Promise<Batched> {
  const store = await database.store(at)
  let writes = 0
  const write = async (key: string, last: Entry, next: Partial<Entry>, keepMs?: number): Promise<Entry> => {
    const entry = { ...last, ...next, stamp: `token-of-this-run.${(writes++).toString(36)}` }
    if (!(await store.write(key, last.stamp, entry, { keepMs }))) throw new Error(`${key} was not written`)
    return entry
  }
  return {
    async prepare(from, count) {
      for (let next = from; next < from + count; next += 20) {
        const some = Array.from({ length: Math.min(20, from + count - next) }, (_, index) => `c_${next + index}`)
        await Promise.all(some.map((id) => openApproval(store, id, details, leaseMs)))
      }
    },
    async take(number) {
      const key = `a:c_${number}`
      const { now, entry } = await store.read(key)
      if (entry === null) throw new Error(`${key} is unknown`)
      const leased = { ...entry.state, token: 'token-of-this-run', leaseEnd: now + leaseMs, fence: 1 }
      const claimed = await write(key, entry, { dueAt: now + leaseMs, state: leased })
      const decision = { status: 'approved', modifiedDetails: null, note: null, decidedAt: '2026-01-01T00:00:00.000Z' }
      const recorded = await write(key, claimed, { state: { ...leased, decision } })
      const state = { kind: 'completed', token: 'token-of-this-run', decision, result: null, at: now }
      await write(key, recorded, { dueAt: null, state }, retentionMs)
    },
  }
}

async function bare(): Promise<Batched> {
  const rows = 10_000
  const roundTrips = await database.bare(at, rows)
  return { prepare: async () => {}, take: (number) => roundTrips(`c_${number % rows}`) }
}

await serveBatches(who === 'bare' ? await bare() : await ours(), 2_500)
