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
  const { prepare, exec }: Partial<SqliteHandle> = Object(database)
  // It has the functions of a handle, and they are alike in the three clients.
  if (typeof prepare === 'function' && typeof exec === 'function') return () => database as SqliteHandle
  const allowed = 'a path, or a handle of node:sqlite, better-sqlite3 or libsql'
  if (typeof database !== 'string' || database === '') throw invalid('database', database, allowed)
  const fix = 'npm install libsql or better-sqlite3, and pass sqliteStore(new Database(path))'
  const without = `Node ${process.version} has no node:sqlite (22.13 and newer have); ${fix}`
  const sqlite: unknown = process.getBuiltinModule('node:sqlite')
  if (sqlite === undefined) throw new CheqpointError('peer-missing', without)
  // The types of Node 20 do not have this module; its constructor takes a path.
  const { DatabaseSync } = sqlite as { DatabaseSync: new (path: string) => SqliteHandle }
  return () => new DatabaseSync(database)
}

const busy = /in(side)? a transaction|busy executing a query|is locked/
/** By what SQLite says, since each client has codes of its own. */
const meanings: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [busy, 'store-busy', 'another transaction is open; keep them short, and begin with BEGIN IMMEDIATE'],
  [/is full/, 'store-full', 'the disk is full, or max_page_count is reached; free space'],
  [/readonly/, 'store-unsuitable', 'file, folder or handle are read-only; make them writable'],
  [/unable to open|denied/, 'store-unsuitable', 'the file cannot be opened; its folder must exist and be writable'],
  [/malformed|not a database/, 'store-unsuitable', 'the file is damaged or no database; restore it from a backup'],
  [/no such|no column|syntax/, 'store-unsuitable', 'cheqpoint_entries is not our table, or SQLite older than 3.38'],
  [/not open/, 'store-unavailable', 'the database is closed'],
  [/I\/O error/, 'store-unavailable', 'the disk fails'],
]

/** Whether a statement did nothing because something else uses the file or this handle, and may be repeated. */
export function isBusy(error: unknown): boolean {
  return error instanceof Error && busy.test(error.message)
}

/** What went wrong. The client's error is not passed on: it could quote a statement. */
export function sqliteError(error: unknown): CheqpointError {
  if (error instanceof CheqpointError) return error
  const { message = '', name }: Partial<Error> = Object(error)
  const [said, code, fix] = meanings.find(([pattern]) => pattern.test(message)) ?? []
  if (code !== undefined) return new CheqpointError(code, `SQLite answered "${said?.exec(message)?.[0]}": ${fix}`)
  return new CheqpointError('store-unavailable', `SQLite failed with an unknown ${name}`)
}
