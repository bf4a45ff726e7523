import { randomUUID } from 'node:crypto'
import { add, claim } from '../../src/approvals/approval.js'
import { approvalKey, reservationKey, type TrackedRequest } from '../../src/approvals/entry.js'
import { park, recordDecision } from '../../src/approvals/holder.js'
import { Records } from '../../src/approvals/records.js'
import { addCandidate, markSent, reserve } from '../../src/approvals/reservation.js'
import type { ConfirmedDecision, ParkReason, Store } from '../../src/index.js'
import { systemClock, systemRandom } from '../../src/util/clock.js'

/** An hour: longer than any test. */
export const hour = 3_600_000

export const details = '{"orderId":"8842","amount":120}'

const approved: ConfirmedDecision = {
  ...{ status: 'approved', modifiedDetails: null, note: null, decidedAt: null, via: 'callback' },
}

export interface Entries {
  /** An approval that no receiver claims. */
  pending(id: string, dueInMs?: number): Promise<void>
  /** An approval with a lease of an hour. */
  inProgress(id: string): Promise<void>
  parked(id: string, reason: ParkReason, note: string, assistant?: string): Promise<void>
  /** A sent submission whose response was lost. */
  unconfirmed(ref: string, candidates?: readonly string[]): Promise<void>
  /** A submission that was not sent yet, which no list shows. */
  reserved(ref: string): Promise<void>
}

/** Puts entries into a store, as a receiver does. */
export function entriesOf(store: Store): Entries {
  const records = new Records({ store, clock: systemClock, random: systemRandom })
  const request = (change: Partial<TrackedRequest> = {}): TrackedRequest => ({
    ...{ ref: null, action: 'process_refund', assistant: null, expiresAt: null, expiresAfterMs: null },
    ...{ details, context: 'null', ...change },
  })
  const begin = async (id: string, dueInMs: number, change?: Partial<TrackedRequest>): Promise<void> => {
    const command = { by: 'test', request: request(change), beginning: { dueInMs, decision: null, parked: null } }
    await records.change(approvalKey(id), (stored) => add(stored, command))
  }
  const take = async (id: string): Promise<string> => {
    const token = randomUUID()
    await records.change(approvalKey(id), (stored) => claim(stored, { token, leaseMs: hour }))
    return token
  }
  const keep = async (ref: string): Promise<string> => {
    const owner = randomUUID()
    const command = { owner, request: request({ ref }), digest: null, dueInMs: hour, inFlightMs: hour }
    await records.change(reservationKey(ref), (stored) => reserve(stored, command))
    return owner
  }
  return {
    pending: (id, dueInMs = hour) => begin(id, dueInMs),
    async inProgress(id) {
      await begin(id, hour)
      await take(id)
    },
    async parked(id, reason, note, assistant) {
      await begin(id, hour, assistant === undefined ? {} : { assistant })
      const token = await take(id)
      const decision = { token, leaseMs: hour, decision: approved, countAttempt: true }
      await records.change(approvalKey(id), (stored) => recordDecision(stored, decision))
      await records.change(approvalKey(id), (stored) => park(stored, { token, reason, note }))
    },
    async unconfirmed(ref, candidates = []) {
      const owner = await keep(ref)
      await records.change(reservationKey(ref), (stored) => markSent(stored, { owner, dueInMs: hour }))
      for (const id of candidates) await records.change(reservationKey(ref), (stored) => addCandidate(stored, { id }))
    },
    async reserved(ref) {
      await keep(ref)
    },
  }
}
