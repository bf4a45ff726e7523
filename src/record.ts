import type { DecisionStatus, JsonObject, JsonValue, Via } from './decision.js'

/** Version of the stored form. A store leaves a record of a higher version alone. */
export const recordVersion = 1

/** Text that holds JSON. Stores keep it as it is and never look inside. */
export type JsonText = string

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

/** The confirmed decision, written before the handler starts, so that a retry never asks again. */
export interface Sealed {
  readonly status: DecisionStatus
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  /** As the API wrote it. */
  readonly decidedAt: string | null
  readonly via: Via
}

/** Why a record waits for a person. */
export type ParkReason =
  /** A reviewer's edit does not pass the action's schema. */
  | 'edit-invalid'
  /** A reviewer's edit lacks keys of the original, and nothing says whether it replaces or patches. */
  | 'edit-ambiguous'
  /** A reviewer edited, and the action refuses edits. */
  | 'edit-refused'
  /** The submitted details no longer pass the action's schema. */
  | 'details-invalid'
  /** The stored context no longer passes the action's schema. */
  | 'context-invalid'
  /** `runs.maxStarts` starts, and none finished. */
  | 'too-many-starts'
  /** At-most-once: a start was recorded, and nobody knows how it ended. */
  | 'started-before'
  /** At-most-once: the handler threw, or ran into `runs.timeoutMs`. */
  | 'handler-failed'
  /** The API gave no readable answer for 24 hours after `expiresAt`. */
  | 'unconfirmed'
  /** Found by its callback after its own submission was lost. */
  | 'adopted'
  /** What the store holds cannot be read. */
  | 'corrupt'

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

export function writeSealed(sealed: Sealed): JsonText {
  return JSON.stringify(sealed)
}

/** Reads what {@link writeSealed} wrote. Throws on anything else, so that damage never becomes a decision. */
export function readSealed(text: JsonText): Sealed {
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
export function showSealed(text: JsonText | null): Sealed | null {
  try {
    return text === null ? null : readSealed(text)
  } catch {
    return null
  }
}

/** Whether a JSON value is an object rather than an array or a scalar. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function readJson(text: JsonText): JsonValue {
  // JSON.parse yields nothing but JSON values.
  return JSON.parse(text) as JsonValue
}

/** The same for those who only show it: `null` where it is damaged, whose text an error would quote, or nothing was kept. */
export function showJson(text: JsonText | null): JsonValue {
  try {
    return text === null ? null : readJson(text)
  } catch {
    return null
  }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}
