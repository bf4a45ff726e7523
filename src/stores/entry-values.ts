import { CheqpointError } from '../model/errors.js'
import { isJsonObject, type JsonObject } from '../util/json.js'

/*
 * Checks of stores that keep entries as text. They throw `argument-invalid` for values that would not come back
 * unchanged.
 */

export function checkedStamp(stamp: string): string {
  if (/^[ -~]{1,64}$/.test(stamp)) return stamp
  throw invalidArgument('a stamp must be 1 to 64 printable ASCII characters')
}

export function checkedTime(time: number | null): number | null {
  if (time === null || Number.isSafeInteger(time)) return time
  throw invalidArgument(`a time must be a whole number of milliseconds; it was ${time}`)
}

/** Rounds a duration up to whole milliseconds. */
export function checkedDuration(ms: number): number {
  if (ms >= 0 && ms <= 4e15) return Math.ceil(ms)
  throw invalidArgument(`a duration must be from 0 to 4e15 ms; it was ${ms}`)
}

export function invalidArgument(message: string): CheqpointError {
  return new CheqpointError('argument-invalid', message)
}

/** Parses the text of a state. Returns `null` if it is damaged. */
export function parseState(text: string): JsonObject | null {
  try {
    // JSON.parse returns only JSON values.
    const state: unknown = JSON.parse(text)
    return isJsonObject(state) ? state : null
  } catch {
    return null
  }
}

/** Writes JSON as ASCII, which every server and client passes on unchanged. */
export function asciiJson(state: JsonObject): string {
  // JSON.stringify escapes NUL and lone surrogates already.
  return JSON.stringify(state).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * Writes a key as ASCII: unchanged if it is printable, else `=` (which starts no key) and its UTF-16 in base64. The
 * result fits every server encoding, and a Postgres index, whose entries have at most 2,704 bytes.
 */
export function asciiKey(key: string): string {
  return /^[ar]:[ -~]*$/.test(key) ? key : `=${Buffer.from(key, 'utf16le').toString('base64url')}`
}

/** Reads a key that {@link asciiKey} wrote. */
export function keyOf(ascii: string): string {
  return ascii.startsWith('=') ? Buffer.from(ascii.slice(1), 'base64url').toString('utf16le') : ascii
}
