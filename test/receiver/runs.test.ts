import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CheqpointError, memoryStore, type Run, type Store } from '../../src/index.js'
import { completion } from '../../src/stores/store.js'
import { callbackRequest } from '../support/callback.js'
import { kept, takeOver } from '../support/kept.js'
import { overlayStore } from '../support/overlay-store.js'
import { bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { gate, pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('the lease of a run', () => {
  it('is renewed every third of it while the handler works, and no more after that', async () => {
    const faulty = new FaultyStore()
    const work = gate()
    const { receiver, api } = bench({ store: faulty.store, onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const startedAt = performance.now()
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(65_000)
    work.open()
    expect((await answer).status).toBe(200)
    await pass(60_000)
    expect(faulty.timesOf('extend').map((at) => at - startedAt)).toEqual([
      10_000, 20_000, 30_000, 40_000, 50_000, 60_000,
    ])
  })

  it('aborts the signal when a renewal finds that another process took over, and reports it once', async () => {
    const faulty = new FaultyStore()
    const work = gate()
    const { receiver, api, runs, events } = bench({ store: faulty.store, onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(9_999)
    await takeOver(faulty.store, 'req_1')
    expect(runs[0]?.run.signal.aborted).toBe(false)
    await pass(1)
    expect(runs[0]?.run.signal.aborted).toBe(true)
    await pass(60_000)
    expect(eventsOf(events, 'lease-lost')).toEqual([
      { type: 'lease-lost', approvalId: 'req_1', action: 'process_refund', fence: 1 },
    ])
    work.open()
    await answer
  })

  it('renews nothing after that, though the store is back: the decision goes to whoever can act on it', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs } = bench({ store: faulty.store, onDecision: () => gate().promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.resolve('req_1')
    await pass(0)
    faulty.fail('extend')
    await pass(30_000)
    expect(runs[0]?.run.signal.aborted).toBe(true)
    faulty.mend()
    faulty.calls.length = 0
    await pass(60_000)
    expect(faulty.timesOf('extend')).toEqual([])
  })

  it('keeps the place of a handler that goes on after that, until it ends', async () => {
    const faulty = new FaultyStore()
    const work = gate()
    const { receiver, api, runs } = bench({
      store: faulty.store,
      runs: { concurrency: 1 },
      onDecision: ({ approvalId }) => (approvalId === 'req_1' ? work.promise : undefined),
    })
    for (const id of ['req_1', 'req_2']) {
      await receiver.track(id, refund)
      api.approve(id)
    }
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    await takeOver(faulty.store, 'req_1')
    await pass(10_000)
    expect(runs[0]?.run.signal.aborted).toBe(true)
    faulty.calls.length = 0
    expect(await receiver.resolve('req_2')).toMatchObject({ kind: 'no-free-slot' })
    await pass(60_000)
    expect(faulty.timesOf('extend')).toEqual([])
    work.open()
    await answer
    expect(await receiver.resolve('req_2')).toMatchObject({ kind: 'handled' })
  })

  it('gives the place of one that never ends to others a lease after runs.timeoutMs', async () => {
    const store = memoryStore()
    const { receiver, api } = bench({
      store,
      runs: { concurrency: 1, timeoutMs: 60_000 },
      onDecision: ({ approvalId }) => (approvalId === 'req_1' ? gate().promise : undefined),
    })
    for (const id of ['req_1', 'req_2']) {
      await receiver.track(id, refund)
      api.approve(id)
    }
    void receiver.resolve('req_1')
    await pass(0)
    await takeOver(store, 'req_1')
    await pass(89_999)
    expect(await receiver.resolve('req_2')).toMatchObject({ kind: 'no-free-slot' })
    await pass(1)
    expect(await receiver.resolve('req_2')).toMatchObject({ kind: 'handled' })
  })

  it('loses no lease to a renewal that overtakes the response to its completion', async () => {
    const faulty = new FaultyStore()
    const slow = gate()
    const write: Store['write'] = async (...args) => {
      const isWritten = await faulty.store.write(...args)
      if (faulty.calls.at(-1)?.step === 'complete') await slow.promise
      return isWritten
    }
    const { receiver, api, runs, events } = bench({
      store: overlayStore(faulty.store, { write }),
      runs: { leaseMs: 3_000 },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const outcome = receiver.resolve('req_1')
    await pass(4_900)
    slow.open()
    expect(await outcome).toMatchObject({ kind: 'handled' })
    expect([runs[0]?.run.signal.aborted, eventsOf(events, 'lease-lost')]).toEqual([false, []])
  })

  it.each(['at-least-once', 'at-most-once'] as const)(
    '%s: repeats a completion through an outage longer than a lease, and runs nothing again',
    async (guarantee) => {
      const faulty = new FaultyStore()
      const { receiver, api, runs, events } = bench({ store: faulty.store, guarantee })
      await receiver.track('req_1', refund)
      api.approve('req_1')
      faulty.fail('complete', 'extend')
      void receiver.resolve('req_1')
      await receiver.start()
      await pass(120_000)
      faulty.mend()
      await pass(10_000)
      expect([runs.length, eventsOf(events, 'completed').length, eventsOf(events, 'parked')]).toEqual([1, 1, []])
      await receiver.close()
    },
  )

  it('is given up at its time-out too where it lost its lease in an outage and never ends', async () => {
    const faulty = new FaultyStore()
    const runs: Run[] = []
    const { receiver, api, events } = bench({
      store: faulty.store,
      runs: { timeoutMs: 120_000 },
      onDecision: (_decision, run) => (runs.push(run) === 1 ? gate().promise : undefined),
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const outcome = vi.fn()
    void receiver.resolve('req_1').then(outcome)
    await pass(1_000)
    faulty.fail()
    await pass(40_000)
    faulty.mend()
    expect([runs[0]?.signal.aborted, eventsOf(events, 'lease-lost').length]).toEqual([true, 1])
    await pass(111_000)
    expect(outcome).toHaveBeenCalledWith(expect.objectContaining({ kind: 'handler-failed' }))
    expect(eventsOf(events, 'run-failed')).toMatchObject([{ timedOut: true }])
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
  })

  it('does not respond 200 for a transaction that was rolled back because another process took over', async () => {
    const faulty = new FaultyStore()
    const work = gate()
    const { receiver, api } = bench({
      store: faulty.store,
      async onDecision(_decision, run) {
        await work.promise
        // What completeIn of a SQL store does first; it then finds the lease lost, and the app rolls back.
        const { settle } = Object(run)[completion](null)
        await settle()
        throw new CheqpointError('lease-lost', 'the lease of this run was lost')
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(9_999)
    await takeOver(faulty.store, 'req_1')
    await pass(1)
    work.open()
    const response = await answer
    expect([response.status, await response.json()]).toEqual([409, expect.objectContaining({ code: 'in-progress' })])
  })

  it.each([
    ['rejects', 'fail'],
    ['never answers', 'hang'],
  ] as const)('outlasts a store that %s for less than a lease', async (_words, fault) => {
    const faulty = new FaultyStore()
    const work = gate()
    const { receiver, api, runs, events } = bench({ store: faulty.store, onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(10_000)
    faulty[fault]('extend')
    await pass(19_999)
    faulty.mend()
    await pass(60_000)
    expect(runs[0]?.run.signal.aborted).toBe(false)
    expect(eventsOf(events, 'lease-lost')).toEqual([])
    work.open()
    expect((await answer).status).toBe(200)
  })

  it.each([
    ['rejects', 'fail'],
    ['never answers', 'hang'],
  ] as const)('aborts the signal once it is over, not before, where the store %s', async (_words, fault) => {
    const faulty = new FaultyStore()
    const work = gate()
    const { receiver, api, runs, events } = bench({ store: faulty.store, onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(10_000)
    faulty[fault]('extend')
    await pass(29_999)
    expect(runs[0]?.run.signal.aborted).toBe(false)
    await pass(1)
    expect(runs[0]?.run.signal.aborted).toBe(true)
    expect(eventsOf(events, 'lease-lost')).toHaveLength(1)
    // It goes on, unheard, for however long it takes.
    await pass(60_000)
    expect(eventsOf(events, 'run-failed')).toEqual([])
    work.open()
    await pass(0)
  })

  it('is renewed in full as the decision is recorded, however long the API took to respond', async () => {
    const faulty = new FaultyStore()
    const work = gate()
    const { receiver, api } = bench({ store: faulty.store, runs: { leaseMs: 6_000 }, onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.answer('req_1', () => 'hang')
    const claimedAt = performance.now()
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(1_900)
    api.approve('req_1')
    api.resume()
    await pass(6_100)
    expect(faulty.timesOf('extend').map((at) => at - claimedAt)).toEqual([3_900, 5_900, 7_900])
    work.open()
    expect((await answer).status).toBe(200)
  })

  it('ends one lease after the decision was recorded, where the store is down from then on', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs } = bench({
      store: faulty.store,
      runs: { leaseMs: 6_000 },
      onDecision: () => new Promise(() => {}),
    })
    await receiver.track('req_1', refund)
    api.answer('req_1', () => 'hang')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(1_900)
    faulty.fail('extend')
    api.approve('req_1')
    api.resume()
    await pass(5_999)
    expect(runs[0]?.run.signal.aborted).toBe(false)
    await pass(1)
    expect(runs[0]?.run.signal.aborted).toBe(true)
  })

  it('aborts the signal at its very end where a slow schema moved its renewals, and the store is down', async () => {
    const faulty = new FaultyStore()
    const signals: AbortSignal[] = []
    const validate = async (value: unknown): Promise<{ readonly value: unknown }> => {
      await new Promise((resolve) => setTimeout(resolve, 4_000))
      return { value }
    }
    const details = { '~standard': { version: 1, vendor: 'test', validate } } as const
    const onDecision = (_decision: unknown, { signal }: Run): Promise<void> => {
      signals.push(signal)
      return new Promise(() => {})
    }
    const { receiver, api } = bench({ store: faulty.store, actions: { process_refund: { details, onDecision } } })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(4_000)
    faulty.fail('extend')
    // Renewals fail at 14 s and at 24 s. The lease, which counts from when the decision was recorded, is over after 30 s.
    await pass(25_999)
    expect(signals.map(({ aborted }) => aborted)).toEqual([false])
    await pass(1)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  })

  it('counts from when its renewal was sent, not from when the store responded', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs } = bench({ store: faulty.store, onDecision: () => new Promise(() => {}) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(9_999)
    const held = faulty.hold('extend')
    await pass(4_001)
    held.open()
    await pass(0)
    faulty.fail('extend')
    await pass(25_999)
    expect(runs[0]?.run.signal.aborted).toBe(false)
    await pass(1)
    expect(runs[0]?.run.signal.aborted).toBe(true)
  })
})

describe('a handler that fails', () => {
  const failure = new Error('ledger is down')

  it.each([
    ['throws', () => raise(failure), failure],
    ['rejects', () => Promise.reject(failure), failure],
    ['rejects with a text', () => Promise.reject('ledger is down'), 'ledger is down'],
    ['throws undefined', () => raise(undefined), undefined],
  ])('counts as an attempt when it %s, and is released', async (_words, onDecision, error) => {
    const { store } = new FaultyStore()
    const { receiver, api, events } = bench({ store, onDecision, random: () => 0 })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(500)
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'pending', attempts: 1, dueInMs: 1_000 })
    const [failed] = eventsOf(events, 'run-failed')
    expect(failed).toMatchObject({ approvalId: 'req_1', action: 'process_refund', attempt: 1, timedOut: false })
    expect(failed?.error).toBe(error)
    expect(eventsOf(events, 'released')).toMatchObject([{ approvalId: 'req_1', reason: 'handler-failed' }])
  })

  it('is run again by the sweep with the recorded decision: attempt and fence rise, the key stays', async () => {
    let failing = true
    const { receiver, api, runs } = bench({
      onDecision: () => (failing ? raise(failure) : undefined),
      random: () => 0,
    })
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1', { decisionNote: 'as confirmed' })
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    failing = false
    api.reject('req_1')
    await pass(3_000)
    expect(runs.map(({ run: { attempt, fence, idempotencyKey } }) => ({ attempt, fence, idempotencyKey }))).toEqual([
      { attempt: 1, fence: 1, idempotencyKey: 'cheqpoint:req_1' },
      { attempt: 2, fence: 2, idempotencyKey: 'cheqpoint:req_1' },
    ])
    expect(runs[1]?.decision).toEqual(runs[0]?.decision)
    expect(runs[1]?.decision).toMatchObject({ status: 'approved', note: 'as confirmed', via: 'callback' })
    expect(api.gets).toHaveLength(1)
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 0, working: 0 })
    await receiver.close()
  })

  it.each([
    [0, [1_000, 1_000, 1_000, 1_000, 1_000]],
    [0.5, [1_000, 1_500, 2_500, 4_500, 5_500]],
    [0.999_999_9, [1_000, 2_000, 4_000, 8_000, 10_000]],
  ])('waits by doubling between its bounds, random being %d', async (random, expected) => {
    const { receiver, api, events } = bench({
      onDecision: () => raise(failure),
      random: () => random,
      runs: { backoffMs: [1_000, 10_000] },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    for (const _wait of expected) await receiver.resolve('req_1')
    expect(eventsOf(events, 'released').map(({ dueInMs }) => dueInMs)).toEqual(expected)
  })

  it('is not run again before its back-off is over, whatever callback comes, but by a person', async () => {
    const { receiver, api, runs } = bench({ onDecision: () => raise(failure), random: () => 0, sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    await pass(999)
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect(runs).toHaveLength(1)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handler-failed' })
    expect(runs).toHaveLength(2)
    await pass(1_000)
    await receiver.fetch(callbackRequest('req_1'))
    expect(runs).toHaveLength(3)
  })

  it('is parked with its last attempt and not one earlier', async () => {
    const { receiver, api, runs, events } = bench({ onDecision: () => raise(failure), runs: { maxAttempts: 3 } })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    await receiver.resolve('req_1')
    expect(await receiver.stats()).toMatchObject({ open: 1, parked: 0 })
    await receiver.resolve('req_1')
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 1 })
    expect(eventsOf(events, 'parked')).toEqual([
      { type: 'parked', approvalId: 'req_1', action: 'process_refund', reason: 'too-many-attempts', paths: [] },
    ])
    expect(await receiver.resolve('req_1')).toEqual({
      kind: 'parked',
      approvalId: 'req_1',
      reason: 'too-many-attempts',
    })
    expect(runs).toHaveLength(3)
  })

  it('is run again once its lease is over where even the release is lost', async () => {
    const faulty = new FaultyStore()
    let failing = true
    const { receiver, api, runs, events } = bench({
      store: faulty.store,
      onDecision: () => (failing ? raise(failure) : undefined),
    })
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    faulty.fail('release')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect(eventsOf(events, 'store-failed')).toMatchObject([{ operation: 'release' }])
    failing = false
    faulty.mend()
    await pass(29_000)
    expect(runs).toHaveLength(1)
    await pass(3_000)
    expect(runs.map(({ run }) => run.attempt)).toEqual([1, 2])
    await receiver.close()
  })
})

describe('a run that takes too long', () => {
  it('has a signal that aborts at runs.timeoutMs, not before', async () => {
    const { receiver, api, runs } = bench({ onDecision: () => new Promise(() => {}) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(899_999)
    expect(runs[0]?.run.signal.aborted).toBe(false)
    await pass(1)
    expect(runs[0]?.run.signal.aborted).toBe(true)
    expect(runs[0]?.run.signal.reason).toBeInstanceOf(Error)
  })

  it('still counts as completed where it ends within the lease that follows', async () => {
    const { receiver, api, eventTypes } = bench({ onDecision: (_decision, run) => untilAborted(run, 29_000) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(929_000)
    expect((await answer).status).toBe(200)
    expect(eventTypes()).not.toContain('run-failed')
    expect(eventTypes()).toContain('completed')
  })

  it('is given up one lease after that, its lease kept until then, and reported should it finish after all', async () => {
    const work = gate()
    const { receiver, api, events } = bench({ onDecision: () => work.promise, random: () => 0 })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(929_999)
    expect(eventsOf(events, 'run-failed')).toEqual([])
    await pass(1)
    expect((await answer).status).toBe(500)
    expect(eventsOf(events, 'run-failed')).toMatchObject([{ attempt: 1, timedOut: true, durationMs: 930_000 }])
    expect(eventsOf(events, 'released')).toMatchObject([{ reason: 'handler-failed', dueInMs: 1_000 }])
    expect(eventsOf(events, 'lease-lost')).toEqual([])
    work.open()
    await pass(0)
    expect(eventsOf(events, 'completed-after-takeover')).toEqual([
      { type: 'completed-after-takeover', approvalId: 'req_1', action: 'process_refund', fence: 1 },
    ])
    expect(await receiver.stats()).toMatchObject({ open: 1, working: 0 })
  })

  it('is not reported as finished where it fails in the end', async () => {
    const work = gate()
    const { receiver, api, eventTypes } = bench({ onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(930_000)
    work.fail(new Error('aborted'))
    await pass(0)
    expect(eventTypes()).toContain('run-failed')
    expect(eventTypes()).not.toContain('completed-after-takeover')
  })

  it('runs again as the next attempt, with a signal of its own', async () => {
    const { receiver, api, runs } = bench({
      onDecision: (_decision, run) => (run.attempt === 1 ? new Promise(() => {}) : undefined),
      runs: { timeoutMs: 5_000 },
    })
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(38_000)
    expect(runs.map(({ run: { attempt, signal } }) => [attempt, signal.aborted])).toEqual([
      [1, true],
      [2, false],
    ])
    await receiver.close()
  })
})

describe('what a handler returns', () => {
  it.each([
    ['JSON', { refundId: 're_1', lines: [1, 'two', null] }, '{"refundId":"re_1","lines":[1,"two",null]}'],
    ['a text', 're_1', '"re_1"'],
    ['false', false, 'false'],
    ['nothing', undefined, null],
    ['null', null, null],
    ['empty objects', { to: {}, at: new Date(0) }, '{"to":{},"at":"1970-01-01T00:00:00.000Z"}'],
    ['an instance with properties', { to: {}, url: Object.assign(new Map(), { id: 1 }) }, '{"to":{},"url":{"id":1}}'],
    ['a text of 16 KiB as JSON', 'x'.repeat(16_382), JSON.stringify('x'.repeat(16_382))],
  ])('is kept with the tombstone: %s', async (_words, value, result) => {
    const { store } = new FaultyStore()
    const { receiver, api, eventTypes } = bench({ store, onDecision: () => value })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'completed', outcome: 'approved', result })
    expect(eventTypes()).not.toContain('result-dropped')
  })

  it.each([
    ['a byte more than 16 KiB as JSON', () => 'x'.repeat(16_383)],
    ['16 KiB of characters that take two bytes', () => 'é'.repeat(9_000)],
    ['something that contains itself', cyclic],
    ['a bigint', () => 1n],
    ['a function', () => () => {}],
    ['an object whose toJSON throws', () => ({ toJSON: () => raise(new Error('no')) })],
    ['a Map, of which JSON keeps nothing', () => new Map([['amount', 120]])],
    ['a promise that was not awaited', () => ({ receipt: Promise.resolve('re_1') })],
    ['an Error', () => ({ receipts: [{}, new Error('no')] })],
  ])('is dropped with an event, and the run counts all the same: %s', async (_words, onDecision) => {
    const { store } = new FaultyStore()
    const { receiver, api, events, runs } = bench({ store, onDecision })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
    expect(eventsOf(events, 'result-dropped')).toEqual([
      { type: 'result-dropped', approvalId: 'req_1', action: 'process_refund' },
    ])
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'completed', result: null })
    expect(runs).toHaveLength(1)
  })
})

describe('what a handler is given', () => {
  it('has an aborted signal where it is read only after the lease was lost', async () => {
    const faulty = new FaultyStore()
    const work = gate()
    const seen: boolean[] = []
    const { receiver, api } = bench({
      store: faulty.store,
      onDecision: async (_decision, run) => {
        await work.promise
        seen.push(run.signal.aborted)
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    await takeOver(faulty.store, 'req_1')
    await pass(10_000)
    work.open()
    await answer
    expect(seen).toEqual([true])
  })

  it('is its own copy on every attempt, so that what one run changes the next does not see', async () => {
    const modifiedDetails = { orderId: '8842', amount: 90, lines: ['a'] }
    const seen: unknown[] = []
    const { receiver, api, eventTypes } = bench({
      onDecision: (decision) => {
        seen.push(structuredClone(decision))
        // A handler in plain JavaScript may do this, whatever the types say.
        Object.assign(decision.modifiedDetails ?? {}, { amount: 1 })
        Object.assign(Object(decision.originalDetails), { amount: 2 })
        Object.assign(decision, { status: 'rejected', details: {}, context: 'changed', note: 'changed' })
        if (seen.length === 1) throw new Error('the first attempt fails')
      },
    })
    await receiver.track('req_1', { ...refund, details: { ...refund.details, lines: [] }, context: { chat: 7 } })
    api.approve('req_1', { modifiedDetails })
    await receiver.resolve('req_1')
    await receiver.resolve('req_1')
    expect(seen).toHaveLength(2)
    expect(seen[1]).toEqual(seen[0])
    expect(seen[1]).toMatchObject({
      status: 'approved',
      details: modifiedDetails,
      modifiedDetails,
      context: { chat: 7 },
    })
    expect(eventTypes().filter((type) => type === 'completed')).toHaveLength(1)
  })

  it('has details of its own: what a handler does to them does not change what was submitted', async () => {
    const seen: unknown[] = []
    const { receiver, api } = bench({
      onDecision: (decision) => {
        if (decision.status === 'approved') Object.assign(Object(decision.details), { amount: 1 })
        seen.push(structuredClone(decision.originalDetails))
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(seen).toEqual([refund.details])
  })

  it('may have its date changed by the handler: the completion is reported with the date that was recorded', async () => {
    const { receiver, api, events } = bench({
      onDecision: (decision) => {
        Object.assign(decision, { decidedAt: decision.decidedAt?.toISOString() })
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    expect(eventsOf(events, 'store-failed')).toEqual([])
    expect(eventsOf(events, 'completed')).toMatchObject([{ approvalId: 'req_1', handledAfterMs: 3_600_000 }])
    expect((await answer).status).toBe(200)
  })

  it('is not read again: a changed edit is neither a mismatch nor in the result of wait()', async () => {
    const modifiedDetails = { orderId: '8842', amount: 90 }
    const seen: unknown[] = []
    const { receiver, api, events } = bench({
      onDecision: (decision) => {
        if (decision.status !== 'approved') return
        Object.assign(decision.details, { amount: 1 })
        seen.push(structuredClone(decision.modifiedDetails))
        Object.assign(Object(decision.modifiedDetails), { amount: 2 })
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1', { modifiedDetails })
    const body = { approvalId: 'req_1', status: 'approved', modifiedDetails, decisionNote: null }
    expect((await receiver.fetch(callbackRequest('req_1', { body }))).status).toBe(200)
    expect(seen).toEqual([modifiedDetails])
    expect(eventsOf(events, 'mismatch')).toEqual([])
    expect(await receiver.wait('req_1')).toMatchObject({ modifiedDetails })
  })

  it('may call the receiver for its own approval, which is in progress, and does not wait for itself', async () => {
    const asked: unknown[] = []
    const { receiver, api, runs } = bench({
      onDecision: async ({ approvalId }) => {
        asked.push(await receiver.resolve(approvalId))
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    expect(asked).toEqual([{ kind: 'in-progress', approvalId: 'req_1', retryAfterMs: 30_000 }])
    expect((await answer).status).toBe(200)
    expect(runs).toHaveLength(1)
  })

  it('may resolve another approval, and have its outcome', async () => {
    const asked: unknown[] = []
    const { receiver, api } = bench({
      onDecision: async ({ approvalId }) => {
        if (approvalId === 'req_1') asked.push(await receiver.resolve('req_2'))
      },
    })
    for (const id of ['req_1', 'req_2']) {
      await receiver.track(id, refund)
      api.approve(id)
    }
    await receiver.resolve('req_1')
    expect(asked).toMatchObject([{ kind: 'handled', approvalId: 'req_2' }])
  })
})

describe('a completion', () => {
  it('is sent until a store that was down accepts it, and the handler is not run again', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs, events, eventTypes } = bench({ store: faulty.store })
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    faulty.fail('complete', 'extend')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(25_000)
    expect(eventTypes()).not.toContain('completed')
    expect(eventsOf(events, 'store-failed').some(({ operation }) => operation === 'complete')).toBe(true)
    faulty.mend()
    await pass(5_000)
    expect(eventsOf(events, 'completed')).toHaveLength(1)
    expect(runs).toHaveLength(1)
    expect(await kept(faulty.store, 'req_1')).toMatchObject({ state: 'completed' })
    await receiver.close()
  })

  it('is repeated at most every five seconds while the store is down', async () => {
    const faulty = new FaultyStore()
    const { receiver, api } = bench({ store: faulty.store })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    faulty.fail('complete')
    const startedAt = performance.now()
    void receiver.resolve('req_1')
    await pass(20_000)
    expect(faulty.timesOf('complete').map((at) => at - startedAt)).toEqual([
      0, 100, 300, 700, 1_500, 3_100, 6_300, 11_300, 16_300,
    ])
  })

  it('that is refused is reported, for its effect may stand twice', async () => {
    const store = memoryStore()
    const { receiver, api, events, eventTypes } = bench({ store, onDecision: () => takeOver(store, 'req_1') })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(eventsOf(events, 'completed-after-takeover')).toEqual([
      { type: 'completed-after-takeover', approvalId: 'req_1', action: 'process_refund', fence: 1 },
    ])
    expect(eventTypes()).not.toContain('completed')
  })
})

describe('the write of a confirmed decision', () => {
  it('that is refused means that another process took over: nothing runs', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs } = bench({ store: faulty.store })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const recording = faulty.hold('record')
    const outcome = receiver.resolve('req_1')
    await pass(0)
    await takeOver(faulty.store, 'req_1')
    recording.open()
    expect(await outcome).toMatchObject({ kind: 'in-progress', approvalId: 'req_1' })
    expect(runs).toEqual([])
  })

  it('that the store does not acknowledge runs nothing', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs, events } = bench({ store: faulty.store })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    faulty.fail('record')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'store-unavailable' })
    expect(runs).toEqual([])
    expect(eventsOf(events, 'store-failed')).toHaveLength(1)
  })
})

describe('an edit that must not run', () => {
  it('is not reported as parked where the store refuses that', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs, eventTypes } = bench({ store: faulty.store })
    await receiver.track('req_1', refund)
    api.approve('req_1', { modifiedDetails: { amount: 1 } })
    faulty.fail('park')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'store-unavailable' })
    expect(eventTypes()).not.toContain('parked')
    expect(runs).toEqual([])
  })
})

function raise(error: unknown): never {
  throw error
}

function cyclic(): object {
  const value: { self?: object } = {}
  value.self = value
  return value
}

/** Works until its signal aborts, and so long after. */
function untilAborted({ signal }: Run, afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => setTimeout(resolve, afterMs))
  })
}
