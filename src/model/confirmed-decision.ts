import { isJsonObject, type JsonObject } from '../util/json.js'
import type { DecisionStatus, Via } from './decision.js'

/** The confirmed decision, recorded before the handler starts, so that a retry needs no second GET. */
export interface ConfirmedDecision {
  readonly status: DecisionStatus
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  /** As the API wrote it. */
  readonly decidedAt: string | null
  readonly via: Via
}

/** The recorded decision, or `null` if it is damaged. */
export function readConfirmed(value: unknown): ConfirmedDecision | null {
  if (!isJsonObject(value)) return null
  const { status, modifiedDetails, note, decidedAt, via } = value
  if (status !== 'approved' && status !== 'rejected' && status !== 'expired') return null
  if (modifiedDetails !== null && !isJsonObject(modifiedDetails)) return null
  if (!isTextOrNull(note) || !isTextOrNull(decidedAt)) return null
  if (via !== 'callback' && via !== 'poll' && via !== 'inline' && via !== 'manual') return null
  return { status, modifiedDetails, note, decidedAt, via }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}
