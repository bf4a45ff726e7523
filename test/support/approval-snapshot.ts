import * as steps from '../../src/approvals/approval.js'
import {
  approvalKey,
  readApproval,
  readReservation,
  reservationKey,
  type TrackedRequest,
} from '../../src/approvals/entry.js'
import { Records } from '../../src/approvals/records.js'
import { markSent, reserve } from '../../src/approvals/reservation.js'
import type { ConfirmedDecision, ParkReason, Store, Stored } from '../../src/index.js'
import { systemClock } from '../../src/util/clock.js'

/** The stored state of an approval, as one flat object. */
export interface Snapshot {
  readonly state: 'pending' | 'claimed' | 'parked' | 'completed' | 'unreadable'
  readonly fence?: number
  readonly attempts?: number
  readonly decision?: ConfirmedDecision | null
  /** Time until it is due, in milliseconds; negative if overdue, `null` if it is not in the due index. */
  readonly dueInMs: number | null
  readonly reason?: ParkReason
  readonly note?: string
  readonly outcome?: string
  readonly result?: string | null
}

/** Reads the stored approval; `null` if there is none. */
export async function snapshotOf(store: Store, approvalId: string): Promise<Snapshot | null> {
  return readSnapshot(await store.read(approvalKey(approvalId)))
}

export function readSnapshot(stored: Stored): Snapshot | null {
  const { now, entry } = stored
  const known = readApproval(stored)
  if (known === null) return null
  const dueInMs = typeof entry?.dueAt === 'number' ? entry.dueAt - now : null
  if (known === 'unreadable') return { state: 'unreadable', dueInMs }
  if (known.kind === 'completed') {
    const { outcome, decision, result } = known
    return { state: 'completed', dueInMs, outcome, decision, result }
  }
  const { fence, attempts, decision, parked } = known
  const state = parked !== null ? 'parked' : steps.isLeased(known, now) ? 'claimed' : 'pending'
  return { state, fence, attempts, decision, dueInMs, ...parked }
}

/** The state of a reservation: open, ended, or absent. */
export async function reservationOf(store: Store, ref: string): Promise<string | null> {
  const known = readReservation(await store.read(reservationKey(ref)))
  return known === null || known === 'unreadable' ? known : known.kind
}

/** Reads and writes entries as a receiver does. */
export function recordsOf(store: Store): Records {
  return new Records({ store, clock: systemClock, random: () => 0.5 })
}

const nothing: TrackedRequest = {
  ...{ ref: null, action: 'process_refund', assistant: null, expiresAt: null, expiresAfterMs: null },
  ...{ details: '{}', context: 'null' },
}

/** Writes an approval directly to the store. */
export async function addApproval(
  store: Store,
  approvalId: string,
  request: Partial<TrackedRequest> = {},
  dueInMs = 0,
): Promise<void> {
  const records = recordsOf(store)
  const beginning = { dueInMs, decision: null, parked: null }
  await records.change(approvalKey(approvalId), (stored) =>
    steps.add(stored, { request: { ...nothing, ...request }, beginning }),
  )
}

/** Writes a sent submission without an id directly to the store. */
export async function addReservation(store: Store, ref: string, dueInMs: number): Promise<void> {
  const records = recordsOf(store)
  const owner = records.newToken()
  const key = reservationKey(ref)
  const command = { owner, request: { ...nothing, ref }, digest: null, dueInMs, inFlightMs: 15_000 }
  await records.change(key, (stored) => reserve(stored, command))
  await records.change(key, (stored) => markSent(stored, { owner, dueInMs }))
}

/** Makes an approval due now, as a callback does that found no free slot. */
export async function nudgeNow(store: Store, approvalId: string): Promise<void> {
  await recordsOf(store).change(approvalKey(approvalId), (stored) => steps.nudge(stored, { withinMs: 0 }))
}
