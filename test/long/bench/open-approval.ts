import type { Store } from 'cheqpoint-callback'
import { claim } from '../../../src/approvals/approval.js'
import { approvalKey } from '../../../src/approvals/entry.js'
import type { Records } from '../../../src/approvals/records.js'
import type { ConfirmedDecision } from '../../../src/model/confirmed-decision.js'
import { Lease } from '../../../src/pipeline/lease.js'
import { systemClock } from '../../../src/util/clock.js'

let written = 0

/** Writes an approval as `track` does, of a request that was submitted elsewhere. */
export async function openApproval(store: Store, id: string, details: object, dueInMs: number): Promise<void> {
  const now = Date.now()
  const request = { action: 'process_refund', expiresAt: now + 604_800_000, expiresAfterMs: 604_800_000 }
  const texts = { details: JSON.stringify(details), context: 'null' }
  const stamp = `4R2mV0b9xQzT.${(written++).toString(36)}`
  const state = { kind: 'open', ...request, ...texts, since: now }
  const entry = { stamp, dueAt: now + dueInMs, parkedAt: null, state }
  if (!(await store.write(`a:${id}`, null, entry, { intake: true }))) throw new Error(`${id} is stored already`)
}

/** One decision, as the pipeline takes it through the store: read and claim, record, complete. */
export async function decide(
  records: Records,
  id: string,
  { decision, leaseMs, retentionMs }: Readonly<{ decision: ConfirmedDecision; leaseMs: number; retentionMs: number }>,
): Promise<void> {
  const token = records.newToken()
  const command = { token, leaseMs, nudge: true }
  const { result, ...stepped } = await records.begin(approvalKey(id), (stored) => claim(stored, command))
  if (result.kind !== 'claimed') throw new Error(`${id} was not claimed`)
  const runs = { leaseMs, timeoutMs: 1, concurrency: 1, maxAttempts: 1, backoffMs: [1, 1] } as const
  const context = { records, clock: systemClock, runs, retentionMs }
  const lease = new Lease(id, token, result.approval, stepped, context)
  await lease.recordDecision(decision, true)
  if ((await lease.complete(null)) !== 'completed') throw new Error(`${id} was not completed`)
}
