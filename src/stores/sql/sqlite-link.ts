import { setTimeout as sleep } from 'node:timers/promises'
import { CheqpointError } from '../../model/errors.js'
import { invalidArgument } from '../entry-values.js'
import type { StatementName } from './entry-methods.js'
import type { Row, SqlValue } from './rows.js'
import { isBusy, openerOf, type SqliteHandle, sqliteError } from './sqlite-handle.js'
import { indexes, live, now, Statements, tableColumns } from './statements.js'

/** How long a call tries to get the file or the handle. */
const timeoutMs = 2_000
const table = 'cheqpoint_entries'
const shared = new Statements({ table, parameter: () => '?', clock: 'SELECT CAST(? AS real) AS now' })

/** The statements of the store, by name. Their first parameter is the store's time. */
const texts: Readonly<Record<StatementName | 'purge' | 'ripe' | 'hide' | 'next' | 'remove', string>> = {
  read: shared.read(),
  insert: shared.insert(),
  update: shared.update(),
  due: shared.list('due'),
  parked: shared.list('parked'),
  count: shared.count(),
  purge: `${shared.with} DELETE FROM ${table} WHERE key IN
(SELECT key FROM ${table} WHERE ends <= ${now} ORDER BY ends LIMIT 100) RETURNING key AS key`,
  ripe: `${shared.with} SELECT e.key AS key FROM ${table} e WHERE e.due <= ${now} AND ${live} ORDER BY e.due, e.key LIMIT ?`,
  hide: `${shared.with} UPDATE ${table} SET due = ${now} + ? WHERE key = ? RETURNING key AS key`,
  next: `${shared.with} SELECT e.due AS next FROM ${table} e WHERE e.due IS NOT NULL AND ${live} ORDER BY e.due LIMIT 1`,
  remove: `${shared.with} DELETE FROM ${table} WHERE ${now} > 0 AND key = ? RETURNING key AS key`,
}

const schema = `CREATE TABLE IF NOT EXISTS ${table} (${tableColumns.replaceAll('double precision', 'REAL')}) STRICT;
${indexes.map(([of, on]) => `CREATE INDEX IF NOT EXISTS ${table}_${of} ON ${table} (${on}) WHERE ${of} IS NOT NULL;`).join('\n')}
CREATE TABLE IF NOT EXISTS cheqpoint_clock (one INTEGER PRIMARY KEY, latest REAL NOT NULL, ahead REAL NOT NULL) STRICT;
INSERT INTO cheqpoint_clock (one, latest, ahead) SELECT 1, 0, 0 WHERE NOT EXISTS (SELECT * FROM cheqpoint_clock)`

/** The way to the file: transactions that never wait synchronously, and the store's time. */
export class SqliteLink {
  readonly #open: () => SqliteHandle
  readonly #prepared = new Map<string, ReturnType<SqliteHandle['prepare']>>()
  #handle: SqliteHandle | null = null
  #isReady = false
  #isClosed = false
  #latest = 0
  #ahead = 0

  constructor(database: unknown) {
    this.#open = openerOf(database)
  }

  /** Runs `work` in a transaction of its own, by the store's time. Repeats it while the file or the handle is busy. */
  async step<Result>(reads: boolean, work: (now: number) => Result): Promise<Result> {
    const end = performance.now() + timeoutMs
    for (let attempt = 0; ; attempt++) {
      try {
        return this.#attempt(reads, work)
      } catch (error) {
        if (!isBusy(error) || performance.now() > end) throw sqliteError(error)
        // Not unref'd: a program that waits for nothing else must not end here.
        await sleep(1 + Math.random() * Math.min(2 ** attempt, 30))
      }
    }
  }

  /** Runs `work` in the transaction that the caller has open on the handle. */
  inside(work: (now: number) => void): void {
    const handle = this.#handle
    if (handle === null || !this.#isReady)
      throw invalidArgument('completeIn must be called on the store of the receiver')
    try {
      const fix = 'call completeIn between BEGIN IMMEDIATE and COMMIT on the handle that sqliteStore was given'
      if (isIdle(handle)) throw new CheqpointError('query-not-a-transaction', `no transaction is open; ${fix}`)
      work(this.#now(true))
    } catch (error) {
      throw sqliteError(error)
    }
  }

  rows(name: keyof typeof texts, now: number, ...values: SqlValue[]): readonly Row[] {
    return this.#all(texts[name], now, ...values)
  }

  /** Whether a commit survives a power failure. */
  async isDurable(): Promise<boolean> {
    return this.step(false, () => Number(this.#pragma('synchronous')) >= 2)
  }

  close(own: boolean): void {
    if (own && !this.#isClosed) this.#handle?.close()
    this.#isClosed = true
  }

  #attempt<Result>(reads: boolean, work: (now: number) => Result): Result {
    if (this.#isClosed) throw new CheqpointError('store-unavailable', 'the SQLite store was closed')
    this.#handle ??= this.#open()
    const handle = this.#handle
    const timeout = this.#pragma('busy_timeout')
    // Zero makes a busy file fail at once; a synchronous wait would stop the whole process.
    handle.exec('PRAGMA busy_timeout = 0')
    try {
      if (!this.#isReady) this.#setUp(handle)
      handle.exec(reads ? 'BEGIN' : 'BEGIN IMMEDIATE')
      try {
        const result = work(this.#now(!reads))
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

  #setUp(handle: SqliteHandle): void {
    if (!isIdle(handle)) throw new Error('cannot start within a transaction')
    const mode = this.#pragma('journal_mode = WAL')
    const fix = 'use a file on a local disk, or memoryStore()'
    if (mode !== 'wal') throw new CheqpointError('store-unsuitable', `SQLite refuses WAL (it has ${mode}); ${fix}`)
    // Set in any case: better-sqlite3 has a lower default for WAL, which comes into force later.
    handle.exec(`PRAGMA synchronous = ${Math.max(2, Number(this.#pragma('synchronous')))}`)
    handle.exec(`BEGIN IMMEDIATE; ${schema}; COMMIT`)
    this.#isReady = true
  }

  /**
   * The machine's time, but never less than it was, here and for the last writer. After the machine's time was set back,
   * store time runs ahead of it, until the machine's time has caught up.
   */
  #now(writes: boolean): number {
    const [kept] = this.#all('SELECT latest, ahead FROM cheqpoint_clock')
    const [latest, wall] = [Math.max(Number(kept?.['latest']), this.#latest), Math.floor(Date.now())]
    this.#ahead = wall >= latest ? 0 : Math.max(this.#ahead, Number(kept?.['ahead']), latest - wall)
    this.#latest = wall + this.#ahead
    if (writes) this.#all('UPDATE cheqpoint_clock SET latest = ?, ahead = ? RETURNING one', this.#latest, this.#ahead)
    return this.#latest
  }

  #all(text: string, ...values: SqlValue[]): readonly Row[] {
    const statement = this.#prepared.get(text) ?? this.#handle?.prepare(text)
    if (statement === undefined) throw new CheqpointError('store-unavailable', 'the SQLite store is not open')
    this.#prepared.set(text, statement)
    // The clients give objects; the columns tell a handle that was set to something else.
    return statement.all(...values) as readonly Row[]
  }

  // Prepared each time, since that is when SQLite carries such a statement out.
  #pragma(text: string): unknown {
    return Object.values(Object(this.#handle?.prepare(`PRAGMA ${text}`).all()[0]))[0]
  }
}

/** Whether no transaction is open on the handle; the clients have no other way in common to find out. */
function isIdle(handle: SqliteHandle): boolean {
  try {
    handle.exec('BEGIN')
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  }
  handle.exec('ROLLBACK')
  return true
}
