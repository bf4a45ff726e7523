import type { Run } from '../../model/decision.js'
import { CheqpointError } from '../../model/errors.js'
import { invalid } from '../../options/option-checks.js'
import { paced } from '../../util/paced.js'
import { repeated } from '../../util/repeated.js'
import { asciiKey, invalidArgument } from '../entry-values.js'
import type { Completable, Store } from '../store.js'
import { completing, completionOf, entryMethods, type Row, type SqlValue } from './entries.js'
import { isRetryable, sqlError } from './failures.js'
import { type StatementName, schemaOf, statementsOf, now as time } from './statements.js'

/** An open database of node:sqlite, better-sqlite3 or libsql. */
export interface SqliteHandle {
  /** A statement. */
  prepare(sql: string): SqliteStatement
  /** Runs statements without values. */
  exec(sql: string): unknown
  /** Closes the database. */
  close(): unknown
}

/** A prepared statement. */
export interface SqliteStatement {
  /** Runs it with these values, and returns its rows. */
  all(...values: unknown[]): readonly unknown[]
}

/** A store in a SQLite file, which can complete a run inside a transaction of the same file. */
export interface SqliteStore extends Store {
  /**
   * Completes a run inside your transaction: between `BEGIN IMMEDIATE` and `COMMIT` on the handle that the store was
   * given, with nothing awaited in between. Its effects and the completion are committed together, or not at all. A
   * transaction that was rolled back may be begun again. Throws `lease-lost` where another worker took over or this run
   * is completed already, and then the transaction must be rolled back; `query-not-a-transaction` where none is open,
   * before anything is written.
   */
  completeIn(run: Run | Completable, result?: unknown): void
}

const table = '"cheqpoint_entries"'
const { begin, over, ripe, next, ...shared } = statementsOf(table, 'SELECT $0::float8 AS now')
/** The statements of the store. Their first parameter is its time. */
const statements = {
  ...shared,
  purge: `${begin} DELETE FROM ${table} WHERE key IN (${over}) RETURNING key`,
  ripe: `${begin} ${ripe}`,
  hide: `${begin} UPDATE ${table} SET due = ${time} + $1::float8 WHERE key = $2::text RETURNING key`,
  next: `${begin} ${next} ORDER BY e.due LIMIT 1`,
  // Keeps the time with what was written. Where nothing was, the commit does not wait for the disk.
  keep: 'UPDATE cheqpoint_clock SET latest = $0::float8, ahead = $1::float8 WHERE changes() > 0 RETURNING one',
}
const schema = `${schemaOf(table, 'BINARY', 'REAL', ' STRICT').join(';')};
CREATE TABLE IF NOT EXISTS cheqpoint_clock (one INTEGER PRIMARY KEY, latest REAL NOT NULL, ahead REAL NOT NULL) STRICT;
INSERT INTO cheqpoint_clock (one, latest, ahead) SELECT 1, 0, 0 WHERE NOT EXISTS (SELECT * FROM cheqpoint_clock)`

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
  const inTurn = paced(5)
  let handle: SqliteHandle | undefined
  let [isReady, isClosed, latest, ahead] = [false, false, 0, 0]

  function db(): SqliteHandle {
    if (isClosed) throw new CheqpointError('store-unavailable', 'the SQLite store was closed')
    handle ??= open()
    return handle
  }

  function all(text: string, ...values: SqlValue[]): readonly Row[] {
    const made = prepared.get(text) ?? db().prepare(text.replaceAll(/\$\d::(\w+)/g, 'CAST(? AS $1)'))
    prepared.set(text, made)
    // The clients give objects; the columns tell a handle that was set to something else.
    return made.all(...values) as readonly Row[]
  }

  /** Runs a statement of the store in the open transaction, by its time. */
  const rows = (name: keyof typeof statements, ...values: SqlValue[]) => all(statements[name], latest, ...values)
  // Prepared each time, since that is when SQLite carries such a statement out.
  const pragma = (text: string) => Object.values(Object(db().prepare(`PRAGMA ${text}`).all()[0]))[0]

  function take(limit: SqlValue = null, hideMs: SqlValue = null): readonly Row[] {
    rows('purge')
    const due = rows('ripe', limit)
    for (const { key } of due) rows('hide', hideMs, String(key))
    return [{ key: null, now: latest, next: rows('next')[0]?.['next'] }, ...due]
  }

  /** Runs a statement in a transaction of its own, as soon as nothing else uses the file or the handle. */
  function step(name: StatementName, values: SqlValue[]): Promise<readonly Row[]> {
    const isRead = /^(read|due|parked|count)$/.test(name)
    const attempt = () => {
      let end = `PRAGMA busy_timeout = ${Number(pragma('busy_timeout'))}`
      // Zero makes a busy file fail at once; a synchronous wait would stop the whole process.
      db().exec('PRAGMA busy_timeout = 0')
      try {
        if (!isReady) useWal()
        db().exec(isRead && isReady ? 'BEGIN' : 'BEGIN IMMEDIATE')
        // A failure may have ended the transaction already, and ROLLBACK needs one.
        end += '; SAVEPOINT any; ROLLBACK'
        if (!isReady) db().exec(schema)
        setTime()
        const result = name === 'take' ? take(...values) : rows(name, ...values)
        if (!isRead) rows('keep', ahead)
        db().exec('COMMIT')
        isReady = true
        return result
      } finally {
        db().exec(end)
      }
    }
    // Each commit waits for the disk in this thread: many at once would hold up everything else.
    return repeated(() => inTurn(attempt), isRetryable, sqlError)
  }

  function useWal(): void {
    const mode = pragma('journal_mode = WAL')
    const problem = `SQLite refuses WAL (it has ${mode}); use a file on a local disk, or memoryStore()`
    if (mode !== 'wal') throw new CheqpointError('store-unsuitable', problem)
    // Set in any case: better-sqlite3 has a lower default for WAL, which comes into force later.
    db().exec(`PRAGMA synchronous = ${Math.max(2, Number(pragma('synchronous')))}`)
  }

  /**
   * Sets `latest` to the machine's time, but never to less than it was, here and for the last writer. After the machine's
   * time was set back, store time runs ahead of it, until the machine's time has caught up.
   */
  function setTime(): void {
    const [kept] = all('SELECT latest, ahead FROM cheqpoint_clock')
    const wall = Math.floor(Date.now())
    latest = Math.max(Number(kept?.['latest']), latest)
    ahead = wall >= latest ? 0 : Math.max(ahead, Number(kept?.['ahead']), latest - wall)
    latest = wall + ahead
  }

  const warning = 'synchronous was set below FULL: a power failure can lose acknowledged decisions'
  return {
    ...entryMethods(step),
    async check() {
      // Takes nothing, but needs a file that can be written.
      await step('take', [0, 0])
      return Number(pragma('synchronous')) < 2 ? [warning] : []
    },
    async close() {
      if (typeof database === 'string' && !isClosed) handle?.close()
      isClosed = true
    },
    completeIn(run, result) {
      const work = completionOf(run, result)
      if (!isReady) throw invalidArgument('completeIn must be called on the store of the receiver')
      try {
        const fix = 'call completeIn between BEGIN IMMEDIATE and COMMIT on the handle that sqliteStore was given'
        if (isIdle(db())) throw new CheqpointError('query-not-a-transaction', `no transaction is open; ${fix}`)
        // Renewals wait for this transaction, and find after it that the run is completed.
        work.settle().catch(() => {})
        setTime()
        rows('update', ...completing(work, rows('read', asciiKey(work.key))[0]))
        rows('keep', ahead)
      } catch (error) {
        throw sqlError(error)
      }
    },
  }
}

/** What opens the database. Throws `option-missing`, `option-invalid` and `peer-missing`. */
function openerOf(database: SqliteHandle | string): () => SqliteHandle {
  const allowed = 'a path, or a handle of node:sqlite, better-sqlite3 or libsql'
  if (database === undefined) throw new CheqpointError('option-missing', `sqliteStore(database) needs ${allowed}`)
  const { prepare, exec }: Partial<SqliteHandle> = Object(database)
  // It has the functions of a handle, and they are alike in the three clients.
  if (typeof prepare === 'function' && typeof exec === 'function') return () => database as SqliteHandle
  if (typeof database !== 'string' || database === '') throw invalid('database', database, allowed)
  // The types of Node 20 do not have this module; its constructor takes a path.
  type Sqlite = { readonly DatabaseSync: new (path: string) => SqliteHandle }
  const sqlite = process.getBuiltinModule('node:sqlite') as Sqlite | undefined
  const fix = 'use 22.13 or newer, or pass sqliteStore(new Database(path)) of libsql or better-sqlite3'
  if (sqlite === undefined)
    throw new CheqpointError('peer-missing', `Node ${process.version} has no node:sqlite; ${fix}`)
  return () => new sqlite.DatabaseSync(database)
}

/** Whether no transaction is open on the handle; the clients have no other way in common to find out. */
function isIdle(handle: SqliteHandle): boolean {
  try {
    // Where BEGIN fails, nothing is rolled back.
    handle.exec('BEGIN; ROLLBACK')
    return true
  } catch {
    return false
  }
}
