import Libsql from 'libsql'
import pg from 'pg'
import { createClient } from 'redis'
import { Records } from '../../../src/approvals/records.js'
import type { ConfirmedDecision } from '../../../src/model/confirmed-decision.js'
import { redisStore } from '../../../src/stores/redis/redis-store.js'
import { createTable, postgresStore } from '../../../src/stores/sql/postgres-store.js'
import { type SqliteHandle, sqliteStore } from '../../../src/stores/sql/sqlite-store.js'
import type { Store } from '../../../src/stores/store.js'
import { systemClock, systemRandom } from '../../../src/util/clock.js'
import { startPostgres } from '../../support/postgres-server.js'
import { startRedis } from '../../support/redis-server.js'
import { temporaryFile } from '../../support/sql-clients.js'
import { median } from './figures.js'
import { decide, openApproval } from './open-approval.js'

/*
 * Statements and the time that a database spends on one decision: read, claim, record and complete, over Redis (INFO
 * commandstats), Postgres (pg_stat_statements, planning included) and SQLite (the time in calls of the handle, commits with
 * their fsync included), in turns. Needs redis-server and Postgres: `node dist/test/long/bench/server-time.js [DECISIONS]`.
 */

/** What one turn cost a database. */
interface Cost {
  readonly statements: number
  readonly micros: number
}
interface Contender {
  readonly name: string
  readonly store: Store
  /** Costs since it was last asked. */
  readonly spent: () => Promise<Cost> | Cost
  readonly close: () => Promise<void>
}

const count = Number(process.argv[2] ?? 5_000)
const turn = 250
const leaseMs = 60_000
const retentionMs = 3_600_000
const details = { text: 'x'.repeat(280) }
const decision: ConfirmedDecision = {
  ...{ status: 'approved', modifiedDetails: null, note: null, decidedAt: '2026-01-01T00:00:00.000Z' },
  via: 'callback',
}

async function onRedis(): Promise<Contender> {
  const server = await startRedis()
  const client = await createClient({ url: server.url }).connect()
  return {
    name: 'Redis',
    store: redisStore({ sendCommand: (args) => client.sendCommand(args) }),
    async spent() {
      const stats = String(await client.sendCommand(['INFO', 'commandstats']))
      await client.sendCommand(['CONFIG', 'RESETSTAT'])
      const [, calls, micros] = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(stats) ?? []
      return { statements: Number(calls), micros: Number(micros) }
    },
    async close() {
      await client.close()
      await server.stop()
    },
  }
}

async function onPostgres(fsync: 'on' | 'off'): Promise<Contender> {
  const extension = 'pg_stat_statements'
  const settings = { shared_preload_libraries: extension, [`${extension}.track_planning`]: 'on', fsync }
  const server = await startPostgres(settings)
  const pool = new pg.Pool({ connectionString: server.url, max: 20 })
  const query = async (text: string, values: unknown[]) => (await pool.query(text, values)).rows
  await createTable(query)
  await pool.query(`CREATE EXTENSION ${extension}`)
  return {
    name: `Postgres, fsync ${fsync}`,
    store: postgresStore({ query }),
    async spent() {
      const [row] = await query(
        `SELECT sum(calls)::float8 AS calls, sum(total_exec_time + total_plan_time)::float8 AS ms FROM ${extension}
WHERE query LIKE '%cheqpoint_entries%' AND query NOT LIKE '%${extension}%'`,
        [],
      )
      await pool.query(`SELECT ${extension}_reset()`)
      return { statements: row.calls, micros: row.ms * 1_000 }
    },
    async close() {
      await pool.end()
      await server.stop()
    },
  }
}

function onSqlite(): Contender {
  const { path, remove } = temporaryFile()
  const database = new Libsql(path)
  let [statements, micros] = [0, 0]
  const timed = <Result>(work: () => Result, counts: number): Result => {
    const begun = performance.now()
    try {
      return work()
    } finally {
      micros += (performance.now() - begun) * 1_000
      statements += counts
    }
  }
  const handle: SqliteHandle = {
    exec: (text) => timed(() => database.exec(text), 0),
    close: () => database.close(),
    prepare(text) {
      const statement = database.prepare(text)
      // What keeps the time of the store is counted with the statement that it belongs to.
      const counts = text.includes('cheqpoint_entries') ? 1 : 0
      return { all: (...values) => timed(() => statement.all(...values), counts) }
    },
  }
  return {
    name: 'SQLite through libsql',
    store: sqliteStore(handle),
    spent() {
      const cost = { statements, micros }
      statements = 0
      micros = 0
      return cost
    },
    async close() {
      database.close()
      remove()
    },
  }
}

const contenders = [await onRedis(), await onPostgres('on'), await onPostgres('off'), onSqlite()]
try {
  const turns = contenders.map(() => [] as Cost[])
  for (let at = 0; at <= Math.ceil(count / turn); at++) {
    const ids = Array.from({ length: turn }, (_, index) => `apr-${at}-${index}`)
    for (const [which, { store, spent }] of contenders.entries()) {
      const records = new Records({ store, clock: systemClock, random: systemRandom })
      for (const id of ids) await openApproval(store, id, details, leaseMs)
      await spent()
      // One at a time: the time of a call is that of the database alone.
      for (const id of ids) await decide(records, id, { decision, leaseMs, retentionMs })
      const cost = await spent()
      // The first turn warms up.
      if (at > 0) turns[which]?.push(cost)
    }
  }
  console.log('| store | statements a decision | time in the database, µs | beside Redis |\n| --- | --- | --- | --- |')
  const of = (which: number, what: keyof Cost): number => median((turns[which] ?? []).map((cost) => cost[what] / turn))
  for (const [which, { name }] of contenders.entries()) {
    const micros = of(which, 'micros')
    const ratio = (micros / of(0, 'micros')).toFixed(1)
    console.log(`| ${name} | ${of(which, 'statements').toFixed(2)} | ${micros.toFixed(0)} | ${ratio} |`)
  }
} finally {
  for (const { close } of contenders) await close()
}
