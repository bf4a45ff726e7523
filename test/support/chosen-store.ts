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
 * Replaces the memory store when the receiver's tests run on another store: `memoryStore` opens an empty store of the
 * kind CHEQPOINT_STORE, on a real file or server. Its calls are synchronous, and its time is that of the memory store.
 * Statements and scripts are the store's own, except for the server's clock.
 */

export type { MemoryStoreOptions } from '../../src/stores/memory/memory-store.js'
export const isMemoryStore: typeof memory.isMemoryStore = memory.isMemoryStore

/** A store of the chosen kind. */
export function memoryStore(options: memory.MemoryStoreOptions = {}): Store {
  // Validates options and warns as the memory store does.
  memory.memoryStore(options)
  if (options.maxPending !== undefined) throw new Error('only the memory store has maxPending')
  const { now, elapsed } = options.clock ?? systemClock
  // The same time as in the memory store.
  const offset = Math.floor(now.call(options.clock)) - Math.floor(elapsed.call(options.clock))
  const time = () => offset + Math.floor(elapsed.call(options.clock))
  const open = kinds[process.env['CHEQPOINT_STORE'] ?? '']
  if (open === undefined) throw new Error('CHEQPOINT_STORE names no store')
  return open(time)
}

const kinds: Readonly<Record<string, (time: () => number) => Store>> = { sqlite, postgres, redis }
let opened = 0

/** In memory if the machine has such a folder: other tests measure the cost of a disk. */
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
        // A call is synchronous, so no other code sees this time.
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
  // Synchronous, like every call.
  createTable(query, table).catch(() => {})
  return withoutWarnings(postgresStore({ query, table }))
}

let askRedis: ReturnType<typeof blockingClient> | undefined

function redis(time: () => number): Store {
  askRedis ??= blockingClient({ kind: 'redis', url: inject('parityServer') })
  const ask = askRedis
  /** Entries that expire by the tests' time: the text last written, and when it expires. */
  const ends = new Map<string, { readonly text: string; readonly at: number }>()
  const store = redisStore({
    prefix: randomUUID(),
    async sendCommand([name, source, ...rest]) {
      // The error of a restarted server, after which the store sends the source.
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

/** The test servers are configured for speed, and their stores warn about that. */
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
    /** Address of the server of this run; empty if none is needed. */
    parityServer: string
  }
}
