import type { ConfirmedDecision } from './confirmed-decision.js'
import type { DecisionStatus } from './decision.js'
import type { ErrorCode } from './errors.js'
import type { RefusalReason } from './events.js'
import type { ParkReason } from './park-reason.js'

/** A callback that was refused without an API call. */
export interface Refusal {
  readonly kind: RefusalReason
}

/**
 * The result of a trigger. A closed union: each kind has one row in the table of responses. Do not log it as a whole:
 * `confirmed` has the reviewer's edit and note, `error` is the store's error. {@link toResponse} shows neither.
 */
export type Outcome = Readonly<
  | Refusal
  /** The handler finished now. */
  | { kind: 'handled'; approvalId: string; status: DecisionStatus; confirmed: ConfirmedDecision }
  /** The handler finished before. `confirmed` is `null` if only the outcome was kept, or the approval was cancelled. */
  | { kind: 'completed'; approvalId: string; confirmed: ConfirmedDecision | null }
  /** Confirmed, but parked because of the reviewer's edit. */
  | { kind: 'edit-refused'; approvalId: string; reason: ParkReason; confirmed: ConfirmedDecision }
  /** The approval waits for a person. */
  | { kind: 'parked'; approvalId: string; reason: ParkReason | null }
  /** The handler still runs, and its lease is renewed. */
  | { kind: 'running'; approvalId: string }
  | { kind: 'handler-failed'; approvalId: string; confirmed: ConfirmedDecision; retryAfterMs: number }
  | Waiting
  | { kind: 'api-failed'; approvalId: string; code: ErrorCode; retryAfterMs: number }
  | { kind: 'api-key-refused' | 'assistant-unknown' | 'no-handler'; approvalId: string }
  | { kind: 'store-unavailable'; error: unknown }
>

/** Not an error: the approval cannot be worked on now. */
export interface Waiting {
  readonly kind:
    | 'in-progress'
    | 'over-budget'
    /** All slots for polls or handlers are in use. */
    | 'no-free-slot'
    | 'too-soon'
    /** The token is valid, but its submission has no id yet. */
    | 'awaiting-id'
    | 'undecided'
    | 'api-throttled'
  readonly approvalId: string
  readonly retryAfterMs: number
}
