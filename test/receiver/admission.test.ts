import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CheqpointEvent, createReceiver, memoryStore, type ReceiverOptions, type Store } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { FakeApi } from '../support/fake-api.js'
import { kept } from '../support/kept.js'
import { type Bench, bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { ids } from '../support/runs-sweep.js'
import { pass } from '../support/runs-time.js'
import { seededRandom } from '../support/seeded-random.js'

/*
 * Two processes on one store, one of which cannot serve what is due: it has no handler, or its key was revoked.
 */

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const troubles = ['has no handler', 'has a revoked key'] as const
type Trouble = (typeof troubles)[number]

interface Pair {
  readonly good: Bench
  readonly bad: Omit<Bench, 'runs' | 'eventTypes'>
  readonly faulty: FaultyStore
}

function pair(trouble: Trouble, options: Partial<ReceiverOptions> = {}, store: Store = memoryStore()): Pair {
  const faulty = new FaultyStore(store)
  const api = new FakeApi()
  const events: CheqpointEvent[] = []
  const shared = { polling: { firstMs: 15_000 }, ...options }
  const good = bench({ ...shared, store })
  const receiver = createReceiver({
    ...shared,
    ...(trouble === 'has no handler' ? { actions: { other: { onDecision() {} } } } : { onDecision() {} }),
    apiKey: 'cq_live_old',
    dispatcher: api,
    store: faulty.store,
    onEvent: (event) => events.push(event),
  })
  return { good, bad: { receiver, api, events }, faulty }
}

/** Lets the process meet its trouble, so that it knows of it. */
async function learn({ good, bad }: Pair): Promise<void> {
  await good.receiver.track('first', refund)
  bad.api.answer('first', { status: 401 })
  await bad.receiver.resolve('first')
  await good.receiver.cancel('first')
}

describe.each(troubles)('a process that %s', (trouble) => {
  it('writes nothing, counts no attempt and sends no GET, whatever the trigger', async () => {
    const both = pair(trouble, { sweep: 'off' })
    await learn(both)
    const { good, bad, faulty } = both
    await good.receiver.track('req_1', refund)
    const before = await faulty.store.read('a:req_1')
    const asked = bad.api.gets.length
    faulty.calls.length = 0
    expect((await bad.receiver.fetch(callbackRequest('req_1'))).status).toBe(500)
    await pass(15_000)
    await bad.receiver.reconcile()
    expect(faulty.calls.filter(({ method }) => method === 'write')).toEqual([])
    expect(bad.api.gets).toHaveLength(asked)
    const { entry } = await faulty.store.read('a:req_1')
    expect(entry).toMatchObject({ stamp: before.entry?.stamp, state: before.entry?.state })
    expect(await kept(faulty.store, 'req_1')).toMatchObject({ fence: 0, attempts: 0, quickPolls: 0, state: 'pending' })
  })

  it('leaves the approval free for a callback that reaches the other process a moment later', async () => {
    const both = pair(trouble)
    await learn(both)
    const { good, bad } = both
    await good.receiver.track('req_1', refund)
    good.api.approve('req_1')
    await bad.receiver.fetch(callbackRequest('req_1'))
    expect((await good.receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(good.runs).toMatchObject([{ run: { attempt: 1, fence: 1 } }])
  })

  it('leaves a lost callback to the sweep of the other process', async () => {
    const both = pair(trouble, { random: seededRandom(7) })
    await learn(both)
    const { good, bad } = both
    await bad.receiver.start()
    await good.receiver.start()
    const all = ids(20)
    for (const id of all) {
      good.api.approve(id)
      bad.api.answer(id, { status: 401 })
      await good.receiver.track(id, refund)
    }
    await pass(90_000)
    expect(good.runs.map(({ decision }) => decision.approvalId).toSorted()).toEqual(all.toSorted())
    expect(good.runs.every(({ run }) => run.attempt === 1)).toBe(true)
    expect((await good.receiver.stats()).parked).toBe(0)
    for (const { receiver } of [good, bad]) await receiver.close()
  })
})

describe('a process without the handler', () => {
  it('reports that once for each action', async () => {
    const { good, bad } = pair('has no handler')
    for (const id of ids(3)) {
      await good.receiver.track(id, id === 'req_2' ? { action: 'ship', details: {} } : refund)
      await bad.receiver.resolve(id)
    }
    expect(eventsOf(bad.events, 'no-handler')).toEqual([
      { type: 'no-handler', approvalId: 'req_0', action: 'process_refund' },
      { type: 'no-handler', approvalId: 'req_2', action: 'ship' },
    ])
  })
})

describe('a process that is closing', () => {
  it('changes nothing', async () => {
    const store = memoryStore()
    const closing = bench({ store })
    await closing.receiver.track('req_1', refund)
    const before = await store.read('a:req_1')
    await closing.receiver.close()
    expect((await closing.receiver.fetch(callbackRequest('req_1'))).status).toBe(503)
    expect((await store.read('a:req_1')).entry).toEqual(before.entry)
  })
})
