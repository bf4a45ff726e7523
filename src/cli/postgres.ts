import type { PostgresQuery } from '../stores/sql/postgres-store.js'
import { CliError } from './failure.js'
import { inTime, timeoutMs } from './in-time.js'
import { shownUrl } from './terminal.js'

export interface PostgresConnection {
  readonly client: 'pg' | 'postgres'
  readonly query: PostgresQuery
  readonly close: () => Promise<void>
}

/** Connects with the first installed client. */
export async function connectPostgres(url: URL): Promise<PostgresConnection> {
  const connection = await openClient(url)
  try {
    await connection.query('SELECT 1 AS one', [])
    return connection
  } catch (error) {
    await connection.close()
    throw refusal(url, error)
  }
}

/** Both clients connect at the first statement. */
async function openClient(url: URL): Promise<PostgresConnection> {
  const pg = await import('pg').catch(() => null)
  if (pg !== null) {
    // Older versions have no named exports for ES modules.
    const pool = new pg.default.Pool({
      connectionString: url.href,
      max: 1,
      connectionTimeoutMillis: timeoutMs,
      query_timeout: timeoutMs,
    })
    // Without a listener, a connection error ends the process. The running statement rejects with it too.
    pool.on('error', () => {})
    const query: PostgresQuery = async (text, values) => (await inTime(pool.query(text, values))).rows
    return { client: 'pg', query, close: () => quietly(() => pool.end()) }
  }
  const postgres = await import('postgres').catch(() => null)
  if (postgres === null) {
    const fix = 'npm install pg, or npm install postgres'
    throw new CliError(2, 'peer-missing', 'no Postgres client is installed', fix)
  }
  const sql = postgres.default(url.href, { max: 1, connect_timeout: timeoutMs / 1_000, onnotice: () => {} })
  const query: PostgresQuery = (text, values) => inTime(sql.unsafe(text, values))
  return { client: 'postgres', query, close: () => quietly(() => sql.end({ timeout: 0 })) }
}

/** Closes a connection with a time-out, and ignores errors: it may hang or be closed already. */
async function quietly(end: () => Promise<void>): Promise<void> {
  await inTime(end()).catch(() => {})
}

/** Hides the client's error, which may quote what was sent. */
function refusal(url: URL, error: unknown): CliError {
  const { code, message }: { readonly code?: unknown; readonly message?: unknown } = Object(error)
  const shown = shownUrl(url)
  // If no password is given, the client itself reports it.
  if (/^28/.test(String(code)) || /password/i.test(String(message))) {
    const fix = 'correct them in the URL: postgres://user:password@host:port/database'
    return new CliError(1, 'store-unsuitable', `${shown} refuses the user name or password`, fix)
  }
  if (code === '3D000') {
    const fix = 'correct the name of the database in the URL'
    return new CliError(1, 'store-unsuitable', `the server has no database of this name: ${shown}`, fix)
  }
  const fix = 'check that it runs, its host and port, and whether it wants TLS (?sslmode=require)'
  return new CliError(3, 'store-unavailable', `no Postgres answers at ${shown}`, fix)
}
