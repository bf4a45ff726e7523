import { createHash } from 'node:crypto'
import { CheqpointError } from '../../model/errors.js'
import { checkedDuration, checkedStamp, checkedTime, parseState } from '../entry-values.js'
import type { Entry, Stored } from '../store.js'

/** What a statement takes in the place of a parameter. */
export type SqlValue = string | number | null
/** One row: an object with a property for each column. */
export type Row = Readonly<Record<string, unknown>>

/**
 * How a key is stored: printable ASCII as it is, anything else as UTF-16 in base64 after `=`, which no key starts with.
 * So it fits every encoding of a server, and an index of Postgres, whose entries have at most 2,704 bytes.
 */
export function storedKey(key: string): string {
  return /^[ar]:[ -~]*$/.test(key) ? key : `=${Buffer.from(key, 'utf16le').toString('base64url')}`
}

/** The key of a row, as {@link storedKey} was given it. */
export function readKey(row: Row): string {
  const stored = text(row, 'key')
  return stored.startsWith('=') ? Buffer.from(stored.slice(1), 'base64url').toString('utf16le') : stored
}

/** Parameters for stamp, due, parked, state and keep. Throws `argument-invalid` for what would not come back unchanged. */
export function entryValues({ stamp, dueAt, parkedAt, state }: Entry, keepMs: number | undefined): SqlValue[] {
  // ASCII alone passes every server and client unchanged; JSON.stringify escapes NUL and lone surrogates already.
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  const json = JSON.stringify(state).replace(/[^ -~]/g, escaped)
  const keep = keepMs === undefined ? null : checkedDuration(keepMs)
  return [checkedStamp(stamp), checkedTime(dueAt), checkedTime(parkedAt), json, keep]
}

/** What a row says that has `now` and the columns of an entry, which are null where nothing is stored. */
export function readStored(row: Row | undefined): Stored {
  const now = number(row, 'now')
  if (row?.['stamp'] === null) return { now, entry: null }
  const entry = readEntry(row)
  return entry === null ? { now, entry, unreadable: digest(row) } : { now, entry }
}

/** The entry in a row, or `null` where it is damaged. */
export function readEntry(row: Row | undefined): Entry | null {
  const time = (name: string) => (row?.[name] === null ? null : number(row, name))
  const [stamp, state] = [text(row, 'stamp'), parseState(text(row, 'state'))]
  const [dueAt, parkedAt] = [time('due'), time('parked')]
  return state && { stamp, dueAt, parkedAt, state }
}

/** Identifies what is stored in a row, apart from the times, since `takeDue` moves them. */
export function digest(row: Row | undefined): string {
  return createHash('sha256').update(`${row?.['stamp']}:${row?.['state']}`).digest('hex')
}

/** A number of a row. Throws `store-answer` for anything else. */
export function number(row: Row | undefined, name: string): number {
  const value = row?.[name]
  if (typeof value === 'number') return value
  throw wrongColumn(name, 'a number, as float8 is without a parser of your own', value)
}

function text(row: Row | undefined, name: string): string {
  const value = row?.[name]
  if (typeof value === 'string') return value
  throw wrongColumn(name, 'a string', value)
}

function wrongColumn(name: string, wanted: string, given: unknown): CheqpointError {
  const shown = given === undefined ? 'missing' : `of type ${given === null ? 'null' : typeof given}`
  const fix = 'return the rows of your client as they are, as objects'
  return new CheqpointError('store-answer', `column ${name} must be ${wanted}; it was ${shown}; ${fix}`)
}
