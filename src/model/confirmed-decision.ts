import { isJsonObject, type JsonObject, type JsonText } from '../util/json.js'
import type { DecisionStatus, Via } from './decision.js'

/** The confirmed decision, written before the handler starts, so that a retry never asks again. */
export interface ConfirmedDecision {
  readonly status: DecisionStatus
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  /** As the API wrote it. */
  readonly decidedAt: string | null
  readonly via: Via
}

export function writeConfirmed(sealed: ConfirmedDecision): JsonText {
  return JSON.stringify(sealed)
}

/** Reads what {@link writeConfirmed} wrote. Throws on anything else, so that damage never becomes a decision. */
export function readConfirmed(text: JsonText): ConfirmedDecision {
  const value: unknown = JSON.parse(text)
  if (!isJsonObject(value)) throw new TypeError('a sealed decision is an object')
  const { status, modifiedDetails, note, decidedAt, via } = value
  if (status !== 'approved' && status !== 'rejected' && status !== 'expired') throw new TypeError('unknown status')
  if (modifiedDetails !== null && !isJsonObject(modifiedDetails)) throw new TypeError('modifiedDetails')
  if (!isTextOrNull(note) || !isTextOrNull(decidedAt)) throw new TypeError('note or decidedAt')
  if (via !== 'callback' && via !== 'poll' && via !== 'inline' && via !== 'manual') throw new TypeError('via')
  return { status, modifiedDetails, note, decidedAt, via }
}

/** The same for those who only show it: `null` where it is damaged, or was not kept. */
export function showConfirmed(text: JsonText | null): ConfirmedDecision | null {
  try {
    return text === null ? null : readConfirmed(text)
  } catch {
    return null
  }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}
