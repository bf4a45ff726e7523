import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import {
  createClient,
  memoryStore,
  type ReceiverOptions,
  register,
  type Store,
  verifyAndResolve,
} from '../../src/index.js'
import { createTable, postgresStore } from '../../src/stores/sql/postgres-store.js'
import { sqliteStore } from '../../src/stores/sql/sqlite-store.js'
import { callbackRequest } from '../support/callback.js'
import { kept, takeOver } from '../support/kept.js'
import { describeWith } from '../support/needs.js'
import { startPostgres } from '../support/postgres-server.js'
import { bench, refund } from '../support/receiver.js'
import { openBench } from '../support/redis-bench.js'
import { type PostgresClient, postgresClients, sqliteClients, temporaryFile } from '../support/sql-clients.js'
import { failure, refund as request, submitBench } from '../support/submit-bench.js'

/*
 * The main behaviours of a receiver, in real time, on each store: results must not depend on the store. Two receivers
 * on one store represent two processes.
 */

/** A store, and if it has `completeIn`, a transaction that adds an effect to its database. */
interface Backing {
  readonly store: Store
  readonly complete?: (run: Parameters<NonNullable<ReceiverOptions['onDecision']>>[1]) => Promise<void> | void
  readonly effects?: () => Promise<number> | number
}
interface Kind {
  readonly open: () => Promise<Backing>
  readonly close: () => Promise<void>
}

const quick: Partial<ReceiverOptions> = {
  confirm: { minIntervalMs: 0 },
  polling: { firstMs: 20, maxMs: 20 },
  runs: { backoffMs: [1, 20] },
}

function memory(): Kind {
  return { open: async () => ({ store: memoryStore() }), close: async () => {} }
}

async function redis(): Promise<Kind> {
  const server = await openBench()
  return { open: async () => ({ store: server.store() }), close: () => server.close() }
}

async function sqlite(name: string): Promise<Kind> {
  const ends: (() => void)[] = []
  return {
    async open() {
      const { path, remove } = temporaryFile()
      const database = sqliteClients[name]?.(path)
      if (database === undefined) throw new Error(`no client ${name}`)
      ends.push(() => database.close(), remove)
      database.exec('CREATE TABLE effects (key TEXT)')
      const store = sqliteStore(database)
      return {
        store,
        complete(run) {
          database.exec('BEGIN IMMEDIATE')
          try {
            database.exec("INSERT INTO effects (key) VALUES ('one')")
            store.completeIn(run, { refunded: 120 })
            database.exec('COMMIT')
          } catch (error) {
            database.exec('ROLLBACK')
            throw error
          }
        },
        effects: () => database.prepare('SELECT key FROM effects').all().length,
      }
    },
    async close() {
      for (const end of ends) end()
    },
  }
}

async function postgres(): Promise<Kind> {
  const server = await startPostgres()
  // This client is always installed.
  const client = (postgresClients['pg'] as (url: string) => PostgresClient)(server.url)
  let tables = 0
  return {
    async open() {
      const table = `parity_${tables++}`
      await createTable(client.query, table)
      await client.query(`CREATE TABLE ${table}_effects (key text)`, [])
      const store = postgresStore({ query: client.query, table })
      return {
        store,
        complete: (run) =>
          client.transaction('BEGIN', async (query) => {
            await query(`INSERT INTO ${table}_effects (key) VALUES ('one') RETURNING key`, [])
            await store.completeIn(run, query, { refunded: 120 })
          }),
        effects: async () => (await client.query(`SELECT key FROM ${table}_effects`, [])).length,
      }
    },
    async close() {
      await client.close()
      await server.stop()
    },
  }
}

function behaves(name: string, start: () => Kind | Promise<Kind>): void {
  describe(name, () => {
    let kind: Kind
    beforeAll(async () => {
      kind = await start()
    })
    afterAll(() => kind.close())
    const open = async (options: Partial<ReceiverOptions> = {}) => {
      const backing = await kind.open()
      return { ...backing, ...bench({ ...quick, store: backing.store, ...options }) }
    }
    const id = () => `req_${randomUUID()}`

    test('many callbacks to two processes run the handler once, with the submitted details', async () => {
      const details = { text: 'é \u0000 \ud800 漢字', list: [1, null, { deep: 0.1 }] }
      const one = id()
      const { receiver, runs, api, store } = await open()
      const other = bench({ ...quick, store, dispatcher: api })
      await receiver.track(one, { action: 'process_refund', details })
      api.approve(one)
      const each = Array.from({ length: 20 }, (_, n) =>
        (n % 2 === 0 ? receiver : other.receiver).fetch(callbackRequest(one)),
      )
      for (const { status } of await Promise.all(each)) expect([200, 202, 409]).toContain(status)
      await vi.waitFor(async () => expect(await kept(store, one)).toMatchObject({ state: 'completed' }), 10_000)
      expect((await receiver.fetch(callbackRequest(one))).status).toBe(200)
      const all = [...runs, ...other.runs]
      expect(all).toMatchObject([{ decision: { status: 'approved', details }, run: { attempt: 1 } }])
      expect(JSON.stringify((await store.read(`a:${one}`)).entry)).not.toContain('deep')
    })

    test('an undecided approval stays pending, and the sweep finds a decision whose callback was lost', async () => {
      const one = id()
      const { receiver, runs, api } = await open()
      api.pend(one)
      await receiver.track(one, refund)
      await receiver.start()
      await vi.waitFor(() => expect(api.gets.length).toBeGreaterThan(1), 10_000)
      expect(runs).toEqual([])
      api.reject(one)
      await vi.waitFor(() => expect(runs.map(({ decision }) => decision.status)).toEqual(['rejected']), 10_000)
      await receiver.close()
      expect(await receiver.stats()).toMatchObject({ open: 0, parked: 0 })
    })

    test('a handler that throws is retried with the same idempotency key', async () => {
      const one = id()
      const { receiver, runs, api, store } = await open({
        onDecision(_, run) {
          if (run.attempt < 3) throw new Error('ledger is down')
        },
      })
      await receiver.track(one, refund)
      api.approve(one)
      await receiver.start()
      await vi.waitFor(async () => expect(await kept(store, one)).toMatchObject({ state: 'completed' }), 10_000)
      await receiver.close()
      expect(runs.map(({ run }) => [run.attempt, run.idempotencyKey])).toEqual(
        [1, 2, 3].map((attempt) => [attempt, `cheqpoint:${one}`]),
      )
      expect(api.gets).toHaveLength(1)
    })

    test('at-most-once parks a failed run, lists it, and lets an operator retry or cancel it', async () => {
      // If parked in the same millisecond, they are listed by id.
      const [one = '', two = ''] = [id(), id()].sort()
      let fails = true
      const { receiver, runs, api } = await open({
        guarantee: 'at-most-once',
        onDecision() {
          if (fails) throw new Error('ledger is down')
        },
      })
      for (const each of [one, two]) {
        await receiver.track(each, { ...refund, context: { chat: 7 } })
        api.approve(each)
        await receiver.resolve(each)
      }
      const { items } = await receiver.parked()
      expect(items.map(({ approvalId, attempts, context }) => [approvalId, attempts, context])).toEqual([
        [one, 1, { chat: 7 }],
        [two, 1, { chat: 7 }],
      ])
      fails = false
      await receiver.retry(one)
      await receiver.resolve(one)
      await receiver.cancel(two)
      expect((await receiver.parked()).items).toEqual([])
      expect(runs.map(({ decision }) => decision.approvalId)).toEqual([one, two, one])
    })

    test('a worker whose lease was taken over cannot record its completion', async () => {
      const one = id()
      const started = deferred()
      const { receiver, api, store, eventTypes } = await open({ onDecision: () => started.promise })
      await receiver.track(one, refund)
      api.approve(one)
      const ended = receiver.resolve(one)
      await vi.waitFor(() => expect(eventTypes()).toContain('run-started'), 10_000)
      await takeOver(store, one)
      started.resolve()
      await ended
      expect(eventTypes()).toContain('completed-after-takeover')
      expect(eventTypes()).not.toContain('completed')
      expect(await kept(store, one)).toMatchObject({ state: 'claimed', fence: 2 })
    })

    test('a key is submitted once, and another request under that key is refused', async () => {
      const { store } = await kind.open()
      const { receiver, api } = submitBench({ store })
      const key = { idempotencyKey: 'agent-7' }
      const [first, again] = [await receiver.submit(request, key), await receiver.submit(request, key)]
      expect([first.approvalId, again.approvalId, api.posts.length]).toEqual(['req_1', 'req_1', 1])
      const other = receiver.submit({ ...request, details: { orderId: '1', amount: 1 } }, key)
      expect(await failure(other)).toMatchObject({ code: 'key-reused' })
    })

    test('verifyAndResolve gives a claim, and a second callback none', async () => {
      const one = id()
      const { store } = await kind.open()
      const { api } = bench()
      const client = createClient({ apiKey: 'cq_live_test', dispatcher: api })
      await register(one, refund, { client, store })
      api.approve(one)
      const outcome = await verifyAndResolve(callbackRequest(one), { client, store })
      if (outcome.kind !== 'ok') throw new Error(`it was ${outcome.kind}`)
      expect(await verifyAndResolve(callbackRequest(one), { client, store })).toMatchObject({ kind: 'in-progress' })
      await outcome.claim.complete({ refunded: 120 })
      expect(await kept(store, one)).toMatchObject({ state: 'completed', result: '{"refunded":120}' })
    })

    test('completeIn, if the store has it, commits effect and completion together, once', async () => {
      const one = id()
      const backing = await kind.open()
      const { complete, effects } = backing
      if (complete === undefined) return
      let fails = true
      const { receiver, api, eventTypes } = bench({
        ...quick,
        store: backing.store,
        async onDecision(_, run) {
          if (fails) {
            fails = false
            throw new Error('before the transaction')
          }
          await complete(run)
          // As after a COMMIT whose response was lost: the effect must not be committed again.
          await complete(run)
        },
      })
      await receiver.track(one, refund)
      api.approve(one)
      await receiver.start()
      expect(await receiver.wait(one)).toMatchObject({ status: 'approved', result: { refunded: 120 } })
      await receiver.close()
      expect([await effects?.(), eventTypes().filter((type) => type === 'completed').length]).toEqual([1, 1])
    })
  })
}

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

behaves('a receiver on the memory store', memory)
for (const name of Object.keys(sqliteClients)) behaves(`a receiver on SQLite through ${name}`, () => sqlite(name))
describeWith('postgres', 'a receiver with a server:', () => behaves('Postgres', postgres))
describeWith('redis-server', 'a receiver with a server:', () => behaves('Redis', redis))
