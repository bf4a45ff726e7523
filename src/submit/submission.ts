import { type ApprovalState, readReservation, type Tombstone } from '../approvals/entry.js'
import { type ConfirmedDecision, readConfirmed } from '../model/confirmed-decision.js'
import type { DecisionStatus } from '../model/decision.js'
import type { ListedEntry } from '../stores/store.js'
import { readDate } from '../util/dates.js'
import { type JsonObject, type JsonValue, showJson } from '../util/json.js'

/** The state of a submission. */
export type Submission = PendingSubmission | DecidedSubmission

/** A submission that waits for its decision, or is parked. */
export interface PendingSubmission {
  readonly status: 'pending'
  readonly approvalId: string
  /** Where a reviewer decides, if Cheqpoint returned it. */
  readonly reviewUrl: string | null
}

/** A decided submission: by a rule, within `maxWaitMs`, or earlier under the same key. */
export interface DecidedSubmission {
  /** `cancelled` after `cancel()`. */
  readonly status: DecisionStatus | 'cancelled'
  readonly approvalId: string
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  readonly decidedAt: Date | null
  /** The result of the handler; `null` if it returned none or has not ended. */
  readonly result: JsonValue
}

/** A submission that Cheqpoint may have accepted, without a known approval id. */
export interface UnconfirmedSubmission {
  /** Our reference: `ref` of `submission-unknown`, and the argument of `discard`. */
  readonly ref: string
  readonly action: string
  readonly assistant: string | null
  readonly details: JsonValue
  readonly context: JsonValue
  /** When it was sent, by the store's clock (ms since the epoch). */
  readonly sentAt: number
  /** The approval ids in callbacks with its token. */
  readonly candidates: readonly string[]
}

/** The state of a bound submission: from its entry, or what is known without it. */
export function summarize(known: Submission, kept: ApprovalState | 'unreadable' | null): Submission {
  const { approvalId } = known
  if (kept === null || kept === 'unreadable') return known
  if (kept.kind === 'completed') return completed(approvalId, kept)
  // Parked, it waits for a person, whatever the API returned.
  if (kept.parked !== null) return pending(approvalId)
  const confirmed = readConfirmed(kept.decision)
  return confirmed === null ? known : decided(approvalId, confirmed, null)
}

export function pending(approvalId: string): PendingSubmission {
  return { status: 'pending', approvalId, reviewUrl: null }
}

export function completed(approvalId: string, { outcome, decision, result }: Tombstone): DecidedSubmission {
  const nothing = { modifiedDetails: null, note: null, decidedAt: null }
  return decided(approvalId, { ...nothing, ...readConfirmed(decision), status: outcome }, result)
}

export function decided(
  approvalId: string,
  confirmed: Omit<ConfirmedDecision, 'status' | 'via'> & Pick<DecidedSubmission, 'status'>,
  result: string | null,
): DecidedSubmission {
  const { status, modifiedDetails, note, decidedAt } = confirmed
  return { status, approvalId, modifiedDetails, note, decidedAt: readDate(decidedAt), result: showJson(result) }
}

/** Reads an entry of the due index; nothing if it is not a submission without an id. */
export function readUnconfirmed({ key, entry }: ListedEntry): readonly UnconfirmedSubmission[] {
  if (!key.startsWith('r:') || entry === null) return []
  const known = readReservation({ now: 0, entry })
  if (known === null || known === 'unreadable' || known.kind !== 'reserved' || !known.sent) return []
  const { request, since: sentAt, candidates } = known
  const { action, assistant } = request
  const content = { details: showJson(request.details), context: showJson(request.context) }
  return [{ ref: key.slice(2), action, assistant, ...content, sentAt, candidates }]
}
