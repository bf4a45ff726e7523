import type { ParkReason } from '../model/park-reason.js'
import type { Stored } from '../stores/store.js'
import { find, isLeased, parkedNow, tombstone } from './approval.js'
import { isOfThisFormat, open, readApproval, readReservation, type Step } from './entry.js'
import { type Discarded, discard, ended } from './reservation.js'

/*
 * Steps of the state machine that no holder takes: parking what must not be claimed again, and what a person does.
 */

/** Parks an approval without a live lease: its attempts are used up, or the end of one is unknown. */
export function parkUnheld(
  stored: Stored,
  { token, reason }: Readonly<{ token: string; reason: ParkReason }>,
): Step<'parked' | 'lost'> {
  const found = find(stored)
  if (found.kind === 'parked') return { result: 'parked' }
  if (found.kind !== 'open' || isLeased(found, stored.now)) return { result: 'lost' }
  return { result: 'parked', next: parkedNow({ ...found, holder: token, parked: { reason, note: '' } }, stored.now) }
}

/** A parked approval is pending again, due at once, its attempts forgotten and its decision kept. */
export function retry(stored: Stored, { by }: { readonly by: string }): Step<'pending' | 'not-parked' | 'unknown'> {
  const known = readApproval(stored)
  if (known === null || known === 'unreadable') return { result: known === null ? 'unknown' : 'not-parked' }
  if (known.kind !== 'open' || known.parked === null) {
    return { result: known.kind === 'open' && known.holder === by ? 'pending' : 'not-parked' }
  }
  const { now } = stored
  const state = { ...known, parked: null, holder: by, leaseEnd: null, attempts: 0, counted: false, notBefore: 0 }
  return { result: 'pending', next: open(state, now) }
}

/** Ends a parked or pending approval, or a damaged one, without a run. `in-progress`: it is leased now. */
export function cancel(
  stored: Stored,
  { by, keepMs }: Readonly<{ by: string; keepMs: number }>,
): Step<'cancelled' | 'in-progress' | 'completed' | 'unknown'> {
  const known = readApproval(stored)
  if (known === null) return { result: 'unknown' }
  const end = { holder: by, outcome: 'cancelled', decision: null, result: null } as const
  if (known === 'unreadable') {
    if (!isDamaged(stored)) return { result: 'unknown' }
    const nothing = { ref: null, action: '', assistant: null }
    return { result: 'cancelled', next: tombstone(nothing, end, stored, keepMs) }
  }
  if (known.kind === 'completed') return { result: known.holder === by ? 'cancelled' : 'completed' }
  if (known.parked === null && isLeased(known, stored.now)) return { result: 'in-progress' }
  return { result: 'cancelled', next: tombstone(known, end, stored, keepMs) }
}

/** Forgets a submission, or a damaged reference. */
export function forget(stored: Stored, command: { readonly by: string }): Step<Discarded> {
  if (readReservation(stored) !== 'unreadable') return discard(stored, command)
  return isDamaged(stored)
    ? { result: 'discarded', next: ended({ kind: 'discarded', by: command.by }) }
    : { result: 'unknown' }
}

/** Whether an unreadable entry may be replaced. What a newer version wrote is left alone. */
function isDamaged({ entry }: Stored): boolean {
  return entry !== null && isOfThisFormat(entry.state)
}
