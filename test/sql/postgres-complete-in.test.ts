import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createTable,
  type PostgresQuery,
  type PostgresStore,
  postgresStore,
} from '../../src/stores/sql/postgres-store.js'
import { describeWith } from '../support/needs.js'
import { type PostgresServer, startPostgres } from '../support/postgres-server.js'
import { type PostgresClient, postgresClients } from '../support/sql-clients.js'
import { claim, completedBy, fakeRun, nudge } from '../support/sql-runs.js'

const levels = ['READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE'] as const
let server: PostgresServer

describeWith('postgres', 'completeIn of the Postgres store', () => {
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  for (const [name, connect] of Object.entries(postgresClients)) {
    describe(name, () => {
      let client: PostgresClient
      let store: PostgresStore
      let keys = 0
      const nextKey = () => `a:apr-${keys++}`
      const table = `runs_${name.replace('.', '_')}`
      beforeAll(async () => {
        client = connect(server.url)
        await createTable(client.query, table)
        await client.query(`CREATE TABLE ${table}_effects (key text)`, [])
        store = postgresStore({ query: client.query, table })
      })
      afterAll(() => client.close())

      const effect = (query: PostgresQuery, key: string) =>
        query(`INSERT INTO ${table}_effects (key) VALUES (CAST($1 AS text)) RETURNING key`, [key])
      const effects = async (key: string) =>
        (await client.query(`SELECT key FROM ${table}_effects WHERE key = CAST($1 AS text)`, [key])).length

      /** A transaction that is repeated when the server requires it, as users should write it. */
      async function retried(level: string, body: (query: PostgresQuery) => Promise<void>): Promise<number> {
        for (let tries = 1; ; tries++) {
          try {
            await client.transaction(`BEGIN ISOLATION LEVEL ${level}`, body)
            return tries
          } catch (error) {
            const code = error instanceof Error && 'code' in error ? error.code : undefined
            if (tries === 50 || (code !== '40001' && code !== '40P01')) throw error
          }
        }
      }

      test.each(levels)('effect and completion are committed together under %s', async (level) => {
        const key = nextKey()
        const run = await claim(store, key, 'A')
        await retried(level, async (query) => {
          await store.completeIn(run, query, { refund: 1 })
          await effect(query, key)
          expect(await completedBy(store, key)).toBeNull()
        })
        expect([await completedBy(store, key), await effects(key), run.settled()]).toEqual(['A', 1, true])
        expect((await store.read(key)).entry?.state['result']).toEqual({ refund: 1 })
      })

      test.each(levels)('a nudge before the completion costs no lease under %s', async (level) => {
        const key = nextKey()
        const run = await claim(store, key, 'A')
        await nudge(store, key)
        await retried(level, async (query) => {
          await effect(query, key)
          await store.completeIn(run, query)
        })
        expect([await completedBy(store, key), await effects(key)]).toEqual(['A', 1])
      })

      test.each(levels)('a nudge after the transaction began is waited out or retried under %s', async (level) => {
        const key = nextKey()
        const run = await claim(store, key, 'A')
        let nudged = false
        const tries = await retried(level, async (query) => {
          await effect(query, key)
          if (!nudged) await nudge(store, key)
          nudged = true
          await store.completeIn(run, query)
        })
        expect(tries).toBe(level === 'READ COMMITTED' ? 1 : 2)
        expect([await completedBy(store, key), await effects(key)]).toEqual(['A', 1])
      })

      test.each(levels)(
        'a transaction that rolls back leaves neither, and the run can complete again under %s',
        async (level) => {
          const key = nextKey()
          const run = await claim(store, key, 'A')
          const rolledBack = retried(level, async (query) => {
            await store.completeIn(run, query)
            await effect(query, key)
            throw new Error('no refund')
          })
          await expect(rolledBack).rejects.toThrow('no refund')
          expect([await completedBy(store, key), await effects(key)]).toEqual([null, 0])
          await retried(level, async (query) => {
            await store.completeIn(run, query)
            await effect(query, key)
          })
          expect([await completedBy(store, key), await effects(key)]).toEqual(['A', 1])
        },
      )

      test.each(levels)(
        'after another worker took over it is lease-lost under %s, and the effect is rolled back',
        async (level) => {
          const key = nextKey()
          const stalled = await claim(store, key, 'A')
          await claim(store, key, 'B')
          const lost = retried(level, async (query) => {
            await effect(query, key)
            await store.completeIn(stalled, query)
          })
          await expect(lost).rejects.toMatchObject({ code: 'lease-lost' })
          expect([await completedBy(store, key), await effects(key)]).toEqual([null, 0])
        },
      )

      test('a caller who ignores lease-lost cannot commit the effect', async () => {
        const key = nextKey()
        const stalled = await claim(store, key, 'A')
        const other = await claim(store, key, 'B')
        await retried('READ COMMITTED', (query) => store.completeIn(other, query))
        const ignored = client.transaction('BEGIN', async (query) => {
          await effect(query, key)
          await store.completeIn(stalled, query).catch(() => {})
        })
        await ignored.catch(() => {})
        expect([await completedBy(store, key), await effects(key)]).toEqual(['B', 0])
      })

      test('a discarded entry is lease-lost', async () => {
        const lost = client.transaction('BEGIN', (query) => store.completeIn(fakeRun(nextKey(), 'A'), query))
        await expect(lost).rejects.toMatchObject({ code: 'lease-lost' })
      })

      test('a query outside of a transaction is refused before anything is written', async () => {
        const key = nextKey()
        const run = await claim(store, key, 'A')
        const before = await store.read(key)
        const refused = expect(store.completeIn(run, client.query)).rejects
        await refused.toMatchObject({ code: 'query-not-a-transaction' })
        expect((await store.read(key)).entry).toEqual(before.entry)
      })

      test.each(['READ COMMITTED', 'SERIALIZABLE'])(
        'a transaction that is repeated after its commit commits no second effect under %s',
        async (level) => {
          const key = nextKey()
          const run = await claim(store, key, 'A')
          const work = async (query: PostgresQuery) => {
            await store.completeIn(run, query)
            await effect(query, key)
          }
          await retried(level, work)
          await expect(retried(level, work)).rejects.toMatchObject({ code: 'lease-lost' })
          expect([(await store.read(key)).entry?.stamp, await effects(key)]).toEqual([run.stamp, 1])
        },
      )

      test('another write rejects with store-busy while the transaction is open, and finds the entry completed afterwards', async () => {
        const key = nextKey()
        const run = await claim(store, key, 'A')
        const { entry } = await store.read(key)
        const release = { stamp: 'release', dueAt: 1, parkedAt: null, state: {} }
        await retried('READ COMMITTED', async (query) => {
          await store.completeIn(run, query)
          await expect(store.write(key, entry?.stamp ?? '', release)).rejects.toMatchObject({ code: 'store-busy' })
          expect((await store.takeDue(10, 1)).keys).toEqual([])
        })
        expect(await store.write(key, entry?.stamp ?? '', release)).toBe(false)
        expect(await completedBy(store, key)).toBe('A')
      })

      test('it waits for a row that another transaction has locked', async () => {
        const key = nextKey()
        const run = await claim(store, key, 'A')
        let waiting: Promise<void> | undefined
        await client.transaction('BEGIN', async (query) => {
          await query(`SELECT key FROM ${table} WHERE key = CAST($1 AS text) FOR UPDATE`, [key])
          waiting = client.transaction('BEGIN', (inside) => store.completeIn(run, inside))
          // Longer than the lock time-out of other writes.
          await query('SELECT pg_sleep(1.5)', [])
        })
        await waiting
        expect(await completedBy(store, key)).toBe('A')
      })

      test.each(['READ COMMITTED', 'SERIALIZABLE'])(
        'a stalled worker and the one that took over commit one effect under %s',
        async (level) => {
          const rounds = Array.from({ length: 40 }, async () => {
            const key = nextKey()
            const stalled = await claim(store, key, 'A')
            const work = (run: typeof stalled) =>
              retried(level, async (query) => {
                await effect(query, key)
                await store.completeIn(run, query)
              }).catch((error: unknown) => expect(error).toMatchObject({ code: 'lease-lost' }))
            const first = work(stalled)
            // The takeover loses if the stalled worker was faster or has locked the row.
            const other = await claim(store, key, 'B').catch(() => null)
            await Promise.all([first, other && work(other)])
            return [await completedBy(store, key), await effects(key)]
          })
          for (const [by, count] of await Promise.all(rounds)) {
            expect(by).not.toBeNull()
            expect(count).toBe(1)
          }
        },
      )

      test('a function as result and any argument but a run are refused', async () => {
        const run = await claim(store, nextKey(), 'A')
        const code = { code: 'argument-invalid' }
        await expect(store.completeIn(run, client.query, () => {})).rejects.toMatchObject(code)
        // Wrong types on purpose, as callers without a compiler pass them.
        await expect(store.completeIn({} as never, client.query)).rejects.toMatchObject(code)
        await expect(store.completeIn(null as never, client.query)).rejects.toMatchObject(code)
        await expect(store.completeIn(run, { refund: 1 } as never)).rejects.toMatchObject(code)
      })
    })
  }
})
