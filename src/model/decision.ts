import type { JsonObject, JsonValue } from '../util/json.js'

/** How a request ended. `expired` also stands for timed out and cancelled. */
export type DecisionStatus = 'approved' | 'rejected' | 'expired'

/** Which trigger found the decision. For logs; do not depend on it. */
export type Via = 'callback' | 'poll' | 'inline' | 'manual'

interface Base<Context> {
  readonly approvalId: string
  readonly action: string
  /** The details as they were submitted. */
  readonly originalDetails: unknown
  /** The reviewer's edit as the API returned it, or `null` without one. */
  readonly modifiedDetails: JsonObject | null
  /** The reviewer's note. It may contain a condition that appears nowhere else. */
  readonly note: string | null
  /** When it was decided, by Cheqpoint's clock; `null` if the API did not say, or it expired undecided. */
  readonly decidedAt: Date | null
  /** The context that was given with the request. */
  readonly context: Context
  readonly via: Via
}

/** An approval that the API confirmed. Only this type has `details`. */
export interface ApprovedDecision<Details = JsonObject, Context = JsonValue> extends Base<Context> {
  readonly status: 'approved'
  /** What to act on: the reviewer's edit or the original, parsed by the action's schema. */
  readonly details: Details
  /** JSON Pointers (RFC 6901) of the differences between the original and `details`, before parsing. */
  readonly changedPaths: readonly string[]
}

/** A request that must not be acted on. */
export interface RefusedDecision<Context = JsonValue> extends Base<Context> {
  readonly status: 'rejected' | 'expired'
}

/** What a handler receives: confirmed by the API, never taken from a callback. */
export type Decision<Details = JsonObject, Context = JsonValue> =
  | ApprovedDecision<Details, Context>
  | RefusedDecision<Context>

/** One run of a handler. */
export interface Run {
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Rises with each claim. A resource that remembers the highest one can refuse an older, stalled run. */
  readonly fence: number
  /** `cheqpoint:<approvalId>`, the same on every attempt. Pass it on to the APIs you call. */
  readonly idempotencyKey: string
  /** Aborts when the lease is lost, after `runs.timeoutMs`, or when the receiver closes. */
  readonly signal: AbortSignal
}

const words: ReadonlyMap<string, DecisionStatus | 'pending'> = new Map([
  ['approved', 'approved'],
  ['rejected', 'rejected'],
  ['declined', 'rejected'],
  ['expired', 'expired'],
  ['timed_out', 'expired'],
  ['cancelled', 'expired'],
  ['canceled', 'expired'],
  ['pending', 'pending'],
])

/** Meaning of a status word, in any case. Any other word is `unknown`, and decides nothing. */
export function readStatus(word: string): DecisionStatus | 'pending' | 'unknown' {
  return words.get(word.toLowerCase()) ?? 'unknown'
}
