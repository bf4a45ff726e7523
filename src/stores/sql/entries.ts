import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Run } from '../../model/decision.js'
import { CheqpointError } from '../../model/errors.js'
import { checkedDuration, checkedStamp, checkedTime, invalidArgument, parseState } from '../entry-values.js'
import { type Completable, type Completion, completion, type Entry, type Store, type Stored } from '../store.js'
import type { StatementName } from './statements.js'

/** What a statement takes in the place of a parameter. */
export type SqlValue = string | number | null
/** One row: an object with a property for each column. */
export type Row = Readonly<Record<string, unknown>>
/** A write that `Completion.step` gives, or of a caller. */
type Write = { readonly expected: string | null; readonly entry: Entry; readonly keepMs: number | undefined }

/**
 * The methods of a store. `ask` runs a statement as an atomic step, and rejects with a coded error. `take` takes limit and
 * hideMs; its first row has `now` and `next`, when the next key is due. `remove` takes key and digest.
 */
export function entryMethods(
  ask: (statement: StatementName | 'take' | 'remove', values: SqlValue[]) => Promise<readonly Row[]>,
): Omit<Store, 'check' | 'close'> {
  return {
    read: async (key) => readStored((await ask('read', [storedKey(key)]))[0]),
    async write(key, expected, entry, { keepMs } = {}) {
      const values = writeValues(key, { expected, entry, keepMs })
      return (await ask(expected === null ? 'insert' : 'update', values)).length > 0
    },
    async takeDue(limit, hideMs) {
      const rows = await ask('take', [checkedLimit(limit), checkedDuration(hideMs)])
      const keys = rows.flatMap((row) => (row['key'] === null ? [] : [readKey(row)]))
      const [now, next] = [number(rows[0], 'now'), rows[0]?.['next']]
      // What is due and was not taken is locked by a transaction: asking again at once would not get it.
      const least = keys.length < limit && Number(next) <= now ? 50 : 0
      return { keys, nextDueInMs: typeof next === 'number' ? Math.max(next - now, least) : null }
    },
    async list(index, { limit, cursor }) {
      const [, of, time, after = ''] = /^(due|parked) (-?\d{1,16}) ([ -~]{1,2000})$/.exec(cursor ?? '') ?? []
      if (cursor !== undefined && of !== index) throw invalidArgument(`no page of the ${index} index gave this cursor`)
      const rows = await ask(index, [Number(time ?? -Number.MAX_VALUE), after, checkedLimit(limit) + 1])
      const items = rows.slice(0, limit).map((row) => ({ key: readKey(row), entry: readEntry(row) }))
      const last = rows[limit - 1]
      return { items, cursor: rows.length > limit ? `${index} ${number(last, index)} ${last?.['key']}` : null }
    },
    async count() {
      const [row] = await ask('count', [])
      const overdueMs = row?.['oldest'] === null ? 0 : Math.max(0, number(row, 'now') - number(row, 'oldest'))
      return { open: number(row, 'open'), parked: number(row, 'parked'), overdueMs }
    },
    remove: async (key, unreadable) => (await ask('remove', [storedKey(key), unreadable])).length > 0,
  }
}

/** Repeats for 2 s what the database could not do yet. Rejects with what `coded` makes of the last failure. */
export async function repeated<Result>(
  attempt: () => Result | Promise<Result>,
  isBusy: (error: unknown) => boolean,
  coded: (error: unknown) => CheqpointError,
): Promise<Result> {
  const end = performance.now() + 2_000
  for (let most = 1; ; most = Math.min(2 * most, 30)) {
    try {
      return await attempt()
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw coded(error)
      // Not unref'd: a program that waits for nothing else must not end here.
      await sleep(1 + Math.random() * most)
    }
  }
}

/** The completion that a run or a claim carries. Throws `argument-invalid` for anything else, and for a function as result. */
export function completionOf(run: Run | Completable, result: unknown): Completion {
  // The types of a run and of a claim do not show it, and callers without a compiler may pass anything.
  const complete = (run as Partial<Completable> | null | undefined)?.[completion]
  if (typeof complete !== 'function') throw invalidArgument('completeIn: pass the run of onDecision, or a claim')
  if (typeof result !== 'function') return complete.call(run, result)
  throw invalidArgument('completeIn: result must be JSON; only postgresStore takes a query, before it')
}

/**
 * The statements that complete a run inside a transaction. A nudge or a renewal may have moved the stamp on, so the row
 * is read, and locked against others, before the lease counts as lost. Throws `lease-lost`.
 */
export function* completing(
  work: Completion,
): Generator<readonly [statement: 'update' | 'lock', values: SqlValue[]], void, readonly Row[]> {
  const first = work.step()
  if (first !== null && (yield ['update', writeValues(work.key, first)]).length > 0) return
  const [row] = yield ['lock', [storedKey(work.key)]]
  const again = work.step(readStored(row))
  if (again !== null && (yield ['update', writeValues(work.key, again)]).length > 0) return
  const what = 'the lease of this run was lost: another worker holds or completed the approval'
  throw new CheqpointError('lease-lost', `${what}; roll the transaction back`)
}

/** Identifies what is stored in a row, apart from the times, since `takeDue` moves them. */
export function digest(row: Row | undefined): string {
  return createHash('sha256').update(`${row?.['stamp']}:${row?.['state']}`).digest('hex')
}

/** How many rows a caller wants. Throws `argument-invalid`. */
function checkedLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 0 && limit <= 1e6) return limit
  throw invalidArgument(`limit must be a whole number from 0 to 1,000,000; it was ${limit}`)
}

/**
 * How a key is stored: printable ASCII as it is, anything else as UTF-16 in base64 after `=`, which no key starts with.
 * So it fits every encoding of a server, and an index of Postgres, whose entries have at most 2,704 bytes.
 */
function storedKey(key: string): string {
  return /^[ar]:[ -~]*$/.test(key) ? key : `=${Buffer.from(key, 'utf16le').toString('base64url')}`
}

function readKey(row: Row): string {
  const stored = text(row, 'key')
  return stored.startsWith('=') ? Buffer.from(stored.slice(1), 'base64url').toString('utf16le') : stored
}

/** The parameters of a write. Throws `argument-invalid` for what would not come back unchanged. */
function writeValues(key: string, { expected, entry, keepMs }: Write): SqlValue[] {
  // ASCII alone passes every server and client unchanged; JSON.stringify escapes NUL and lone surrogates already.
  const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  const state = JSON.stringify(entry.state).replace(/[^ -~]/g, escaped)
  const times = [checkedTime(entry.dueAt), checkedTime(entry.parkedAt)]
  const keep = keepMs === undefined ? null : checkedDuration(keepMs)
  return [storedKey(key), expected, checkedStamp(entry.stamp), ...times, state, keep]
}

/** What a row says that has `now` and the columns of an entry, which are null where nothing is stored. */
function readStored(row: Row | undefined): Stored {
  const now = number(row, 'now')
  if (row?.['stamp'] === null) return { now, entry: null }
  const entry = readEntry(row)
  return entry === null ? { now, entry, unreadable: digest(row) } : { now, entry }
}

/** The entry in a row, or `null` where it is damaged. */
function readEntry(row: Row | undefined): Entry | null {
  const time = (name: string) => (row?.[name] === null ? null : number(row, name))
  const [stamp, state] = [text(row, 'stamp'), parseState(text(row, 'state'))]
  return state && { stamp, dueAt: time('due'), parkedAt: time('parked'), state }
}

function number(row: Row | undefined, column: string): number {
  const value = row?.[column]
  return typeof value === 'number' ? value : wrong(column, 'a number, as float8 is without a parser of your own', value)
}

function text(row: Row | undefined, column: string): string {
  const value = row?.[column]
  return typeof value === 'string' ? value : wrong(column, 'a string', value)
}

function wrong(column: string, wanted: string, given: unknown): never {
  const problem = `column ${column} must be ${wanted}; it was of type ${given === null ? 'null' : typeof given}`
  throw new CheqpointError('store-answer', `${problem}; return the rows of your client as they are, as objects`)
}
