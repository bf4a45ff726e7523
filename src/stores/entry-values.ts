import { CheqpointError } from '../model/errors.js'
import { isJsonObject, type JsonObject } from '../util/json.js'

/*
 * What every store that keeps texts refuses, since it would not come back unchanged. All of these throw
 * `argument-invalid`.
 */

export function checkedStamp(stamp: string): string {
  if (/^[ -~]{1,64}$/.test(stamp)) return stamp
  throw invalidArgument('a stamp must be 1 to 64 printable ASCII characters')
}

export function checkedTime(time: number | null): number | null {
  if (time === null || Number.isSafeInteger(time)) return time
  throw invalidArgument(`a time must be a whole number of milliseconds; it was ${time}`)
}

/** A duration in whole milliseconds, rounded up. */
export function checkedDuration(ms: number): number {
  if (ms >= 0 && ms <= 4e15) return Math.ceil(ms)
  throw invalidArgument(`a duration must be from 0 to 4e15 ms; it was ${ms}`)
}

export function invalidArgument(message: string): CheqpointError {
  return new CheqpointError('argument-invalid', message)
}

/** The state that a text holds, or `null` where it is damaged. */
export function parseState(text: string): JsonObject | null {
  try {
    // JSON.parse yields nothing but JSON values.
    const state: unknown = JSON.parse(text)
    return isJsonObject(state) ? state : null
  } catch {
    return null
  }
}

/** JSON as ASCII, which every server and client passes on unchanged. */
export function asciiJson(state: JsonObject): string {
  // JSON.stringify escapes NUL and lone surrogates already.
  return JSON.stringify(state).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/**
 * A key as ASCII: as it is where it is printable, else its UTF-16 in base64 after `=`, which no key starts with. So it
 * fits every encoding of a server, and an index of Postgres, whose entries have at most 2,704 bytes.
 */
export function asciiKey(key: string): string {
  return /^[ar]:[ -~]*$/.test(key) ? key : `=${Buffer.from(key, 'utf16le').toString('base64url')}`
}

/** The key that {@link asciiKey} wrote so. */
export function keyOf(ascii: string): string {
  return ascii.startsWith('=') ? Buffer.from(ascii.slice(1), 'base64url').toString('utf16le') : ascii
}
