import { expect, it } from 'vitest'
import { add, claim } from '../../src/approvals/approval.js'
import { approvalKey } from '../../src/approvals/entry.js'
import { recordDecision } from '../../src/approvals/holder.js'
import { Records } from '../../src/approvals/records.js'
import { systemClock, systemRandom } from '../../src/util/clock.js'
import { describeWith } from '../support/needs.js'
import { openBench } from '../support/redis-bench.js'
import { startRedis } from '../support/redis-server.js'

const count = 5_000
const details = JSON.stringify({ orderId: '8842', amount: 120, text: 'x'.repeat(161) })
const context = JSON.stringify({ thread: 'c'.repeat(85) })
const decision = { status: 'approved', modifiedDetails: null, note: null, decidedAt: new Date().toISOString() } as const

describeWith('redis-server', 'a submission with 300 bytes of details and context', () => {
  it('uses at most 900 bytes of Redis while it is pending, claimed or recorded', async () => {
    expect(details.length + context.length).toBe(300)
    const server = await startRedis()
    const bench = await openBench(server.url)
    try {
      const store = bench.store({ prefix: 'cheqpoint' })
      const records = new Records({ store, clock: systemClock, random: systemRandom })
      const used = async () => Number(/used_memory:(\d+)/.exec(String(await bench.raw('INFO', 'memory')))?.[1])
      // Usual lengths: a cuid as id, and a reference of 144 bits.
      const id = (at: number) => `cmf${String(at).padStart(22, '0')}`
      const token = `${records.newToken()}00`
      const each = (of: (key: string, at: number) => Promise<unknown>) =>
        Promise.all(Array.from({ length: count }, (_, at) => of(approvalKey(id(at)), at)))
      await store.check?.()
      const before = await used()
      const bytes = async () => ((await used()) - before) / count

      const expiresAt = Date.now() + 604_800_000
      const request = { action: 'process_refund', assistant: null, expiresAt, expiresAfterMs: 604_800_000 }
      const beginning = { dueInMs: 10_000, decision: null, parked: null }
      await each((key, at) => {
        const ref = String(at).padStart(24, 'r')
        return records.change(key, (stored) =>
          add(stored, { request: { ...request, ref, details, context }, beginning }),
        )
      })
      const waiting = await bytes()
      await each((key) => records.change(key, (stored) => claim(stored, { token, leaseMs: 30_000, nudge: true })))
      const claimed = await bytes()
      const command = {
        token,
        leaseMs: 30_000,
        decision: { ...decision, via: 'callback' as const },
        countAttempt: true,
      }
      await each((key) => records.change(key, (stored) => recordDecision(stored, command)))
      const recorded = await bytes()

      expect(waiting).toBeGreaterThan(details.length + context.length)
      expect(Math.max(waiting, claimed, recorded)).toBeLessThanOrEqual(900)
    } finally {
      await bench.close()
      await server.stop()
    }
  })
})
