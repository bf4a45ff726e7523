import type { DecisionStatus } from '../model/decision.js'
import type { JsonText } from '../util/json.js'

/** Version of the stored form. A store leaves a record of a higher version alone. */
export const recordVersion = 1

/** What is kept of a request from before it is sent until a handler finished. JSON only. */
export interface Draft {
  /** Our own reference, carried by the token in the callback URL; `null` for a request submitted elsewhere. */
  readonly ref: string | null
  readonly action: string
  /** Name of the assistant whose key submitted the request, never the key; `null` where there is one key only. */
  readonly assistant: string | null
  /** After this moment (ms since the epoch) a fresh approval no longer runs. */
  readonly expiresAt: number | null
  readonly details: JsonText
  readonly context: JsonText
}

/** A draft whose approval id is known. */
export interface NewRecord extends Draft {
  readonly id: string
}

/** A record as a store gives it back. */
export interface ApprovalRecord extends NewRecord {
  readonly version: number
}

/** What is left of a finished record for as long as `retentionMs`. */
export interface Tombstone {
  readonly id: string
  readonly ref: string | null
  readonly action: string
  readonly assistant: string | null
  readonly outcome: DecisionStatus | 'cancelled'
  /** The sealed decision; `null` after a cancel, or where only the outcome is kept. */
  readonly sealed: JsonText | null
  /** What the handler returned; `null` where it returned nothing. */
  readonly result: JsonText | null
}
