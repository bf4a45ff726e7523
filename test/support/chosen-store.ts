import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { inject } from 'vitest'
import * as memory from '../../src/stores/memory/memory-store.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { createTable, postgresStore } from '../../src/stores/sql/postgres-store.js'
import { sqliteStore } from '../../src/stores/sql/sqlite-store.js'
import type { Store } from '../../src/stores/store.js'
import { systemClock } from '../../src/util/clock.js'
import { blockingClient } from './blocking-client.js'
import { overlayStore } from './overlay-store.js'
import { sqliteClients } from './sql-clients.js'

/*
 * Stands in the place of the memory store where the tests of the receiver run on another store: `memoryStore` opens an
 * empty store of the kind that CHEQPOINT_STORE names, on a real file or server, whose calls are done when they return and
 * whose time is the one that the memory store would have. Statements and scripts are those of the store, but for the
 * server's clock in them.
 */

export type { MemoryStoreOptions } from '../../src/stores/memory/memory-store.js'
export const isMemoryStore: typeof memory.isMemoryStore = memory.isMemoryStore

/** A store of the chosen kind. */
export function memoryStore(options: memory.MemoryStoreOptions = {}): Store {
  // Refuses what the memory store refuses, and warns as it does.
  memory.memoryStore(options)
  if (options.maxPending !== undefined) throw new Error('only the memory store has maxPending')
  const { now, elapsed } = options.clock ?? systemClock
  // As the memory store tells time.
  const offset = Math.floor(now.call(options.clock)) - Math.floor(elapsed.call(options.clock))
  const time = () => offset + Math.floor(elapsed.call(options.clock))
  const open = kinds[process.env['CHEQPOINT_STORE'] ?? '']
  if (open === undefined) throw new Error('CHEQPOINT_STORE names no store')
  return open(time)
}

const kinds: Readonly<Record<string, (time: () => number) => Store>> = { sqlite, postgres, redis }
let opened = 0

/** In memory where the machine has such a folder: what a disk costs is measured elsewhere. */
const folder = mkdtempSync(`${existsSync('/dev/shm') ? '/dev/shm' : tmpdir()}/cheqpoint-parity-`)
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

function sqlite(time: () => number): Store {
  const client = sqliteClients['node:sqlite'] ?? sqliteClients['libsql']
  if (client === undefined) throw new Error('no client of SQLite')
  const store = sqliteStore(client(`${folder}/${opened++}.db`))
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]): unknown => {
        const { now } = Date
        // All of a call happens before it returns, so nothing else sees this time.
        Date.now = time
        try {
          return method.apply(target, args)
        } finally {
          Date.now = now
        }
      }
    },
  })
}

let askPostgres: ReturnType<typeof blockingClient> | undefined

function postgres(time: () => number): Store {
  askPostgres ??= blockingClient({ kind: 'postgres', url: inject('parityServer') })
  const ask = askPostgres
  const table = `parity_${process.pid}_${opened++}`
  const query = async (text: string, values: unknown[]) => {
    const timed = text.replace(/CAST\(floor\(.*?clock_timestamp\(\)\).*? AS float8\)/, `CAST(${time()} AS float8)`)
    // The rows of pg.
    return ask([timed, ...values]) as object[]
  }
  // Done when it returns, as every call.
  createTable(query, table).catch(() => {})
  return withoutWarnings(postgresStore({ query, table }))
}

let askRedis: ReturnType<typeof blockingClient> | undefined

function redis(time: () => number): Store {
  askRedis ??= blockingClient({ kind: 'redis', url: inject('parityServer') })
  const ask = askRedis
  /** What disappears by the time of the tests: the text that was written last, and when. */
  const ends = new Map<string, { readonly text: string; readonly at: number }>()
  const store = redisStore({
    prefix: randomUUID(),
    async sendCommand([name, source, ...rest]) {
      // Told as by a server that was restarted: the store sends the source then.
      if (name === 'EVALSHA') throw new Error('NOSCRIPT No matching script')
      for (const [key, { at }] of ends) if (at < time() && ends.delete(key)) ask(['DEL', key])
      const clock = `{'${Math.floor(time() / 1_000)}', '${(time() % 1_000) * 1_000}'}`
      const timed = String(source).replaceAll("redis.call('TIME')", clock).replace(", 'PX', keep)", ')')
      const reply = ask([name, timed, ...rest])
      const [, entry = '', , , , , , , keep = '', text = ''] = rest
      const isWrite = timed.includes('local key, expected, due, parked, keep, text, first = unpack(ARGV)')
      if (isWrite && reply === 1 && ends.get(entry)?.text !== text) {
        ends.delete(entry)
        if (keep !== '') ends.set(entry, { text, at: time() + Number(keep) })
      }
      return reply
    },
  })
  return withoutWarnings(store)
}

/** The servers of the tests are set to be quick, and their stores warn of that. */
function withoutWarnings(store: Store): Store {
  return overlayStore(store, {
    async check() {
      await store.check?.()
      return []
    },
  })
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the server of this run is; empty where it needs none. */
    parityServer: string
  }
}
