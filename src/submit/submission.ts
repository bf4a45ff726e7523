import type { ApprovalState } from '../approvals/entry.js'
import { type ConfirmedDecision, readConfirmed } from '../model/confirmed-decision.js'
import type { DecisionStatus } from '../model/decision.js'
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

/** What the store says of a submission that is bound; what is known without it where it does not. */
export function summarize(known: Submission, kept: ApprovalState | 'unreadable' | null): Submission {
  const { approvalId } = known
  if (kept === null || kept === 'unreadable') return known
  // Parked, it is a person's to decide, whatever the API said.
  if (kept.kind === 'open' && kept.parked !== null) return pending(approvalId)
  const confirmed = readConfirmed(kept.decision)
  if (kept.kind === 'completed') {
    const { outcome, result } = kept
    return decided(approvalId, { ...nothingMore, ...confirmed, status: outcome }, result)
  }
  return confirmed === null ? known : decided(approvalId, confirmed, null)
}

const nothingMore = { modifiedDetails: null, note: null, decidedAt: null }

export function pending(approvalId: string): PendingSubmission {
  return { status: 'pending', approvalId, reviewUrl: null }
}

export function decided(
  approvalId: string,
  confirmed: Omit<ConfirmedDecision, 'status' | 'via'> & Pick<DecidedSubmission, 'status'>,
  result: string | null,
): DecidedSubmission {
  const { status, modifiedDetails, note, decidedAt } = confirmed
  return {
    status,
    approvalId,
    modifiedDetails,
    note,
    decidedAt: readDate(decidedAt),
    result: showJson(result),
  }
}
