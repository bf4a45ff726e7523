import type { Reservation } from '../stores/store.js'
import { type JsonValue, showJson } from '../util/json.js'

/** A submission of which nobody knows whether Cheqpoint took it. */
export interface UnconfirmedSubmission {
  /** Our own reference: what `submission-unknown` carried, and what `discard` takes. */
  readonly ref: string
  readonly action: string
  readonly assistant: string | null
  readonly details: JsonValue
  readonly context: JsonValue
  readonly ageMs: number
  /** Approval ids that callbacks with its token named. */
  readonly candidates: readonly string[]
}

export function readUnconfirmed({ ref, draft, ageMs, candidates }: Reservation): UnconfirmedSubmission {
  const { action, assistant } = draft
  const details = showJson(draft.details)
  return { ref, action, assistant, details, context: showJson(draft.context), ageMs, candidates }
}
