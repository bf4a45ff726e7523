import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createTable } from '../../../src/stores/sql/postgres-store.js'
import { type PostgresServer, startPostgres } from '../../support/postgres-server.js'
import type { FinalState } from './history.js'
import type { EffectPlan, StorePlan } from './messages.js'

/** A row of a handler. Its table has no unique column. */
export interface Effect {
  readonly at: number
  readonly id: string
  readonly fence: number
  readonly pid: number
}

/** The Postgres of a run, and the driver's reads without the library. */
export class PostgresBacking {
  readonly name = 'postgres'
  readonly version: string
  readonly #server: PostgresServer
  readonly #pool: pg.Pool
  readonly #effects: EffectPlan | null

  private constructor(server: PostgresServer, pool: pg.Pool, version: string, effects: EffectPlan | null) {
    this.#server = server
    this.#pool = pool
    this.version = version
    this.#effects = effects
  }

  static async start(effects: EffectPlan | null): Promise<PostgresBacking> {
    const server = await startPostgres()
    const pool = new pg.Pool({ connectionString: server.url, max: 2 })
    // The server is stopped on purpose; queries are repeated.
    pool.on('error', () => {})
    await createTable(async (text, values) => (await pool.query(text, values)).rows)
    await pool.query('CREATE TABLE effects (at float8, id text, fence integer, pid integer)')
    const { rows } = await pool.query('SHOW server_version')
    return new PostgresBacking(server, pool, `PostgreSQL ${rows[0].server_version.split(' ')[0]}`, effects)
  }

  get store(): StorePlan {
    return { kind: 'postgres', url: `${this.#server.url}?application_name=worker`, effects: this.#effects }
  }

  /** Crashes the server and restarts it. */
  async restart(pauseMs: number): Promise<void> {
    await this.#server.restart(pauseMs)
  }

  /** Ends a connection of a worker, preferably one in a transaction. */
  async terminateBackend(): Promise<void> {
    await this.#rows(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'worker' ORDER BY state = 'idle', random() LIMIT 1`)
  }

  async isDrained(): Promise<boolean> {
    const open = await this.#rows(`SELECT key FROM cheqpoint_entries WHERE due IS NOT NULL AND key LIKE 'a:%' LIMIT 1`)
    return open.length === 0
  }

  async readState(): Promise<FinalState> {
    const rows =
      await this.#rows(`SELECT key, due IS NOT NULL AS due, parked IS NOT NULL AS parked, ends IS NOT NULL AS ends,
state LIKE '%"kind":"binding"%' AS binding FROM cheqpoint_entries ORDER BY due, key`)
    const ids = (keys: readonly pg.QueryResultRow[]) => keys.map(({ key }) => String(key).slice(2))
    const approvals = rows.filter(({ key }) => key.startsWith('a:'))
    return {
      due: rows.filter(({ due }) => due).map(({ key, binding }) => (binding ? `b:${key.slice(2)}` : String(key))),
      parked: ids(rows.filter(({ parked }) => parked)),
      open: ids(approvals.filter(({ ends }) => !ends)),
      done: ids(approvals.filter(({ ends }) => ends)),
      bytesPerKey: null,
    }
  }

  /** The rows of handlers, in order of time. */
  async readEffects(): Promise<readonly Effect[]> {
    const rows = await this.#rows('SELECT at, id, fence, pid FROM effects ORDER BY at')
    return rows.map(({ at, id, fence, pid }) => ({ at, id, fence, pid }))
  }

  async stop(): Promise<void> {
    await this.#pool.end()
    await this.#server.stop()
  }

  async #rows(text: string): Promise<readonly pg.QueryResultRow[]> {
    for (;;) {
      try {
        return (await this.#pool.query(text)).rows
      } catch {
        await sleep(100)
      }
    }
  }
}
