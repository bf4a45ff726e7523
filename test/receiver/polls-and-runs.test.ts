import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { bench } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { ids, trackAll } from '../support/runs-sweep.js'
import { gate, pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const polling = { firstMs: 15_000, requestsPerSecond: Number.POSITIVE_INFINITY }

describe('handlers that are slow', () => {
  it('stop no poll: sixteen of them, as many as polls at a time, and all others are found in their time', async () => {
    const work = gate()
    const slow = ids(16)
    const { receiver, api, runs } = bench({
      random: () => 0.5,
      polling,
      onDecision: ({ approvalId }) => (slow.includes(approvalId) ? work.promise : undefined),
    })
    await receiver.start()
    await trackAll(receiver, ids(100))
    for (const id of ids(100)) api.approve(id)
    await pass(17_000)
    expect(runs).toHaveLength(100)
    expect(await receiver.stats()).toMatchObject({ open: 16, working: 16 })
    work.open()
    await pass(0)
    await receiver.close()
  })

  it('may wait for each other: one that submits to a second and waits for it has it', async () => {
    const { receiver, api } = bench({
      random: () => 0.5,
      polling: { firstMs: 15_000, concurrency: 1 },
      onDecision: async ({ approvalId }) =>
        approvalId === 'req_0' ? (await receiver.wait('req_1')).result : 'the second',
    })
    await receiver.start()
    await trackAll(receiver, ids(2))
    for (const id of ids(2)) api.approve(id)
    const first = receiver.wait('req_0')
    await pass(40_000)
    expect(await first).toMatchObject({ result: 'the second' })
    await receiver.close()
  })
})

describe('runs.concurrency', () => {
  it('bounds handlers, whatever the trigger', async () => {
    const work = gate()
    const { receiver, api, runs } = bench({
      random: () => 0.5,
      polling,
      runs: { concurrency: 3 },
      onDecision: () => work.promise,
    })
    await receiver.start()
    const all = ids(12)
    await trackAll(receiver, all)
    for (const id of all) api.approve(id)
    void receiver.fetch(callbackRequest('req_0'))
    void receiver.resolve('req_1')
    await pass(60_000)
    expect(runs).toHaveLength(3)
    // Due at the same moment, they may have begun in any order.
    const [waiting = '', other = ''] = all.filter((id) => runs.every(({ decision }) => decision.approvalId !== id))
    expect((await receiver.fetch(callbackRequest(other))).status).toBe(202)
    expect(await receiver.resolve(waiting)).toMatchObject({ kind: 'no-free-slot', approvalId: waiting })
    expect(runs).toHaveLength(3)
    work.open()
    await pass(60_000)
    expect(runs).toHaveLength(12)
    await receiver.close()
  })

  it('is answered with 503 and Retry-After where nothing sweeps', async () => {
    const work = gate()
    const { receiver, api } = bench({ sweep: 'off', runs: { concurrency: 1 }, onDecision: () => work.promise })
    await trackAll(receiver, ids(2))
    for (const id of ids(2)) api.approve(id)
    const first = receiver.fetch(callbackRequest('req_0'))
    await pass(0)
    const second = await receiver.fetch(callbackRequest('req_1'))
    expect([second.status, second.headers.get('retry-after')]).toEqual([503, '1'])
    work.open()
    expect((await first).status).toBe(200)
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(api.gets).toHaveLength(2)
  })
})

describe('a poll that finds a decision and no free place for its handler', () => {
  it('records it without an attempt, and it costs no second GET', async () => {
    const work = gate()
    const store = memoryStore()
    const { receiver, api, runs, events } = bench({
      store,
      random: () => 0.5,
      polling,
      runs: { concurrency: 1, maxAttempts: 1 },
      onDecision: ({ approvalId }) => (approvalId === 'req_0' ? work.promise : undefined),
    })
    await receiver.start()
    await trackAll(receiver, ids(2))
    for (const id of ids(2)) api.approve(id)
    void receiver.fetch(callbackRequest('req_0'))
    await pass(60_000)
    expect(await kept(store, 'req_1')).toMatchObject({
      state: 'pending',
      attempts: 0,
      decision: { status: 'approved', via: 'poll' },
    })
    expect(eventsOf(events, 'released')).toMatchObject([{ approvalId: 'req_1', reason: 'no-free-slot', dueInMs: 0 }])
    api.reject('req_1')
    work.open()
    await pass(10_000)
    expect(runs.at(-1)).toMatchObject({ decision: { approvalId: 'req_1', status: 'approved' }, run: { attempt: 1 } })
    expect(api.gets).toHaveLength(2)
    await receiver.close()
  })

  it('leaves it to another process that has a place', async () => {
    const work = gate()
    const store = memoryStore()
    const options = { store, random: () => 0.5, polling }
    const full = bench({ ...options, runs: { concurrency: 1 }, onDecision: () => work.promise })
    const free = bench(options)
    await trackAll(full.receiver, ids(2))
    for (const id of ids(2)) full.api.approve(id)
    void full.receiver.fetch(callbackRequest('req_0'))
    await pass(0)
    expect(await full.receiver.resolve('req_1')).toMatchObject({ kind: 'no-free-slot' })
    expect(await free.receiver.reconcile()).toMatchObject({ taken: 1, decided: 1 })
    expect(free.api.gets).toEqual([])
    expect(free.runs).toMatchObject([{ decision: { approvalId: 'req_1' }, run: { attempt: 1 } }])
    work.open()
    await pass(0)
  })
})
