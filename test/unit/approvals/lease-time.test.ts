import { expect, it } from 'vitest'
import { add, claim } from '../../../src/approvals/approval.js'
import { Records } from '../../../src/approvals/records.js'
import { memoryStore } from '../../../src/index.js'
import { Lease } from '../../../src/pipeline/lease.js'
import type { Stored } from '../../../src/stores/store.js'
import { overlayStore } from '../../support/overlay-store.js'
import { beginning, request, start } from './samples.js'

const leaseMs = 30_000

/** A claim over a store that refuses the first of its writes after it took it, as one does that was sent again. */
async function claimOver(refusals: number) {
  let elapsed = 0
  const clock = { now: () => start + elapsed, elapsed: () => elapsed }
  const inner = memoryStore({ clock })
  let left = refusals
  const store = overlayStore(inner, {
    async write(...args) {
      const written = await inner.write(...args)
      elapsed += 2_000
      return left-- > 0 ? false : written
    },
  })
  const records = new Records({ store, clock, random: () => 0 })
  const key = 'a:req_1'
  await new Records({ store: inner, clock, random: () => 0 }).change(key, (stored) =>
    add(stored, { request, beginning }),
  )
  const step = (stored: Stored) => claim(stored, { token: 'a', leaseMs })
  const { result, ...stepped } = await records.begin(key, step)
  if (result.kind !== 'claimed') throw new Error(result.kind)
  const runs = { leaseMs, timeoutMs: 1, concurrency: 1, maxAttempts: 1, backoffMs: [1, 1] } as const
  const lease = new Lease('req_1', 'a', result.approval, stepped, { records, clock, runs, retentionMs: 900_000 })
  return { lease, endsInMs: (result.approval.leaseEnd ?? 0) - (await inner.read(key)).now }
}

it('a lease counts from when the read of its claim was sent', async () => {
  const { lease, endsInMs } = await claimOver(0)
  expect([lease.leftMs(), endsInMs]).toEqual([28_000, 28_000])
})

it('a lease that an earlier write of the same claim took counts from then, not from the read that found it', async () => {
  const { lease, endsInMs } = await claimOver(1)
  expect(lease.leftMs()).toBeLessThanOrEqual(endsInMs)
})
