import type { ConfirmedDecision } from './confirmed-decision.js'
import type { DecisionStatus } from './decision.js'
import type { ErrorCode } from './errors.js'
import type { RefusalReason } from './events.js'
import type { ParkReason } from './park-reason.js'

/** A callback that was refused before anything was asked of the API. */
export interface Refusal {
  readonly kind: RefusalReason
}

/**
 * What became of a trigger. A closed union: each kind has one row in the table of answers below. Not for logs as it is:
 * `confirmed` has the reviewer's edit and note, `error` what the store threw. {@link toResponse} shows neither.
 */
export type Outcome = Readonly<
  | Refusal
  /** The handler ran to its end now. */
  | { kind: 'handled'; approvalId: string; status: DecisionStatus; confirmed: ConfirmedDecision }
  /** It did so before; `confirmed` is `null` where the tombstone keeps the outcome only, or the record was cancelled. */
  | { kind: 'completed'; approvalId: string; confirmed: ConfirmedDecision | null }
  /** Confirmed, and parked because the reviewer's edit must not run. */
  | { kind: 'edit-refused'; approvalId: string; reason: ParkReason; confirmed: ConfirmedDecision }
  /** Waits for a person. */
  | { kind: 'parked'; approvalId: string; reason: ParkReason | null }
  /** The handler is still at work; the lease goes on. */
  | { kind: 'running'; approvalId: string }
  | { kind: 'handler-failed'; approvalId: string; confirmed: ConfirmedDecision; retryAfterMs: number }
  | Waiting
  | { kind: 'api-failed'; approvalId: string; code: ErrorCode; retryAfterMs: number }
  | { kind: 'api-key-refused' | 'assistant-unknown' | 'no-handler'; approvalId: string }
  | { kind: 'store-unavailable'; error: unknown }
>

/** Nothing is wrong, but not now. */
export interface Waiting {
  readonly kind:
    | 'in-progress'
    | 'over-budget'
    /** Every place for polls, or for handlers, is taken. */
    | 'no-free-slot'
    | 'too-soon'
    /** A valid token whose submission has no id yet. */
    | 'awaiting-id'
    | 'undecided'
    | 'api-throttled'
  readonly approvalId: string
  readonly retryAfterMs: number
}
