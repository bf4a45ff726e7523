import type { Store } from 'cheqpoint-callback'
import { createTable, postgresStore } from 'cheqpoint-callback/postgres'
import { redisStore } from 'cheqpoint-callback/redis'
import { sqliteStore } from 'cheqpoint-callback/sqlite'
import pg from 'pg'
import { createClient } from 'redis'
import { type DatabaseName, openSqlite } from './databases.js'
import { type Figure, figureOf, type Suite } from './figures.js'
import { openApproval } from './open-approval.js'
import { withDatabase } from './servers.js'

/* The tick of a sweep, which takes 32 keys that are due: it must not depend on how many approvals are pending. */

/** A store with so many pending approvals. */
interface Filled {
  readonly store: Store
  /** Makes 32 of them due. */
  readonly makeDue: () => Promise<unknown>
  readonly close: () => Promise<unknown>
}

const hour = 3_600_000
const details = { orderId: '8842', amount: 120 }
const due = Array.from({ length: 32 }, (_, at) => `apr-${at}`)
const keys = due.map((id) => `'a:${id}'`).join()
const title: Readonly<Record<DatabaseName, string>> = { redis: 'Redis', postgres: 'Postgres', sqlite: 'SQLite' }

/** More rows like the one that is there, which become due one after another. SQLite has its own words for the numbers. */
const copies = (table: string, numbers: string): string => `INSERT INTO ${table} (key, stamp, due, parked, ends, state)
SELECT 'a:apr-' || n, 'stamp.' || n, due + n, parked, ends, state FROM ${table}, ${numbers} WHERE key = 'a:apr-0'`

/** By name: fills a store that is called `name`. `at` is the URL of a server, or a path. */
const fills: Readonly<Record<DatabaseName, (at: string, name: string, pending: number) => Promise<Filled>>> = {
  async redis(at, name, pending) {
    const client = await createClient({ url: at }).connect()
    const store = redisStore({ sendCommand: (args) => client.sendCommand(args), prefix: name })
    for (let from = 0; from < pending; from += 1_000) {
      const some = Array.from({ length: 1_000 }, (_, index) => from + index)
      await Promise.all(some.map((number) => openApproval(store, `apr-${number}`, details, hour + number)))
    }
    const members = due.flatMap((id) => ['1', `a:${id}`])
    const makeDue = () => client.sendCommand(['ZADD', `{${name}:0}:due`, 'XX', ...members])
    return { store, makeDue, close: () => client.close() }
  },
  async postgres(at, name, pending) {
    const pool = new pg.Pool({ connectionString: at })
    const query = async (text: string, values: unknown[]) => (await pool.query(text, values)).rows
    await createTable(query, name)
    const store = postgresStore({ query, table: name })
    await openApproval(store, 'apr-0', details, hour)
    await pool.query(copies(name, `generate_series(1, ${pending - 1}) AS n`))
    await pool.query(`VACUUM ANALYZE ${name}`)
    const makeDue = () => pool.query(`UPDATE ${name} SET due = 1 WHERE key IN (${keys})`)
    return { store, makeDue, close: () => pool.end() }
  },
  async sqlite(at, name, pending) {
    const database = openSqlite(`${at}.${name}`)
    const store = sqliteStore(database)
    await openApproval(store, 'apr-0', details, hour)
    const numbers = `(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ${pending - 1}) SELECT n FROM c)`
    database.exec(copies('cheqpoint_entries', numbers))
    const makeDue = async () => database.exec(`UPDATE cheqpoint_entries SET due = 1 WHERE key IN (${keys})`)
    return { store, makeDue, close: async () => database.close() }
  },
}

export const ticks: Suite = {
  name: 'ticks',
  async run({ amount }) {
    const [small, large] = [1_000, amount * 400]
    // The keys of an object literal are its own.
    const names = Object.keys(fills) as DatabaseName[]
    const figures: Figure[] = []
    for (const name of names) {
      const fill = fills[name]
      await withDatabase(name, async (at) => {
        const many = await fill(at, 'large', large)
        const few = await fill(at, 'small', small)
        const taken = new Map<string, number[]>([
          ['ours', []],
          [`of ${small.toLocaleString('en')}`, []],
        ])
        const [ofMany = [], ofFew = []] = taken.values()
        for (let turn = 0; turn < amount / 5; turn++) {
          ofMany.push(await takeDueMs(many))
          ofFew.push(await takeDueMs(few))
        }
        await many.close()
        await few.close()
        const what = `32 taken of ${large.toLocaleString('en')} pending, ${title[name]}`
        figures.push(
          figureOf({ what, unit: 'ms' }, taken, (ms) => ms, { [`of ${small.toLocaleString('en')}`]: { atMost: 1.3 } }),
        )
      })
    }
    return figures
  },
}

async function takeDueMs({ store, makeDue }: Filled): Promise<number> {
  await makeDue()
  const start = performance.now()
  const { keys: taken } = await store.takeDue(due.length, 1.5 * hour)
  const ms = performance.now() - start
  if (taken.length !== due.length) throw new Error(`${taken.length} keys were due, not ${due.length}`)
  return ms
}
