import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// @ts-expect-error The package has no types.
import BetterSqlite from 'better-sqlite3'
import Libsql from 'libsql'
import pg from 'pg'
import postgres from 'postgres'
import type { PostgresQuery } from '../../src/stores/sql/postgres-store.js'
import type { SqliteHandle } from '../../src/stores/sql/sqlite-store.js'

/** A connected client of Postgres, as its users would pass it to the store. */
export interface PostgresClient {
  readonly query: PostgresQuery
  /** Runs `body` in a transaction, and commits it if it resolves. `begin`: its BEGIN, with an isolation level. */
  transaction<Result>(begin: string, body: (query: PostgresQuery) => Promise<Result>): Promise<Result>
  close(): Promise<void>
}

/** How each client connects. */
export const postgresClients: Readonly<Record<string, (url: string) => PostgresClient>> = {
  pg(url) {
    const pool = new pg.Pool({ connectionString: url, max: 20 })
    // A terminated backend reports to the pool; the test sees the error in its call.
    pool.on('error', () => {})
    // So does a connection that is lost between two statements of a transaction.
    pool.on('connect', (client) => client.on('error', () => {}))
    return {
      query: async (text, values) => (await pool.query(text, values)).rows,
      async transaction(begin, body) {
        const client = await pool.connect()
        try {
          await client.query(begin)
          const result = await body(async (text, values) => (await client.query(text, values)).rows)
          const { command } = await client.query('COMMIT')
          // After a failed statement, Postgres answers COMMIT with ROLLBACK, which pg treats as success.
          if (command !== 'COMMIT') throw new Error('rolled back')
          return result
        } catch (error) {
          // If the connection is lost, there is nothing to roll back.
          await client.query('ROLLBACK').catch(() => {})
          throw error
        } finally {
          client.release()
        }
      },
      close: () => pool.end(),
    }
  },
  'postgres.js'(url) {
    const sql = postgres(url, { max: 20, onnotice: () => {} })
    return {
      query: (text, values) => sql.unsafe(text, values),
      transaction: (begin, body) => {
        const mode = begin.replace(/^BEGIN ?/, '')
        // `begin` resolves with the result of `body`; here it is never an array of promises.
        return sql.begin(mode, (tx) => body((text, values) => tx.unsafe(text, values))) as ReturnType<typeof body>
      },
      close: () => sql.end(),
    }
  },
}

/** How each available SQLite client opens a file. node:sqlite needs Node.js 22.13; an addon fits one Node.js. */
export const sqliteClients: Readonly<Record<string, (path: string) => SqliteHandle>> = Object.fromEntries(
  Object.entries<(path: string) => SqliteHandle>({
    libsql: (path) => new Libsql(path),
    'better-sqlite3': (path) => new BetterSqlite(path),
    'node:sqlite'(path) {
      // The types of Node 20 do not have this module.
      const { DatabaseSync } = process.getBuiltinModule('node:sqlite') as {
        DatabaseSync: new (path: string) => SqliteHandle
      }
      return new DatabaseSync(path)
    },
  }).filter(([name, open]) => {
    try {
      open(':memory:').close()
      return true
    } catch {
      const remedy = name === 'node:sqlite' ? 'Node 22.13 and newer have it' : `npm rebuild ${name}`
      if (process.env['VITEST']) console.warn(`SKIPPED ${name}: not there for Node ${process.version} (${remedy})`)
      return false
    }
  }),
)

/** A path in a new folder, and how to remove it. */
export function temporaryFile(): { readonly path: string; readonly remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'cheqpoint-sqlite-'))
  return { path: join(dir, 'approvals.db'), remove: () => rmSync(dir, { recursive: true, force: true }) }
}
