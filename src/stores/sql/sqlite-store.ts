import type { Run } from '../../model/decision.js'
import { CheqpointError } from '../../model/errors.js'
import { invalidArgument } from '../entry-values.js'
import type { Completable, Store } from '../store.js'
import * as entries from './entries.js'
import { isBusy, openerOf, type SqliteHandle, sqliteError } from './sqlite-handle.js'
import { schemaOf, sharedStatements, now as time } from './statements.js'

export type { SqliteHandle } from './sqlite-handle.js'

/** A store in a SQLite file, which can complete a run inside a transaction of the same file. */
export interface SqliteStore extends Store {
  /**
   * Completes a run inside your transaction: between `BEGIN IMMEDIATE` and `COMMIT` on the handle that the store was
   * given, with nothing awaited in between. Its effects and the completion are committed together, or not at all. May
   * be repeated. Throws `lease-lost` where another worker took over, and then the transaction must be rolled back;
   * `query-not-a-transaction` where none is open, before anything is written.
   */
  completeIn(run: Run | Completable, result?: unknown): void
}

const table = '"cheqpoint_entries"'
const { begin, over, ripe, next, ...shared } = sharedStatements(table, 'SELECT CAST($0 AS float8) AS now')
/** The statements of the store. Their first parameter is its time. */
const texts = {
  ...shared,
  purge: `${begin} DELETE FROM ${table} WHERE key IN (${over}) RETURNING key`,
  ripe: `${begin} ${ripe}`,
  hide: `${begin} UPDATE ${table} SET due = ${time} + $1 WHERE key = $2 RETURNING key`,
  next: `${begin} ${next} ORDER BY e.due LIMIT 1`,
  remove: `${begin} DELETE FROM ${table} WHERE ${time} > 0 AND key = $1 RETURNING key`,
}
const schema = `${schemaOf(table, 'BINARY', 'REAL', ' STRICT').join(';')};
CREATE TABLE IF NOT EXISTS cheqpoint_clock (one INTEGER PRIMARY KEY, latest REAL NOT NULL, ahead REAL NOT NULL) STRICT;
INSERT INTO cheqpoint_clock (one, latest, ahead) SELECT 1, 0, 0 WHERE NOT EXISTS (SELECT * FROM cheqpoint_clock)`

const reads = /^(read|due|parked|count)$/

/**
 * A durable store in one file, without a server, for the processes of one machine and a local disk. `database` is the
 * path of a file, which node:sqlite opens (Node 22.13 and newer), or a handle of node:sqlite, better-sqlite3 or libsql.
 * It creates its two tables, and sets the file to WAL and the handle to `synchronous = FULL`. A call never waits
 * synchronously: where another process writes, or a transaction of yours is open on the handle, it tries again for 2 s,
 * and then rejects with `store-busy`. Store time is that of the machine, and does not go back where the machine's does.
 * Throws `option-missing`, `option-invalid`, and `peer-missing` for a path without node:sqlite; no I/O until first use.
 *
 * @example
 * ```ts
 * sqliteStore('approvals.db')
 * sqliteStore(new Database('approvals.db')) // better-sqlite3 or libsql
 * ```
 */
export function sqliteStore(database: SqliteHandle | string): SqliteStore {
  const open = openerOf(database)
  const prepared = new Map<string, ReturnType<SqliteHandle['prepare']>>()
  let handle: SqliteHandle | undefined
  let [isReady, isClosed, latest, ahead] = [false, false, 0, 0]

  // Prepared each time, since that is when SQLite carries such a statement out.
  const pragma = (text: string): unknown => Object.values(Object(handle?.prepare(`PRAGMA ${text}`).all()[0]))[0]
  /** Runs a statement of the store in the open transaction, by its time. */
  const rows = (name: keyof typeof texts, ...values: entries.SqlValue[]) => all(texts[name], latest, ...values)

  function all(text: string, ...values: entries.SqlValue[]): readonly entries.Row[] {
    const statement = prepared.get(text) ?? handle?.prepare(text.replaceAll(/\$\d/g, '?'))
    if (statement === undefined) throw new CheqpointError('store-unavailable', 'the SQLite store is not open')
    prepared.set(text, statement)
    // The clients give objects; the columns tell a handle that was set to something else.
    return statement.all(...values) as readonly entries.Row[]
  }

  function run(name: Parameters<Parameters<typeof entries.entryMethods>[0]>[0], values: entries.SqlValue[]) {
    const [first = null, second = null] = values
    if (name === 'remove') return entries.digest(rows('read', first)[0]) === second ? rows('remove', first) : []
    if (name !== 'take') return rows(name, ...values)
    rows('purge')
    const due = rows('ripe', first)
    for (const { key } of due) rows('hide', second, String(key))
    return [{ key: null, now: latest, next: rows('next')[0]?.['next'] }, ...due]
  }

  /** Runs `work` in a transaction of its own. */
  function step<Result>(work: () => Result, begin = 'BEGIN IMMEDIATE'): Promise<Result> {
    return entries.repeated(() => attempt(work, begin), isBusy, sqliteError)
  }

  function attempt<Result>(work: () => Result, begin: string): Result {
    if (isClosed) throw new CheqpointError('store-unavailable', 'the SQLite store was closed')
    handle ??= open()
    const timeout = pragma('busy_timeout')
    // Zero makes a busy file fail at once; a synchronous wait would stop the whole process.
    handle.exec('PRAGMA busy_timeout = 0')
    try {
      if (!isReady) setUp(handle)
      handle.exec(begin)
      try {
        setTime(begin !== 'BEGIN')
        const result = work()
        handle.exec('COMMIT')
        return result
      } catch (error) {
        handle.exec('ROLLBACK')
        throw error
      }
    } finally {
      handle.exec(`PRAGMA busy_timeout = ${Number(timeout)}`)
    }
  }

  function setUp(handle: SqliteHandle): void {
    const mode = pragma('journal_mode = WAL')
    const fix = 'use a file on a local disk, or memoryStore()'
    if (mode !== 'wal') throw new CheqpointError('store-unsuitable', `SQLite refuses WAL (it has ${mode}); ${fix}`)
    // Set in any case: better-sqlite3 has a lower default for WAL, which comes into force later.
    handle.exec(`PRAGMA synchronous = ${Math.max(2, Number(pragma('synchronous')))}`)
    handle.exec(`BEGIN IMMEDIATE; ${schema}; COMMIT`)
    isReady = true
  }

  /**
   * Sets `latest` to the machine's time, but never to less than it was, here and for the last writer. After the machine's
   * time was set back, store time runs ahead of it, until the machine's time has caught up.
   */
  function setTime(isWrite: boolean): void {
    const [kept] = all('SELECT latest, ahead FROM cheqpoint_clock')
    const wall = Math.floor(Date.now())
    latest = Math.max(Number(kept?.['latest']), latest)
    ahead = wall >= latest ? 0 : Math.max(ahead, Number(kept?.['ahead']), latest - wall)
    latest = wall + ahead
    if (isWrite) all('UPDATE cheqpoint_clock SET latest = $1, ahead = $2 RETURNING one', latest, ahead)
  }

  /** Whether no transaction is open on the handle; the clients have no other way in common to find out. */
  function isIdle(): boolean {
    try {
      // Where BEGIN fails, nothing is rolled back.
      handle?.exec('BEGIN; ROLLBACK')
      return true
    } catch (error) {
      if (isBusy(error)) return false
      throw error
    }
  }

  const warning = 'synchronous was set below FULL: a power failure can lose acknowledged decisions'
  return {
    ...entries.entryMethods((name, values) => step(() => run(name, values), reads.test(name) ? 'BEGIN' : undefined)),
    check: async () => ((await step(() => Number(pragma('synchronous')))) < 2 ? [warning] : []),
    async close() {
      if (typeof database === 'string' && !isClosed) handle?.close()
      isClosed = true
    },
    completeIn(run, result) {
      const work = entries.completionOf(run, result)
      if (!isReady) throw invalidArgument('completeIn must be called on the store of the receiver')
      try {
        const fix = 'call completeIn between BEGIN IMMEDIATE and COMMIT on the handle that sqliteStore was given'
        if (isIdle()) throw new CheqpointError('query-not-a-transaction', `no transaction is open; ${fix}`)
        // It ends the renewals at once; one in flight waits for this transaction, and finds another stamp after it.
        work.settle().catch(() => {})
        setTime(true)
        const steps = entries.completing(work)
        for (let next = steps.next(); next.done !== true; ) {
          const [name, values] = next.value
          next = steps.next(rows(name === 'lock' ? 'read' : name, ...values))
        }
      } catch (error) {
        throw sqliteError(error)
      }
    },
  }
}
