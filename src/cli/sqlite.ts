import { statSync } from 'node:fs'
import { sqlError } from '../stores/sql/failures.js'
import type { SqliteHandle } from '../stores/sql/sqlite-store.js'
import { CliError } from './failure.js'
import { plain } from './terminal.js'

export interface SqliteConnection {
  readonly client: 'node:sqlite' | 'libsql' | 'better-sqlite3'
  readonly handle: SqliteHandle
  readonly close: () => void
}

/** Opens an existing file with the first available client. `null` if it is missing: a client would create it. */
export async function openSqlite(file: string): Promise<SqliteConnection | null> {
  if (!isFile(file)) return null
  const [client, open] = await loadClient()
  try {
    const handle = open(file)
    return { client, handle, close: () => void handle.close() }
  } catch {
    const fix = 'make it and its folder readable and writable for this user'
    throw new CliError(1, 'store-unsuitable', `${plain(file)} cannot be opened through ${client}`, fix)
  }
}

/** Whether a receiver has used the file: its store creates the table on first use. */
export function hasTable({ handle }: SqliteConnection): boolean {
  try {
    // Waits synchronously, which blocks nothing here.
    handle.exec('PRAGMA busy_timeout = 2000')
    return handle.prepare("SELECT name FROM sqlite_master WHERE name = 'cheqpoint_entries'").all().length > 0
  } catch (error) {
    throw sqlError(error)
  }
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

export function fileMissing(file: string): CliError {
  const fix = 'correct --sqlite; a receiver creates the file at its first start'
  return new CliError(2, 'store-unknown', `there is no file ${plain(file)}`, fix)
}

type Open = (file: string) => SqliteHandle
/** A class of database handles. */
type Database = new (file: string) => SqliteHandle

async function loadClient(): Promise<readonly [SqliteConnection['client'], Open]> {
  const builtIn = nodeSqlite()
  if (builtIn !== null) return ['node:sqlite', (file) => new builtIn(file)]
  for (const name of ['libsql', 'better-sqlite3'] as const) {
    // better-sqlite3 has no types; both clients export their class as default.
    const module: { readonly default: Database } | null = await import(name as string).catch(() => null)
    // An addon built for another Node.js fails only here.
    if (module !== null && works(module.default)) return [name, (file) => new module.default(file)]
  }
  const message = `Node ${process.version} has no node:sqlite (22.13 and newer have it), and no SQLite client is installed`
  throw new CliError(2, 'peer-missing', message, 'npm install libsql, or npm install better-sqlite3')
}

function works(client: Database): boolean {
  try {
    new client(':memory:').close()
    return true
  } catch {
    return false
  }
}

/** The class of node:sqlite, loaded without the warning about experimental features. */
function nodeSqlite(): Database | null {
  const { emitWarning } = process
  process.emitWarning = () => {}
  try {
    // The types of Node 20 do not have this module.
    const sqlite = process.getBuiltinModule('node:sqlite') as { readonly DatabaseSync: Database } | undefined
    return sqlite?.DatabaseSync ?? null
  } finally {
    process.emitWarning = emitWarning
  }
}
