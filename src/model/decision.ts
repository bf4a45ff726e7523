import type { JsonObject, JsonValue } from '../util/json.js'

/** How a request ended. `expired` also stands for timed out and cancelled. */
export type DecisionStatus = 'approved' | 'rejected' | 'expired'

/** Which trigger brought the decision. Information for logs; nothing should depend on it. */
export type Via = 'callback' | 'poll' | 'inline' | 'manual'

interface Base<Context> {
  readonly approvalId: string
  readonly action: string
  /** What was submitted, as it was submitted. */
  readonly originalDetails: unknown
  /** The reviewer's edit as the API gave it, or `null` where there was none. */
  readonly modifiedDetails: JsonObject | null
  /** The reviewer's note. Conditions may stand only here. */
  readonly note: string | null
  /** When it was decided, by Cheqpoint's clock; `null` where the API did not say, or nobody decided. */
  readonly decidedAt: Date | null
  /** What was kept with the request for this moment. */
  readonly context: Context
  readonly via: Via
}

/** An approval that the API confirmed. Only here do `details` exist. */
export interface ApprovedDecision<Details = JsonObject, Context = JsonValue> extends Base<Context> {
  readonly status: 'approved'
  /** What to act on: the reviewer's edit or the original, parsed by the action's schema. */
  readonly details: Details
  /** JSON Pointers (RFC 6901) of what differs between the original and `details` before parsing. */
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
  /** 1 for the first start of this decision. */
  readonly attempt: number
  /** Rises with every claim of this approval: a resource that remembers it can refuse a stalled, older run. */
  readonly fence: number
  /** `cheqpoint:<approvalId>`, the same on every attempt. Hand it to whatever you call. */
  readonly idempotencyKey: string
  /** Aborts when the lease is lost, the run takes longer than `runs.timeoutMs`, or the receiver closes. */
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

/** Meaning of a status word, whatever its case. Anything but an exact, known word is `unknown`, and decides nothing. */
export function readStatus(word: string): DecisionStatus | 'pending' | 'unknown' {
  return words.get(word.toLowerCase()) ?? 'unknown'
}
