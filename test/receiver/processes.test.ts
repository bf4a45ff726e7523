import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createReceiver, memoryStore } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { FakeApi } from '../support/fake-api.js'
import { kept } from '../support/kept.js'
import { bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { approved, ids, trackAll } from '../support/runs-sweep.js'
import { gate, pass } from '../support/runs-time.js'

/*
 * Two receivers on one store stand for two processes. Where one is to die, its calls of the store are never answered
 * again: what it does from then on, nobody sees.
 */

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a handler that runs in one process', () => {
  it('keeps its decision from another process for as long as it works', async () => {
    const store = memoryStore()
    const work = gate()
    const first = bench({ store, onDecision: () => work.promise })
    const second = bench({ store })
    await second.receiver.start()
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    second.api.approve('req_1')
    const answer = first.receiver.fetch(callbackRequest('req_1'))
    await pass(600_000)
    expect((await second.receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect(await second.receiver.resolve('req_1')).toMatchObject({ kind: 'in-progress', approvalId: 'req_1' })
    work.open()
    expect((await answer).status).toBe(200)
    expect((await second.receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect([first.runs.length, second.runs.length]).toEqual([1, 0])
    expect([first.api.gets.length, second.api.gets.length]).toEqual([1, 0])
    await second.receiver.close()
  })

  it('is renewed again in half a minute at the most, however long its lease', async () => {
    const store = memoryStore()
    const options = { store, runs: { leaseMs: 600_000 }, sweep: 'off' } as const
    const first = bench({ ...options, onDecision: () => new Promise(() => {}) })
    const second = bench(options)
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    void first.receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const answer = await second.receiver.fetch(callbackRequest('req_1'))
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([409, '30'])
  })

  it('keeps it even if the API responded at the end of its time-out', async () => {
    const store = memoryStore()
    const options = { store, runs: { leaseMs: 6_000 } }
    const work = gate()
    const first = bench({ ...options, onDecision: () => work.promise })
    const second = bench(options)
    await second.receiver.start()
    await first.receiver.track('req_1', refund)
    second.api.approve('req_1')
    first.api.answer('req_1', () => 'hang')
    const answer = first.receiver.fetch(callbackRequest('req_1'))
    await pass(1_900)
    first.api.approve('req_1')
    first.api.resume()
    await pass(20_000)
    work.open()
    expect((await answer).status).toBe(200)
    expect([first.runs.length, second.runs.length]).toEqual([1, 0])
    expect(first.eventTypes()).not.toContain('completed-after-takeover')
    await second.receiver.close()
  })
})

describe('a process that dies in its handler', () => {
  it('is followed by another once its lease is over, not before: same key, next attempt, higher fence', async () => {
    const store = memoryStore()
    const dying = new FaultyStore(store)
    const first = bench({ store: dying.store, onDecision: () => dying.hang() })
    const second = bench({ store })
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    void first.receiver.fetch(callbackRequest('req_1'))
    await pass(29_999)
    expect(await second.receiver.resolve('req_1')).toEqual({
      kind: 'in-progress',
      approvalId: 'req_1',
      retryAfterMs: 1,
    })
    await pass(1)
    expect(await second.receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
    const [lost, next] = [first.runs[0]?.run, second.runs[0]?.run]
    expect(lost).toMatchObject({ attempt: 1, fence: 1, idempotencyKey: 'cheqpoint:req_1' })
    expect(next).toMatchObject({ attempt: 2, fence: 2, idempotencyKey: 'cheqpoint:req_1' })
  })

  it('is continued by the sweep of another process', async () => {
    const store = memoryStore()
    const dying = new FaultyStore(store)
    const first = bench({ store: dying.store, onDecision: () => dying.hang() })
    const second = bench({ store })
    await second.receiver.start()
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    void first.receiver.fetch(callbackRequest('req_1'))
    await pass(31_200)
    expect(second.runs).toHaveLength(1)
    await second.receiver.close()
  })

  it('leaves the recorded decision: no second GET, whatever the API would answer now', async () => {
    const store = memoryStore()
    const dying = new FaultyStore(store)
    const first = bench({ store: dying.store, onDecision: () => dying.hang() })
    const second = bench({ store })
    await first.receiver.track('req_1', { ...refund, context: { chat: 7 } })
    first.api.approve('req_1', { decisionNote: 'as recorded', modifiedDetails: { orderId: '8842', amount: 90 } })
    void first.receiver.fetch(callbackRequest('req_1'))
    await pass(30_000)
    second.api.reject('req_1')
    await second.receiver.resolve('req_1')
    expect(second.api.gets).toEqual([])
    expect(second.runs[0]?.decision).toEqual(first.runs[0]?.decision)
    expect(second.runs[0]?.decision).toMatchObject({
      status: 'approved',
      note: 'as recorded',
      details: { orderId: '8842', amount: 90 },
      context: { chat: 7 },
      via: 'callback',
    })
  })

  it('leaves no decision where it died before recording it: another GET follows', async () => {
    const store = memoryStore()
    const dying = new FaultyStore(store)
    const first = bench({ store: dying.store })
    const second = bench({ store })
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    dying.hang('record')
    void first.receiver.fetch(callbackRequest('req_1'))
    await pass(30_000)
    second.api.reject('req_1')
    await second.receiver.resolve('req_1')
    expect(first.runs).toEqual([])
    expect(second.runs).toMatchObject([{ decision: { status: 'rejected' }, run: { attempt: 1, fence: 2 } }])
  })

  it('does not take one process after the other with it: the decision is parked after maxAttempts', async () => {
    const store = memoryStore()
    const started: number[] = []
    for (let life = 1; life <= 10; life++) {
      const dying = new FaultyStore(store)
      const process = bench({
        store: dying.store,
        runs: { maxAttempts: 8 },
        onDecision: (_decision, { attempt }) => {
          started.push(attempt)
          dying.hang()
        },
      })
      process.api.approve('req_1')
      if (life === 1) await process.receiver.track('req_1', refund)
      void process.receiver.resolve('req_1')
      await pass(30_000)
      if (life <= 8) expect(process.eventTypes()).not.toContain('parked')
      if (life === 9) expect(eventsOf(process.events, 'parked')).toMatchObject([{ reason: 'too-many-attempts' }])
    }
    expect(started).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })
})

describe('a process that stalls past its lease', () => {
  it('gets an aborted signal, its completion is refused and reported, and the other run counts', async () => {
    const store = memoryStore()
    const stalling = new FaultyStore(store)
    const work = gate<string>()
    const first = bench({ store: stalling.store, onDecision: () => work.promise })
    const second = bench({ store, onDecision: () => 'second' })
    await second.receiver.start()
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    stalling.fail('extend')
    const answer = first.receiver.fetch(callbackRequest('req_1'))
    await pass(32_000)
    stalling.mend()
    expect(first.runs[0]?.run.signal.aborted).toBe(true)
    expect(second.runs).toMatchObject([{ run: { attempt: 2, fence: 2 } }])
    work.open('first')
    await answer
    expect(eventsOf(first.events, 'completed-after-takeover')).toEqual([
      { type: 'completed-after-takeover', approvalId: 'req_1', action: 'process_refund', fence: 1 },
    ])
    expect(eventsOf(first.events, 'completed')).toEqual([])
    expect(eventsOf(second.events, 'completed')).toHaveLength(1)
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'completed', result: '"second"' })
    await second.receiver.close()
  })

  it('changes nothing of the other run where its handler fails in the end', async () => {
    const store = memoryStore()
    const stalling = new FaultyStore(store)
    const firstWork = gate()
    const secondWork = gate()
    const first = bench({ store: stalling.store, onDecision: () => firstWork.promise })
    const second = bench({ store, onDecision: () => secondWork.promise })
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    stalling.fail('extend')
    const answer = first.receiver.fetch(callbackRequest('req_1'))
    await pass(30_000)
    const other = second.receiver.resolve('req_1')
    await pass(1_000)
    firstWork.fail(new Error('too late'))
    await answer
    expect(eventsOf(first.events, 'released')).toEqual([])
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'claimed', fence: 2, attempts: 2 })
    secondWork.open()
    expect(await other).toMatchObject({ kind: 'handled' })
  })

  it('completes after all where no other process took over', async () => {
    const stalling = new FaultyStore()
    const work = gate()
    const { receiver, api, events } = bench({ store: stalling.store, onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    stalling.fail('extend')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(60_000)
    stalling.mend()
    work.open()
    await answer
    expect(eventsOf(events, 'completed')).toHaveLength(1)
    expect(eventsOf(events, 'completed-after-takeover')).toEqual([])
  })
})

describe('a callback that reaches one process while another polls', () => {
  it('is owed a poll within the minimum interval once that one, which may be too old, is over', async () => {
    const store = memoryStore()
    const options = { store, random: () => 0.5, polling: { firstMs: 600_000 } }
    const first = bench(options)
    const second = bench(options)
    await second.receiver.start()
    await first.receiver.track('req_1', refund)
    first.api.answer('req_1', () => 'hang')
    const poll = first.receiver.resolve('req_1')
    await pass(1_000)
    second.api.approve('req_1')
    expect((await second.receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect(second.api.gets).toEqual([])
    first.api.pend('req_1')
    first.api.resume()
    expect(await poll).toMatchObject({ kind: 'undecided' })
    await pass(3_200)
    expect(second.runs).toMatchObject([{ decision: { status: 'approved' } }])
    await second.receiver.close()
  })

  it('costs no call of the API within the minimum interval of the other', async () => {
    const store = memoryStore()
    const first = bench({ store, sweep: 'elsewhere' })
    const second = bench({ store, sweep: 'elsewhere' })
    await first.receiver.track('req_1', refund)
    first.api.pend('req_1')
    second.api.pend('req_1')
    await first.receiver.fetch(callbackRequest('req_1'))
    await pass(1_999)
    await second.receiver.fetch(callbackRequest('req_1'))
    expect(second.api.gets).toEqual([])
    await pass(1)
    await second.receiver.fetch(callbackRequest('req_1'))
    expect(second.api.gets).toHaveLength(1)
  })
})

describe('several processes on one store', () => {
  it('run a decision once, however its callbacks are spread over them', async () => {
    const store = memoryStore()
    const all = [1, 2, 3, 4].map(() => bench({ store, sweep: 'elsewhere' }))
    await all[0]?.receiver.track('req_1', refund)
    for (const { api } of all) api.approve('req_1')
    const sent = Array.from({ length: 64 }, (_each, index) => all[index % 4]?.receiver.fetch(callbackRequest('req_1')))
    await pass(1_000)
    const answers = await Promise.all(sent)
    expect(answers.every((answer) => answer?.status === 200 || answer?.status === 202)).toBe(true)
    expect(all.flatMap(({ runs }) => runs)).toHaveLength(1)
    expect(all.flatMap(({ api }) => api.gets)).toHaveLength(1)
  })

  it('share the sweep without a leader: each decision gets one GET and one run', async () => {
    const store = memoryStore()
    const options = { store, polling: { firstMs: 15_000, requestsPerSecond: Number.POSITIVE_INFINITY } }
    const all = [1, 2, 3].map(() => bench(options))
    const [first] = all
    const approvals = ids(200)
    for (const { api, receiver } of all) {
      for (const id of approvals) api.answer(id, approved(id))
      await receiver.start()
    }
    if (first !== undefined) await trackAll(first.receiver, approvals)
    await pass(20_000)
    const handled = all.flatMap(({ runs }) => runs.map(({ decision }) => decision.approvalId))
    expect(handled.toSorted()).toEqual(approvals.toSorted())
    expect(all.flatMap(({ api }) => api.gets)).toHaveLength(200)
    expect(all.every(({ runs }) => runs.length > 0)).toBe(true)
    for (const { receiver } of all) await receiver.close()
  })

  it('agree on leases, whatever their own clocks', async () => {
    const store = memoryStore()
    const hour = 3_600_000
    const ahead = { now: () => Date.now() + hour, elapsed: () => performance.now() + hour }
    const work = gate()
    const first = bench({ store, onDecision: () => work.promise })
    const second = bench({ store, clock: ahead })
    await second.receiver.start()
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    second.api.approve('req_1')
    const answer = first.receiver.fetch(callbackRequest('req_1'))
    await pass(120_000)
    work.open()
    expect((await answer).status).toBe(200)
    expect(second.runs).toEqual([])
    await second.receiver.close()
  })

  it('leave a request of an action that only the other handles to the other', async () => {
    const api = new FakeApi()
    const handled: string[] = []
    const onDecision = ({ approvalId }: { readonly approvalId: string }): void => {
      handled.push(approvalId)
    }
    const options = {
      store: memoryStore(),
      apiKey: 'cq_live_test',
      dispatcher: api,
      random: () => 0.5,
      polling: { firstMs: 15_000 },
    }
    const old = createReceiver({ ...options, actions: { other: { onDecision } } })
    const fresh = createReceiver({ ...options, actions: { process_refund: { onDecision } } })
    await old.track('req_1', refund)
    api.approve('req_1')
    await pass(15_000)
    expect(await old.reconcile()).toMatchObject({ taken: 1, failed: 1 })
    expect(api.gets).toEqual([])
    await pass(15_000)
    expect(await fresh.reconcile()).toMatchObject({ taken: 1, decided: 1 })
    expect(handled).toEqual(['req_1'])
  })
})
