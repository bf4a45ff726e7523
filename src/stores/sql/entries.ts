import { createHash } from 'node:crypto'
import type { Run } from '../../model/decision.js'
import { CheqpointError } from '../../model/errors.js'
import * as values from '../entry-values.js'
import { type Completable, type Completion, completion, type Entry, type Store, type Stored } from '../store.js'
import type { StatementName } from './statements.js'

/** The value of a parameter. */
export type SqlValue = string | number | null
/** One row: an object with a property for each column. */
export type Row = Readonly<Record<string, unknown>>

type Ask = (statement: StatementName, values: SqlValue[]) => Promise<readonly Row[]>

/** The methods of a store. `ask` runs a statement as an atomic step, and rejects with a coded error. */
export function entryMethods(ask: Ask): Omit<Store, 'check' | 'close'> {
  return {
    read: async (key) => readStored((await ask('read', [values.asciiKey(key)]))[0]),
    async write(key, expected, entry, { keepMs } = {}) {
      const written = await ask(expected === null ? 'insert' : 'update', writeValues(key, expected, entry, keepMs))
      return written.length > 0
    },
    async takeDue(limit, hideMs) {
      const rows = await ask('take', [limit, values.checkedDuration(hideMs)])
      const [now, next] = [number(rows[0], 'now'), rows[0]?.['next']]
      const keys = rows.flatMap((row) => (row['key'] === null ? [] : [values.keyOf(text(row, 'key'))]))
      // What is due and was not taken is locked by a transaction: asking again at once would not get it.
      const least = keys.length < limit && Number(next) <= now ? 50 : 0
      return { keys, nextDueInMs: typeof next === 'number' ? Math.max(next - now, least) : null }
    },
    async list(index, { limit, cursor }) {
      const [, of, time, after = ''] = /^(due|parked) (-?\d{1,16}) ([ -~]{1,2000})$/.exec(cursor ?? '') ?? []
      if (cursor !== undefined && of !== index)
        throw values.invalidArgument(`no page of the ${index} index gave this cursor`)
      const rows = await ask(index, [Number(time ?? -Number.MAX_VALUE), after, limit + 1])
      const items = rows.slice(0, limit).map((row) => ({ key: values.keyOf(text(row, 'key')), entry: readEntry(row) }))
      const last = rows[limit - 1]
      return { items, cursor: rows.length > limit ? `${index} ${number(last, index)} ${last?.['key']}` : null }
    },
    async count() {
      const [row] = await ask('count', [])
      return { open: number(row, 'open'), parked: number(row, 'parked'), overdueMs: number(row, 'overdue') }
    },
    async remove(key, unreadable) {
      const [row] = await ask('read', [values.asciiKey(key)])
      if (readStored(row).unreadable !== unreadable) return false
      return (await ask('remove', [values.asciiKey(key), text(row, 'stamp'), text(row, 'state')])).length > 0
    },
  }
}

/** Returns the completion of a run or a claim. Throws `argument-invalid` for anything else or a function as result. */
export function completionOf(run: Run | Completable, result: unknown): Completion {
  // The types of runs and claims hide this property, and callers without a compiler may pass anything.
  const complete = (run as Partial<Completable> | null | undefined)?.[completion]
  if (typeof complete !== 'function') throw values.invalidArgument('completeIn: pass the run of onDecision, or a claim')
  if (typeof result !== 'function') return complete.call(run, result)
  throw values.invalidArgument('completeIn: result must be JSON; only postgresStore takes a query, before it')
}

/** The parameters of the update that completes a run whose row this is. Throws `lease-lost`. */
export function completing(work: Completion, row: Row | undefined): SqlValue[] {
  const write = work.step(readStored(row))
  if (write !== null) return writeValues(work.key, write.expected, write.entry, write.keepMs)
  const what = 'another worker holds or completed the approval, or this run completed it before'
  throw new CheqpointError('lease-lost', `${what}; roll the transaction back`)
}

/** The parameters of a write. Throws `argument-invalid` for what would not come back unchanged. */
function writeValues(key: string, expected: string | null, entry: Entry, keepMs: number | undefined): SqlValue[] {
  const [stamp, state] = [values.checkedStamp(entry.stamp), values.asciiJson(entry.state)]
  const [due, parked] = [values.checkedTime(entry.dueAt), values.checkedTime(entry.parkedAt)]
  const keep = keepMs === undefined ? null : values.checkedDuration(keepMs)
  return [values.asciiKey(key), expected, stamp, due, parked, state, keep]
}

/** What a row says that has `now` and the columns of an entry, which are null where nothing is stored. */
function readStored(row: Row | undefined): Stored {
  const now = number(row, 'now')
  if (row?.['stamp'] === null) return { now, entry: null }
  const entry = readEntry(row)
  if (entry !== null) return { now, entry }
  // Without the times, since takeDue moves them.
  const bytes = createHash('sha256').update(`${text(row, 'stamp')}:${text(row, 'state')}`)
  return { now, entry, unreadable: bytes.digest('hex') }
}

/** The entry in a row, or `null` where it is damaged. */
function readEntry(row: Row | undefined): Entry | null {
  const time = (name: string) => (row?.[name] === null ? null : number(row, name))
  const [stamp, state] = [text(row, 'stamp'), values.parseState(text(row, 'state'))]
  return state && { stamp, dueAt: time('due'), parkedAt: time('parked'), state }
}

const number = (row: Row | undefined, column: string): number => Number(read(row, column, 'number'))
/** A column of text. */
export const text = (row: Row | undefined, column: string): string => String(read(row, column, 'string'))

function read(row: Row | undefined, column: string, type: 'number' | 'string'): unknown {
  const value = row?.[column]
  if (typeof value === type) return value
  const problem = `column ${column} must be a ${type}, not ${value === null ? 'null' : typeof value}`
  throw new CheqpointError(
    'store-response',
    `${problem}; return the rows as objects, with float8 as the client gives it`,
  )
}
