import { type ConfirmedDecision, showConfirmed } from '../model/confirmed-decision.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Snapshot } from '../stores/store.js'
import type { JsonValue } from '../util/json.js'
import { showJson } from '../util/json.js'

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
  readonly decision: ConfirmedDecision | null
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
      decision: showConfirmed(sealed),
    },
  ]
}
