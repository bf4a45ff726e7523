import Libsql from 'libsql'
import type { Store } from '../../src/index.js'
import { createTable, postgresStore } from '../../src/stores/sql/postgres-store.js'
import { sqliteStore } from '../../src/stores/sql/sqlite-store.js'
import { startPostgres } from './postgres-server.js'
import { openBench } from './redis-bench.js'
import { startRedis } from './redis-server.js'
import { postgresClients, temporaryFile } from './sql-clients.js'

/** A store that a receiver and the command line work on. */
export interface CliStore {
  readonly store: Store
  /** The options that name it. */
  readonly at: readonly string[]
  /** All stored data, to compare. */
  readonly content: () => Promise<unknown>
  readonly close: () => Promise<void>
}

/** Opens each kind of store on its own server or file. */
export const cliStores: Readonly<Record<'redis' | 'postgres' | 'sqlite', () => Promise<CliStore>>> = {
  async redis() {
    const server = await startRedis()
    const bench = await openBench(server.url)
    const store = bench.store({ prefix: 'mine', partitions: 4 })
    await store.check?.()
    return {
      store,
      at: ['--redis', server.url, '--prefix', 'mine'],
      content: async () => (await bench.raw('KEYS', '*')) as readonly string[],
      async close() {
        await bench.close()
        await server.stop()
      },
    }
  },
  async postgres() {
    const server = await startPostgres()
    const client = postgresClients['pg']?.(server.url)
    if (client === undefined) throw new Error('there is no pg')
    await createTable(client.query, 'approvals')
    return {
      store: postgresStore({ query: client.query, table: 'approvals' }),
      at: ['--postgres', server.url, '--table', 'approvals'],
      content: () => client.query('SELECT * FROM approvals ORDER BY key', []),
      async close() {
        await client.close()
        await server.stop()
      },
    }
  },
  async sqlite() {
    const { path, remove } = temporaryFile()
    const handle = new Libsql(path)
    const store = sqliteStore(handle)
    await store.count()
    return {
      store,
      at: ['--sqlite', path],
      content: async () => handle.prepare('SELECT * FROM cheqpoint_entries ORDER BY key').all(),
      async close() {
        handle.close()
        remove()
      },
    }
  },
}
