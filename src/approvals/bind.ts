import type { Stored } from '../stores/store.js'
import { add } from './approval.js'
import { approvalKey, type Beginning, type BindingReservation, reservationKey } from './entry.js'
import type { Records } from './records.js'
import { beginBind, endBind } from './reservation.js'

export interface BindContext {
  readonly records: Records
  /** A binding that stops half-way is resumed after a lease. */
  readonly runs: { readonly leaseMs: number }
  /** How often a keyed reference checks whether its approval is still remembered. */
  readonly retentionMs: number
}

/**
 * Joins a reference and the approval id that it got, in three writes: the reference takes the id, the approval is written,
 * the reservation ends. Each may be repeated, and the sweep resumes one that stops in between.
 * `conflict`: the reference has another id, or the id belongs to another reference. `unknown`: there is no reservation.
 */
export async function bind(
  context: BindContext,
  ref: string,
  id: string,
  beginning: Beginning,
): Promise<'bound' | 'conflict' | 'unknown'> {
  const command = { id, beginning, dueInMs: context.runs.leaseMs }
  for (;;) {
    const begun = await context.records.change(reservationKey(ref), (stored) => beginBind(stored, command))
    if (begun.kind === 'unknown') return 'unknown'
    if (begun.kind === 'bound') return begun.id === id ? 'bound' : 'conflict'
    const verdict = await finishBinding(context, ref, begun.reservation)
    // Another id stood there, and is bound or refused now.
    if (begun.reservation.id === id) return verdict
  }
}

/** The second and the third write. */
export async function finishBinding(
  { records, runs, retentionMs }: BindContext,
  ref: string,
  reservation: BindingReservation,
): Promise<'bound' | 'conflict'> {
  const { id } = reservation
  const command = { reservation, retentionMs }
  const added = await records.change(approvalKey(id), (stored) => addBound(stored, command))
  const bound = added.kind === 'added' || (added.known !== 'unreadable' && added.known.ref === ref)
  const end = { id, bound, dueInMs: bound ? retentionMs : runs.leaseMs }
  await records.change(reservationKey(ref), (stored) => endBind(stored, end))
  return bound ? 'bound' : 'conflict'
}

/**
 * Adds the approval of a binding. After `retentionMs` its tombstone may be gone, so whether it was handled is unknown: it
 * is parked for a person.
 */
export function addBound(
  stored: Stored,
  { reservation, retentionMs }: Readonly<{ reservation: BindingReservation; retentionMs: number }>,
): ReturnType<typeof add> {
  const { request, beginning, since } = reservation
  const isOld = stored.now - since >= retentionMs
  const parked = isOld ? (beginning.parked ?? 'attempt-unfinished') : beginning.parked
  return add(stored, { request, beginning: { ...beginning, parked }, since })
}
