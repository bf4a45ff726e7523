import { type ApprovalState, readReservation, type Tombstone } from '../approvals/entry.js'
import { type ConfirmedDecision, readConfirmed } from '../model/confirmed-decision.js'
import type { DecisionStatus } from '../model/decision.js'
import type { ListedEntry } from '../stores/store.js'
import { readDate } from '../util/dates.js'
import { type JsonObject, type JsonValue, showJson } from '../util/json.js'

/** What became of a submission. */
export type Submission = PendingSubmission | DecidedSubmission

/** A submission that waits for its decision, or for a person where it is parked. */
export interface PendingSubmission {
  readonly status: 'pending'
  readonly approvalId: string
  /** Where a reviewer decides, if Cheqpoint said. */
  readonly reviewUrl: string | null
}

/** A submission that is decided: by a rule at once, while Cheqpoint held the call, or earlier under the same key. */
export interface DecidedSubmission {
  /** `cancelled` where a person ended it without a run. */
  readonly status: DecisionStatus | 'cancelled'
  readonly approvalId: string
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  readonly decidedAt: Date | null
  /** What the handler returned; `null` where it returned nothing or has not ended. */
  readonly result: JsonValue
}

/** A submission that Cheqpoint may have taken, and whose approval id is not known. */
export interface UnconfirmedSubmission {
  /** Our own reference: what `submission-unknown` carried, and what `discard` takes. */
  readonly ref: string
  readonly action: string
  readonly assistant: string | null
  readonly details: JsonValue
  readonly context: JsonValue
  /** When it was sent, by the store's clock (ms since the epoch). */
  readonly sentAt: number
  /** Approval ids that callbacks with its token named. */
  readonly candidates: readonly string[]
}

/** What the store says of a submission that is bound; what is known without it where it does not. */
export function summarize(known: Submission, kept: ApprovalState | 'unreadable' | null): Submission {
  const { approvalId } = known
  if (kept === null || kept === 'unreadable') return known
  if (kept.kind === 'completed') return completed(approvalId, kept)
  // Parked, it is a person's to decide, whatever the API said.
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

/** Reads an entry of the due index; nothing where it is no submission without an id. */
export function readUnconfirmed({ key, entry }: ListedEntry): readonly UnconfirmedSubmission[] {
  if (!key.startsWith('r:') || entry === null) return []
  const known = readReservation({ now: 0, entry })
  if (known === null || known === 'unreadable' || known.kind !== 'reserved' || !known.sent) return []
  const { request, since: sentAt, candidates } = known
  const { action, assistant } = request
  const content = { details: showJson(request.details), context: showJson(request.context) }
  return [{ ref: key.slice(2), action, assistant, ...content, sentAt, candidates }]
}
