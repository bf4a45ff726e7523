import type { JsonValue } from './decision.js'
import { type ParkReason, type Sealed, showJson, showSealed } from './record.js'
import type { Reservation, Snapshot } from './store.js'

/** A record that waits for a person. */
export interface ParkedApproval {
  readonly approvalId: string
  readonly action: string
  readonly assistant: string | null
  readonly reason: ParkReason
  /** JSON Pointers of what was wrong, separated by spaces; empty where the reason says it all. */
  readonly note: string
  /** Starts of its handler so far. */
  readonly starts: number
  /** What was submitted; `null` where it cannot be read. */
  readonly details: JsonValue
  readonly context: JsonValue
  /** The confirmed decision; `null` where there is none yet, or it cannot be read. */
  readonly decision: Sealed | null
}

/** Reads a parked snapshot, damaged or not: a person must see it either way. */
export function readParked(snapshot: Snapshot): readonly ParkedApproval[] {
  if (snapshot.state !== 'parked') return []
  const { record, reason, note, starts, sealed } = snapshot
  return [
    {
      approvalId: record.id,
      action: record.action,
      assistant: record.assistant,
      reason,
      note,
      starts,
      details: showJson(record.details),
      context: showJson(record.context),
      decision: showSealed(sealed),
    },
  ]
}

/** A submission of which nobody knows whether Cheqpoint took it. */
export interface UnboundSubmission {
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

export function readUnbound({ ref, draft, ageMs, candidates }: Reservation): UnboundSubmission {
  const { action, assistant } = draft
  const details = showJson(draft.details)
  return { ref, action, assistant, details, context: showJson(draft.context), ageMs, candidates }
}
