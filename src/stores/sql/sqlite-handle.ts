import { CheqpointError, type ErrorCode } from '../../model/errors.js'
import { invalid } from '../../options/option-checks.js'

/** An open database of node:sqlite, better-sqlite3 or libsql. */
export interface SqliteHandle {
  /** A statement, to be run with values. */
  prepare(sql: string): {
    /** Every row. */
    all(...values: unknown[]): readonly unknown[]
    /** For what returns no rows. */
    run(...values: unknown[]): unknown
  }
  /** Runs statements without values. */
  exec(sql: string): unknown
  /** Closes the database. */
  close(): unknown
}

/** What opens the database: for a handle, nothing. Throws `option-missing`, `option-invalid` and `peer-missing`. */
export function openerOf(database: unknown): () => SqliteHandle {
  const missing = 'sqliteStore(database): give it an open database, or the path of a file'
  if (database === undefined) throw new CheqpointError('option-missing', missing)
  if (typeof database === 'string' && database !== '') {
    const sqlite: unknown = process.getBuiltinModule('node:sqlite')
    const fix = 'npm install libsql or better-sqlite3, and pass sqliteStore(new Database(path))'
    const without = `Node ${process.version} has no node:sqlite (22.13 and newer have); ${fix}`
    if (sqlite === undefined) throw new CheqpointError('peer-missing', without)
    // The types of Node 20 do not have this module; its constructor takes a path.
    const { DatabaseSync } = sqlite as { DatabaseSync: new (path: string) => SqliteHandle }
    return () => new DatabaseSync(database)
  }
  const { prepare, exec }: Partial<SqliteHandle> = Object(database)
  const allowed = 'a path, or a handle of node:sqlite, better-sqlite3 or libsql'
  if (typeof prepare !== 'function' || typeof exec !== 'function') throw invalid('database', database, allowed)
  // It has the functions of a handle, and they are alike in the three clients.
  return () => database as SqliteHandle
}

/** Whether a statement did nothing because something else uses the file or this handle, and may be repeated. */
export function isBusy(error: unknown): boolean {
  if (/^SQLITE_(BUSY|LOCKED)/.test(resultCode(error))) return true
  return error instanceof Error && /within a transaction|busy executing a query/.test(error.message)
}

const meanings: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/_(BUSY|LOCKED)/, 'store-busy', 'another transaction is open; keep them short, and begin with BEGIN IMMEDIATE'],
  [/_FULL/, 'store-full', 'the disk is full, or max_page_count is reached; free space'],
  [/_READONLY/, 'store-unsuitable', 'file, folder or handle are read-only; make them writable'],
  [/_(CANTOPEN|PERM|AUTH)/, 'store-unsuitable', 'the file cannot be opened; its folder must exist and be writable'],
  [/_(CORRUPT|NOTADB)/, 'store-unsuitable', 'the file is damaged or no database; restore it from a backup'],
  [/_ERROR/, 'store-unsuitable', 'table cheqpoint_entries is not of this library, or SQLite older than 3.38'],
]

/** What went wrong, by the result code of SQLite. The client's error is not passed on: it could quote a statement. */
export function sqliteError(error: unknown): CheqpointError {
  if (error instanceof CheqpointError) return error
  const result = isBusy(error) ? 'SQLITE_BUSY' : resultCode(error)
  const [, code, fix] = meanings.find(([pattern]) => pattern.test(result)) ?? []
  if (code !== undefined) return new CheqpointError(code, `SQLite answered ${result}: ${fix}`)
  const isClosed = error instanceof Error && /not open/.test(error.message)
  return new CheqpointError('store-unavailable', `SQLite failed: ${isClosed ? 'the database is closed' : result}`)
}

const names: Readonly<Record<number, string>> = {
  ...{ 1: 'ERROR', 3: 'PERM', 5: 'BUSY', 6: 'LOCKED', 8: 'READONLY', 10: 'IOERR', 11: 'CORRUPT' },
  ...{ 13: 'FULL', 14: 'CANTOPEN', 23: 'AUTH', 26: 'NOTADB' },
}

/** The name of the result code: a number in `errcode` of node:sqlite and `rawCode` of libsql, a name in `code` elsewhere. */
function resultCode(error: unknown): string {
  const { code, errcode, rawCode = errcode }: { code?: unknown; errcode?: unknown; rawCode?: unknown } = Object(error)
  if (typeof rawCode === 'number') return `SQLITE_${names[rawCode & 0xff] ?? rawCode}`
  return typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code) ? code : 'unknown error'
}
