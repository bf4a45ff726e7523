import { randomUUID } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { storeTimeoutMs } from '../../src/approvals/records.js'
import { memoryStore, type TypedReceiver } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { rewrite } from '../support/kept.js'
import { describeWith } from '../support/needs.js'
import { overlayStore } from '../support/overlay-store.js'
import { bench, refund } from '../support/receiver.js'
import { openBench, type RedisBench } from '../support/redis-bench.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { ids, trackAll } from '../support/runs-sweep.js'
import { gate, pass } from '../support/runs-time.js'
import { failure } from '../support/submit-bench.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

/** The longest time between two reads of the store: half a second and a fifth. */
const round = 600

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  void promise.then(settle, settle)
  await pass(0)
  return settled
}

/** A bench on a store whose results can be replaced by a text that is no JSON. */
function damagedResults(text: string) {
  const store = memoryStore()
  const damage = (): Promise<void> => rewrite(store, 'req_1', ({ state }) => ({ state: { ...state, result: text } }))
  return { ...bench({ store, sweep: 'elsewhere', onDecision: () => 'refunded' }), damage }
}

/** Follows one request, and has its decision handled. */
async function handled(receiver: TypedReceiver, id: string): Promise<void> {
  await receiver.track(id, refund)
  await receiver.fetch(callbackRequest(id))
}

describe('wait()', () => {
  it('resolves without a result where what the store kept of it is damaged', async () => {
    const { receiver, api, damage } = damagedResults('{"refund":')
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    await damage()
    const waited = receiver.wait('req_1')
    expect(await isSettled(waited)).toBe(true)
    expect(await waited).toMatchObject({ status: 'approved', result: null })
  })

  it('resolves with decision and result as soon as this process has completed it', async () => {
    const work = gate()
    const { receiver, api } = bench({
      onDecision: async () => {
        await work.promise
        return { refund: 'r-1' }
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1', { decisionNote: 'fine', modifiedDetails: { orderId: '8842', amount: 100 } })
    const waited = receiver.wait('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    expect(await isSettled(waited)).toBe(false)
    work.open()
    // No time passes: a completion here needs no read of the store that is due later.
    expect(await isSettled(waited)).toBe(true)
    expect(await waited).toEqual({
      approvalId: 'req_1',
      action: 'process_refund',
      status: 'approved',
      modifiedDetails: { orderId: '8842', amount: 100 },
      note: 'fine',
      decidedAt: new Date('2026-11-20T09:00:00.000Z'),
      result: { refund: 'r-1' },
    })
  })

  it('resolves at once where it is completed already, for any number of calls', async () => {
    const store = memoryStore()
    const first = bench({ store, onDecision: () => 'refunded' })
    first.api.reject('req_1')
    await handled(first.receiver, 'req_1')
    const second = bench({ store })
    for (const { receiver } of [first, second, second]) {
      expect(await receiver.wait('req_1')).toMatchObject({ status: 'rejected', result: 'refunded' })
    }
  })

  it('gives null where the handler returned nothing', async () => {
    const { receiver, api } = bench()
    api.approve('req_1')
    await handled(receiver, 'req_1')
    expect(await receiver.wait('req_1')).toMatchObject({ status: 'approved', result: null })
  })

  it('resolves within 0.6 s after another process completed it', async () => {
    const store = memoryStore()
    const here = bench({ store, sweep: 'elsewhere' })
    const there = bench({ store, onDecision: () => 'refunded there' })
    await there.receiver.track('req_1', refund)
    const waited = here.receiver.wait('req_1')
    await pass(5_000)
    there.api.approve('req_1')
    await there.receiver.fetch(callbackRequest('req_1'))
    expect(await isSettled(waited)).toBe(false)
    await pass(round)
    expect(await waited).toMatchObject({ status: 'approved', result: 'refunded there' })
    expect(here.api.gets).toEqual([])
  })

  it('resolves with cancelled after cancel()', async () => {
    const { receiver } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    const waited = receiver.wait('req_1')
    await receiver.cancel('req_1')
    await pass(round)
    expect(await waited).toEqual({
      approvalId: 'req_1',
      action: 'process_refund',
      status: 'cancelled',
      modifiedDetails: null,
      note: null,
      decidedAt: null,
      result: null,
    })
  })

  it('resolves without a result that is damaged in the store, and shows nothing of it', async () => {
    const { receiver, api, events, damage } = damagedResults('card 4242')
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    await damage()
    expect(await receiver.wait('req_1')).toMatchObject({ status: 'approved', result: null })
    expect(inspect(events, { depth: 10, showHidden: true })).not.toContain('4242')
  })

  it('rejects as soon as the approval is parked, and when it is parked already', async () => {
    const { receiver, api } = bench()
    await receiver.track('req_1', refund)
    api.approve('req_1', { modifiedDetails: { amount: 100 } })
    const waited = failure(receiver.wait('req_1'))
    await receiver.fetch(callbackRequest('req_1'))
    expect(await isSettled(waited)).toBe(true)
    expect(await waited).toMatchObject({ code: 'parked', approvalId: 'req_1' })
    expect((await failure(receiver.wait('req_1'))).message).toContain('edit-ambiguous')
  })

  it('goes on while a newer version works on the approval, without a poll or an event', async () => {
    const store = memoryStore()
    const { receiver, api, eventTypes } = bench({ store })
    await receiver.track('req_1', refund)
    await rewrite(store, 'req_1', ({ state }) => ({ dueAt: 1, state: { ...state, v: 2 } }))
    const waited = failure(receiver.wait('req_1', { timeoutMs: 5_000 }))
    await pass(5_000)
    expect((await waited).code).toBe('wait-timeout')
    expect(api.requests).toEqual([])
    expect(eventTypes()).not.toContain('store-failed')
  })

  it('rejects for a damaged entry', async () => {
    const store = memoryStore()
    const { receiver } = bench({ store })
    await receiver.track('req_1', refund)
    await rewrite(store, 'req_1', () => ({ state: { kind: 'nonsense' } }))
    expect((await failure(receiver.wait('req_1'))).message).toContain('parked; see receiver.parked() (corrupt)')
  })

  it('can wait again after retry()', async () => {
    let failures = 1
    const { receiver, api } = bench({
      runs: { maxAttempts: 1 },
      onDecision: () => {
        if (failures-- > 0) throw new Error('the shop is closed')
        return 'refunded'
      },
    })
    api.approve('req_1')
    await handled(receiver, 'req_1')
    expect((await failure(receiver.wait('req_1'))).code).toBe('parked')
    await receiver.retry('req_1')
    const waited = receiver.wait('req_1')
    await pass(round)
    expect(await waited).toMatchObject({ result: 'refunded' })
  })

  it.each([
    ['an id that nobody follows', 'req_2', 'approval-unknown'],
    ['an id that is none', '../req_1', 'id-invalid'],
  ])('rejects for %s', async (_words, id, code) => {
    const { receiver } = bench()
    await receiver.track('req_1', refund)
    expect((await failure(receiver.wait(id))).code).toBe(code)
  })

  it('rejects for an approval that was forgotten', async () => {
    const { receiver, api } = bench({ retentionMs: 900_000 })
    api.approve('req_1')
    await handled(receiver, 'req_1')
    await pass(900_000)
    expect(await receiver.wait('req_1')).toMatchObject({ status: 'approved' })
    await pass(1)
    expect((await failure(receiver.wait('req_1'))).code).toBe('approval-unknown')
  })

  it('goes on through an outage of the store', async () => {
    const store = new FaultyStore()
    const { receiver, api, events } = bench({ store: store.store, sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    store.fail('read')
    const waited = receiver.wait('req_1')
    await pass(5_000)
    store.mend()
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    expect(await waited).toMatchObject({ status: 'approved' })
    expect(eventsOf(events, 'store-failed')[0]).toMatchObject({ operation: 'wait' })
  })

  it('does not use a read that began before it', async () => {
    const inner = memoryStore()
    const slow = gate()
    const answers = [slow.promise]
    const store = overlayStore(inner, {
      async read(key) {
        const found = await inner.read(key)
        // What was read is a moment old when it arrives.
        await answers.shift()
        return found
      },
    })
    const { receiver } = bench({ store, sweep: 'elsewhere' })
    const early = failure(receiver.wait('req_1'))
    await pass(0)
    await receiver.track('req_1', refund)
    const late = receiver.wait('req_1')
    slow.open()
    expect((await early).code).toBe('approval-unknown')
    expect(await isSettled(late)).toBe(false)
    await receiver.cancel('req_1')
    await pass(round)
    expect(await late).toMatchObject({ status: 'cancelled' })
  })
})

describe('a time-out of wait()', () => {
  it('rejects after so long and not before, and the request goes on', async () => {
    const { receiver, api, runs } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    const waited = failure(receiver.wait('req_1', { timeoutMs: 10_000 }))
    await pass(9_999)
    expect(await isSettled(waited)).toBe(false)
    await pass(1)
    expect(await waited).toMatchObject({ code: 'wait-timeout', approvalId: 'req_1' })
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    expect(runs).toHaveLength(1)
    expect(await receiver.wait('req_1')).toMatchObject({ status: 'approved' })
  })

  it('of 0 takes one read', async () => {
    const { receiver, api } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    const waited = failure(receiver.wait('req_1', { timeoutMs: 0 }))
    await pass(0)
    expect((await waited).code).toBe('wait-timeout')
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    expect(await receiver.wait('req_1', { timeoutMs: 0 })).toMatchObject({ status: 'approved' })
  })

  it.each([Number.NaN, -1, 1.5, 2_147_483_648, Number.POSITIVE_INFINITY])(
    'is refused where no timer can hold it: %d',
    async (timeoutMs) => {
      const { receiver } = bench()
      await receiver.track('req_1', refund)
      expect((await failure(receiver.wait('req_1', { timeoutMs }))).code).toBe('argument-invalid')
    },
  )

  it('of the longest kind is none that is over at once', async () => {
    const { receiver } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    const waited = failure(receiver.wait('req_1', { timeoutMs: 2_147_483_647 }))
    await pass(60_000)
    expect(await isSettled(waited)).toBe(false)
    await receiver.close()
    expect((await waited).code).toBe('receiver-closed')
  })
})

describe('a signal given to wait()', () => {
  it('that is aborted already rejects at once, and nothing is read', async () => {
    const store = new FaultyStore()
    const { receiver } = bench({ store: store.store })
    await receiver.track('req_1', refund)
    store.calls.length = 0
    expect((await failure(receiver.wait('req_1', { signal: AbortSignal.abort() }))).code).toBe('aborted')
    expect(store.timesOf('read')).toEqual([])
  })

  it('rejects when it aborts, and the request goes on', async () => {
    const { receiver, api, runs } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    const controller = new AbortController()
    const waited = failure(receiver.wait('req_1', { signal: controller.signal }))
    await pass(1_000)
    controller.abort()
    expect(await isSettled(waited)).toBe(true)
    expect(await waited).toMatchObject({ code: 'aborted', approvalId: 'req_1' })
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    expect(runs).toHaveLength(1)
  })

  it('ends those waits that it was given to, and no others', async () => {
    const { receiver } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    const [mine, other] = [new AbortController(), new AbortController()]
    const aborted = failure(receiver.wait('req_1', { signal: mine.signal }))
    const all = [receiver.wait('req_1'), receiver.wait('req_1', { signal: other.signal })]
    await pass(0)
    mine.abort()
    expect((await aborted).code).toBe('aborted')
    for (const waited of all) expect(await isSettled(waited)).toBe(false)
    await receiver.cancel('req_1')
    await pass(round)
    expect((await Promise.all(all)).map(({ status }) => status)).toEqual(['cancelled', 'cancelled'])
  })

  it('may be shared by any number of waits: it has one listener, of which Node.js does not warn, and none when they are over', async () => {
    const { receiver } = bench({ sweep: 'elsewhere' })
    const all = ids(100)
    await trackAll(receiver, all)
    const { signal } = new AbortController()
    const waited = all.map((id) => receiver.wait(id, { signal }))
    await pass(0)
    expect(getEventListeners(signal, 'abort')).toHaveLength(1)
    for (const id of all) await receiver.cancel(id)
    await pass(round)
    await Promise.all(waited)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('ends each of the waits that share it', async () => {
    const { receiver } = bench({ sweep: 'elsewhere' })
    await trackAll(receiver, ids(3))
    const controller = new AbortController()
    const { signal } = controller
    const waited = ids(3).map((id) => failure(receiver.wait(id, { signal })))
    await pass(0)
    controller.abort()
    for (const { code } of await Promise.all(waited)) expect(code).toBe('aborted')
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

describe('close() and wait()', () => {
  it('rejects every wait', async () => {
    const { receiver } = bench({ sweep: 'elsewhere' })
    await trackAll(receiver, ['req_1', 'req_2'])
    const all = ['req_1', 'req_1', 'req_2'].map((id) => failure(receiver.wait(id, { timeoutMs: 60_000 })))
    await pass(1_000)
    await receiver.close()
    expect((await Promise.all(all)).map(({ code }) => code)).toEqual(Array(3).fill('receiver-closed'))
    await pass(storeTimeoutMs)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('rejects a wait that began a moment before', async () => {
    const { receiver } = bench({ sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    const waited = failure(receiver.wait('req_1'))
    await receiver.close()
    await pass(round)
    expect((await waited).code).toBe('receiver-closed')
  })

  it('rejects a wait that begins after', async () => {
    const { receiver } = bench()
    await receiver.close()
    expect((await failure(receiver.wait('req_1'))).code).toBe('receiver-closed')
  })
})

describe('many who wait', () => {
  it('for one approval cost one read a round, and leave nothing behind', async () => {
    const store = new FaultyStore()
    const { receiver } = bench({ store: store.store, sweep: 'elsewhere', random: () => 0.5 })
    await receiver.track('req_1', refund)
    store.calls.length = 0
    const all = Array.from({ length: 10_000 }, () => receiver.wait('req_1'))
    await pass(0)
    expect(store.timesOf('read')).toHaveLength(1)
    await pass(5_000)
    expect(store.timesOf('read')).toHaveLength(11)
    await receiver.cancel('req_1')
    store.calls.length = 0
    await pass(500)
    expect(new Set((await Promise.all(all)).map(({ status }) => status))).toEqual(new Set(['cancelled']))
    await pass(storeTimeoutMs)
    expect(vi.getTimerCount()).toBe(0)
    await pass(5_000)
    expect(store.timesOf('read')).toHaveLength(1)
  })

  it('for as many approvals cost one read of each a round, 64 at a time, and leave nothing behind', async () => {
    let reading = 0
    let most = 0
    const inner = memoryStore()
    const store = new FaultyStore(
      new Proxy(inner, {
        get(target, name) {
          const method: unknown = Reflect.get(target, name)
          if (name !== 'read') return typeof method === 'function' ? method.bind(target) : method
          return async (key: string) => {
            most = Math.max(most, ++reading)
            await null
            reading--
            return inner.read(key)
          }
        },
      }),
    )
    const { receiver } = bench({ store: store.store, sweep: 'elsewhere', random: () => 0.5 })
    const all = ids(10_000)
    await trackAll(receiver, all)
    const { signal } = new AbortController()
    store.calls.length = 0
    const waited = all.map((id) => receiver.wait(id, { signal, timeoutMs: 60_000 }))
    await pass(499)
    expect(store.timesOf('read')).toHaveLength(10_000)
    await pass(1)
    expect(store.timesOf('read')).toHaveLength(20_000)
    expect(most).toBe(64)
    for (const id of all.slice(1)) await receiver.cancel(id)
    store.calls.length = 0
    await pass(500)
    await Promise.all(waited.slice(1))
    await pass(5_000)
    expect(store.timesOf('read')).toHaveLength(10_000 + 10)
    await receiver.cancel('req_0')
    await pass(500)
    await Promise.all(waited)
    await pass(storeTimeoutMs)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('in turns have one loop, though the next begins while the last one is still being read', async () => {
    const inner = memoryStore()
    let reads = 0
    let delayMs = 0
    const store = overlayStore(inner, {
      async read(key) {
        reads++
        const found = await inner.read(key)
        if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
        return found
      },
    })
    const { receiver } = bench({ store, sweep: 'elsewhere', random: () => 0.5 })
    await receiver.track('req_1', refund)
    delayMs = 50
    const first = failure(receiver.wait('req_1', { timeoutMs: 520 }))
    await pass(530)
    expect((await first).code).toBe('wait-timeout')
    const second = failure(receiver.wait('req_1', { timeoutMs: 10_000 }))
    await pass(100)
    reads = 0
    await pass(5_500)
    expect(reads).toBe(10)
    await pass(5_000)
    expect((await second).code).toBe('wait-timeout')
  })

  it('leave nothing behind: each that times out is forgotten', async () => {
    const store = new FaultyStore()
    const { receiver } = bench({ store: store.store, sweep: 'elsewhere' })
    await receiver.track('req_1', refund)
    store.calls.length = 0
    for (let turn = 0; turn < 100; turn++) {
      const waits = Array.from({ length: 100 }, () => failure(receiver.wait('req_1', { timeoutMs: 100 })))
      await pass(100)
      expect(new Set((await Promise.all(waits)).map(({ code }) => code))).toEqual(new Set(['wait-timeout']))
    }
    await pass(storeTimeoutMs)
    expect(vi.getTimerCount()).toBe(0)
    expect(store.timesOf('read')).toHaveLength(100)
  })
})

describe('where nothing sweeps', () => {
  it('a wait polls, and the decision is handled', async () => {
    const { receiver, api, runs } = bench({ random: () => 0.5, onDecision: () => 'refunded' })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const waited = receiver.wait('req_1')
    await pass(4_999)
    expect(api.gets).toEqual([])
    await pass(501)
    expect(await waited).toMatchObject({ status: 'approved', result: 'refunded' })
    expect(runs).toMatchObject([{ decision: { via: 'poll' } }])
    expect(api.gets).toHaveLength(1)
  })

  it('a slow handler delays no other wait', async () => {
    const work = gate()
    const { receiver, api } = bench({
      random: () => 0.5,
      onDecision: ({ approvalId }) => (approvalId === 'req_1' ? work.promise : 'refunded'),
    })
    await trackAll(receiver, ['req_1', 'req_2'])
    api.approve('req_1')
    api.pend('req_2')
    const first = receiver.wait('req_1')
    const second = receiver.wait('req_2')
    await pass(8_000)
    api.approve('req_2')
    await pass(8_000)
    expect(await isSettled(second)).toBe(true)
    expect(await second).toMatchObject({ result: 'refunded' })
    expect(await isSettled(first)).toBe(false)
    work.open()
    await pass(0)
    expect(await first).toMatchObject({ status: 'approved' })
  })

  it('many waits cause no more GETs than one', async () => {
    const { receiver, api } = bench({ random: () => 0.5 })
    await receiver.track('req_1', refund)
    api.pend('req_1')
    const all = Array.from({ length: 100 }, () => receiver.wait('req_1'))
    await pass(60_000)
    // At 5, 10, 20 and 40 s, as a sweep would.
    expect(api.gets).toHaveLength(4)
    await receiver.cancel('req_1')
    await pass(round)
    await Promise.all(all)
  })

  it.each([
    ['start() does', 'here'],
    ['another process does', 'elsewhere'],
  ] as const)('is not where %s: then waiting sends no GET', async (_words, sweep) => {
    const store = new FaultyStore()
    const { receiver, api } = bench({ store: store.store, sweep })
    if (sweep === 'here') await receiver.start()
    await receiver.track('req_1', refund)
    store.answer('takeDue', { keys: [], nextDueInMs: null })
    api.approve('req_1')
    const waited = failure(receiver.wait('req_1', { timeoutMs: 60_000 }))
    await pass(60_000)
    expect((await waited).code).toBe('wait-timeout')
    expect(api.gets).toEqual([])
    await receiver.close()
  })
})

describeWith('redis-server', 'wait() in one process, and the run in another, on Redis', () => {
  let here: RedisBench
  let there: RedisBench

  beforeAll(async () => {
    here = await openBench()
    there = await openBench(here.url)
  })
  afterAll(async () => {
    await there.close()
    await here.close()
  })
  beforeEach(() => {
    vi.useRealTimers()
  })

  it('resolves with the result, for many at once', async () => {
    const prefix = randomUUID()
    const waiting = bench({ store: here.store({ prefix }), sweep: 'elsewhere' })
    const running = bench({
      store: there.store({ prefix }),
      confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
      polling: { concurrency: 200 },
      onDecision: ({ approvalId }) => ({ refund: approvalId }),
    })
    const all = ids(100)
    await trackAll(waiting.receiver, all)
    const waited = all.map((id) => waiting.receiver.wait(id, { timeoutMs: 10_000 }))
    for (const id of all) running.api.approve(id)
    await Promise.all(all.map((id) => running.receiver.fetch(callbackRequest(id))))
    expect((await Promise.all(waited)).map(({ result }) => result)).toEqual(all.map((id) => ({ refund: id })))
    expect(waiting.api.gets).toEqual([])
  })

  it('rejects what the other process parked', async () => {
    const prefix = randomUUID()
    const waiting = bench({ store: here.store({ prefix }), sweep: 'elsewhere' })
    const running = bench({ store: there.store({ prefix }) })
    await waiting.receiver.track('req_1', refund)
    const waited = failure(waiting.receiver.wait('req_1', { timeoutMs: 10_000 }))
    running.api.approve('req_1', { modifiedDetails: { amount: 1 } })
    await running.receiver.fetch(callbackRequest('req_1'))
    expect((await waited).code).toBe('parked')
  })
})
