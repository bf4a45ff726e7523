import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { memoryStore, type ReceiverOptions, type Store } from '../../src/index.js'
import { sqliteStore } from '../../src/stores/sql/sqlite-store.js'
import { nudgeNow } from '../support/approval-snapshot.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { describeWith } from '../support/needs.js'
import { openBench } from '../support/redis-bench.js'
import { sqliteClients, temporaryFile } from '../support/sql-clients.js'
import { refund as request, SubmitApi, submitBench } from '../support/submit-bench.js'
import { activeSpans, telemetryBench } from '../support/telemetry-bench.js'

/*
 * One request through two processes, in real time, over each store: the trace must not depend on where entries are kept.
 */

let end: () => void
beforeAll(() => {
  end = activeSpans()
})
afterAll(() => end())

interface Kind {
  readonly open: () => Store
  readonly close: () => Promise<void> | void
}

/** Nothing is due by itself before the test is over. */
const options: Partial<ReceiverOptions> = {
  confirm: { minIntervalMs: 0 },
  polling: { firstMs: 3_600_000, maxMs: 3_600_000 },
  runs: { backoffMs: [1, 20] },
}

function sqlite(name: string): Kind {
  const ends: (() => void)[] = []
  return {
    open() {
      const { path, remove } = temporaryFile()
      const database = sqliteClients[name]?.(path)
      if (database === undefined) throw new Error(`no client ${name}`)
      ends.push(() => database.close(), remove)
      return sqliteStore(database)
    },
    close() {
      for (const each of ends) each()
    },
  }
}

async function redis(): Promise<Kind> {
  const server = await openBench()
  return { open: () => server.store(), close: () => server.close() }
}

function shows(name: string, start: () => Kind | Promise<Kind>): void {
  describe(name, () => {
    let kind: Kind
    beforeAll(async () => {
      kind = await start()
    })
    afterAll(() => kind.close())

    /** Two processes on one store, the second of which acts. Ids are those of this test alone. */
    function two(onDecision: NonNullable<ReceiverOptions['onDecision']> = () => {}) {
      const [store, api, id] = [kind.open(), new SubmitApi(), randomUUID()]
      api.onPost = () => ({ body: { status: 'pending', approvalId: id } })
      const first = telemetryBench()
      const second = telemetryBench(first.traces)
      const submitting = submitBench({ ...options, store, telemetry: first.telemetry }, api)
      const acting = submitBench({ ...options, store, telemetry: second.telemetry, sweep: 'here', onDecision }, api)
      return { store, api, id, submitting, acting, traces: first.traces }
    }

    it('a lost callback is found by the sweep of another process, whose handler fails once', async () => {
      const { store, api, id, submitting, acting, traces } = two((_, { attempt }) => {
        if (attempt === 1) throw new Error('ledger is down')
      })
      await submitting.receiver.submit(request)
      api.approve(id)
      await nudgeNow(store, id)
      await acting.receiver.start()
      await acting.receiver.wait(id)
      await acting.receiver.close()
      expect(traces.tree()).toEqual([
        'submit process_refund (producer)',
        ...['sweep (internal)', '  confirm (client)'],
        'run process_refund (consumer) failed: Error → submit process_refund and sweep',
        ...['sweep (internal)', 'run process_refund (consumer) → submit process_refund and sweep'],
      ])
      expect(await kept(store, id)).not.toHaveProperty('trace')
    })

    it('a callback that another process gets is linked to the submission', async () => {
      const { api, id, submitting, acting, traces } = two()
      await submitting.receiver.submit(request, { idempotencyKey: 'step 1' })
      api.approve(id)
      expect((await acting.receiver.fetch(callbackRequest(id))).status).toBe(200)
      expect(traces.tree()).toEqual([
        'submit process_refund (producer)',
        ...['callback (server)', '  confirm (client)'],
        'run process_refund (consumer) → submit process_refund and callback',
      ])
      await acting.receiver.close()
    })
  })
}

shows('on the memory store', () => ({ open: () => memoryStore(), close: () => {} }))
for (const name of Object.keys(sqliteClients)) shows(`on SQLite through ${name}`, () => sqlite(name))
describeWith('redis-server', 'with a server:', () => shows('on Redis', redis))
