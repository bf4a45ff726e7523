import { createHash } from 'node:crypto'
import type { Store } from 'cheqpoint-callback'
import { createTable, postgresStore } from 'cheqpoint-callback/postgres'
import { redisStore } from 'cheqpoint-callback/redis'
import { type SqliteHandle, sqliteStore } from 'cheqpoint-callback/sqlite'
import pg from 'pg'
import { createClient } from 'redis'
import { sqliteClients } from '../../support/sql-clients.js'

/*
 * Each database with a store of this library, and with as many bare round trips of the same client as a decision makes:
 * read, claim, record and complete, with values of the same size. What they keep is apart from that of other processes.
 */

interface Database {
  readonly store: (at: string) => Promise<Store>
  /** The bare round trips for one id of `c_0 … c_(count-1)`. */
  readonly bare: (at: string, count: number) => Promise<(id: string) => Promise<void>>
}

/** About what an entry with a decision takes. */
const text = 'x'.repeat(500)
const writes = ['claim', 'record', 'complete'] as const
const own = `bench_${process.pid}`

export type DatabaseName = 'redis' | 'postgres' | 'sqlite'

/** By name. `at` is the URL of a server, or a path in an empty folder. */
export const databases: Readonly<Record<DatabaseName, Database>> = {
  redis: {
    async store(at) {
      const client = await createClient({ url: at }).connect()
      return redisStore({ sendCommand: (args) => client.sendCommand(args), prefix: own })
    },
    async bare(at) {
      const client = await createClient({ url: at }).connect()
      const script = "return 'ok'"
      await client.scriptLoad(script)
      const sha = createHash('sha1').update(script).digest('hex')
      const send = (id: string, ...args: string[]) =>
        client.sendCommand(['EVALSHA', sha, '3', `{b:0}:${id}`, '{b:0}:due', '{b:0}:parked', id, ...args])
      return async (id) => {
        await send(id)
        for (const _ of writes) await send(id, text)
      }
    },
  },
  postgres: {
    async store(at) {
      const pool = new pg.Pool({ connectionString: at, max: 20 })
      const query = async (statement: string, values: unknown[]) => (await pool.query(statement, values)).rows
      await createTable(query, own)
      return postgresStore({ query, table: own })
    },
    async bare(at, count) {
      const pool = new pg.Pool({ connectionString: at, max: 20 })
      await pool.query(`CREATE TABLE ${own} (key text PRIMARY KEY, state text NOT NULL)`)
      await pool.query(`INSERT INTO ${own} SELECT 'c_' || n, $1 FROM generate_series(0, $2::int - 1) AS n`, [
        text,
        count,
      ])
      return async (id) => {
        await pool.query(`SELECT state FROM ${own} WHERE key = $1`, [id])
        for (const _ of writes) await pool.query(`UPDATE ${own} SET state = $2 WHERE key = $1`, [id, text])
      }
    },
  },
  sqlite: {
    store: async (at) => sqliteStore(openSqlite(`${at}.${own}`)),
    async bare(at, count) {
      const database = openSqlite(`${at}.${own}`)
      database.prepare('PRAGMA journal_mode = WAL').all()
      database.exec('PRAGMA synchronous = FULL; CREATE TABLE bench (key TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT')
      const insert = database.prepare('INSERT INTO bench VALUES (?, ?) RETURNING 1')
      database.exec('BEGIN')
      for (let at = 0; at < count; at++) insert.all(`c_${at}`, text)
      database.exec('COMMIT')
      const select = database.prepare('SELECT state FROM bench WHERE key = ?')
      const update = database.prepare('UPDATE bench SET state = ? WHERE key = ? RETURNING 1')
      return async (id) => {
        select.all(id)
        for (const _ of writes) update.all(text, id)
      }
    },
  },
}

/** Opens a file with the client of SQLite that is there: node:sqlite, if this version of Node.js has it. */
export function openSqlite(path: string): SqliteHandle {
  const [client] = ['node:sqlite', 'better-sqlite3', 'libsql'].filter((name) => name in sqliteClients)
  const open = sqliteClients[client ?? '']
  if (open === undefined) throw new Error('no client of SQLite is installed (npm rebuild better-sqlite3)')
  return open(path)
}
