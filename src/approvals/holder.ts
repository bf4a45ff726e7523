import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Stored } from '../stores/store.js'
import type { JsonText } from '../util/json.js'
import { type Found, find, parkedNow, quickPolls, tombstone } from './approval.js'
import { type OpenApproval, open, readApproval, type Step } from './entry.js'

/*
 * Steps of the state machine that the holder of a lease takes. `lost`: another holder took over, and nothing is written.
 */

/**
 * Moves the end of the lease to `leaseMs` from now. Accepted after it ran out, unless another holder took over.
 * `completed`: this holder completed the approval, and there is no lease any more.
 */
export function extend(
  stored: Stored,
  { token, leaseMs }: { readonly token: string; readonly leaseMs: number },
): Step<'extended' | 'completed' | 'lost'> {
  const found = find(stored)
  if (isCompletedBy(found, token)) return { result: 'completed' }
  if (!isHeld(found, token)) return { result: 'lost' }
  const leaseEnd = stored.now + leaseMs
  return { result: 'extended', next: open({ ...found, leaseEnd }, leaseEnd) }
}

/**
 * Writes the confirmed decision, unless one is written already, and renews the lease. With `countAttempt` the handler
 * starts now; without, the approval is given back at once, due now. Answers with the approval as it stands: the first
 * decision that was recorded is the one that counts.
 */
export function recordDecision(
  stored: Stored,
  command: Readonly<{ token: string; leaseMs: number; decision: ConfirmedDecision; countAttempt: boolean }>,
): Step<{ readonly kind: 'recorded'; readonly approval: OpenApproval } | { readonly kind: 'lost' }> {
  const { token, leaseMs, decision, countAttempt } = command
  const found = find(stored)
  if (found.kind !== 'open' || found.holder !== token) return { result: { kind: 'lost' } }
  // Recorded and given back before, by this token.
  if (found.leaseEnd === null)
    return { result: found.decision === null ? { kind: 'lost' } : { kind: 'recorded', approval: found } }
  const isCounted = countAttempt && !found.counted
  // One copy: each costs as much as the rest of the step.
  const approval = {
    ...found,
    decision: found.decision ?? decision,
    // The decision says whether it expired.
    expiresAt: null,
    expiresAfterMs: null,
    nudged: false,
    quickPolls: 0,
    leaseEnd: countAttempt ? stored.now + leaseMs : null,
    notBefore: countAttempt ? found.notBefore : 0,
    attempts: found.attempts + (isCounted ? 1 : 0),
    counted: found.counted || isCounted,
  }
  return { result: { kind: 'recorded', approval }, next: open(approval, approval.leaseEnd ?? stored.now) }
}

/** Gives the lease back. A nudge that came meanwhile makes the approval due at the end of `notBeforeMs`. */
export function release(
  stored: Stored,
  command: {
    readonly token: string
    readonly dueInMs: number
    readonly notBeforeMs: number
    /** The attempt that this token counted did not happen, or did not get to matter. */
    readonly giveAttemptBack?: boolean | undefined
  },
): Step<'released' | 'lost'> {
  const found = find(stored)
  if (found.kind !== 'open' || found.holder !== command.token) return { result: 'lost' }
  if (found.leaseEnd === null) return { result: 'released' }
  const { now } = stored
  const isGivenBack = command.giveAttemptBack === true && found.counted
  const quick = found.decision !== null ? 0 : found.nudged ? quickPolls : found.quickPolls
  const notBefore = now + command.notBeforeMs
  const approval = {
    ...found,
    leaseEnd: null,
    // A holder's time may be a millisecond ahead of the store's: without an interval that must not delay a claim.
    notBefore: command.notBeforeMs === 0 ? 0 : notBefore,
    nudged: false,
    quickPolls: Math.max(quick - 1, 0),
    attempts: found.attempts - (isGivenBack ? 1 : 0),
    counted: found.counted && !isGivenBack,
  }
  const dueAt = quick > 0 ? Math.min(notBefore, now + command.dueInMs) : now + command.dueInMs
  return { result: 'released', next: open(approval, dueAt) }
}

/**
 * Ends the approval: a tombstone stays for `keepMs`; details and context are erased. Accepted from the current holder
 * after its lease ran out, unless another holder took over.
 */
export function complete(
  stored: Stored,
  { token, result, keepMs }: { readonly token: string; readonly result: JsonText | null; readonly keepMs: number },
): Step<'completed' | 'lost'> {
  const found = find(stored)
  if (isCompletedBy(found, token)) return { result: 'completed' }
  if (!isHeld(found, token) || found.decision === null) return { result: 'lost' }
  const { decision } = found
  return {
    result: 'completed',
    next: tombstone(found, { holder: token, outcome: decision.status, decision, result }, stored, keepMs),
  }
}

/** Takes the approval out of the due index until a person retries or cancels it. `note` is for that person. */
export function park(
  stored: Stored,
  { token, reason, note }: { readonly token: string; readonly reason: ParkReason; readonly note: string },
): Step<'parked' | 'lost'> {
  const known = readApproval(stored)
  if (known === null || known === 'unreadable' || known.kind !== 'open' || known.holder !== token)
    return { result: 'lost' }
  if (known.parked !== null) return { result: 'parked' }
  if (known.leaseEnd === null) return { result: 'lost' }
  return { result: 'parked', next: parkedNow({ ...known, parked: { reason, note } }, stored.now) }
}

function isCompletedBy(found: Found, token: string): boolean {
  return found.kind === 'completed' && found.tombstone.holder === token
}

function isHeld(found: Found, token: string): found is OpenApproval {
  return found.kind === 'open' && found.holder === token && found.leaseEnd !== null
}
