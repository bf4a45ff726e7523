import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CheqpointError, memoryStore, type Store } from '../../../src/index.js'
import { boundedStore, storeTimeoutMs } from '../../../src/stores/bounded-store.js'
import { systemClock } from '../../../src/util/clock.js'
import { SharedTimer } from '../../../src/util/shared-timer.js'
import { callbackRequest } from '../../support/callback.js'
import { overlayStore } from '../../support/overlay-store.js'
import { bench, refund } from '../../support/receiver.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const never = (): Promise<never> => new Promise(() => {})

const draft = { ref: null, action: 'refund', assistant: null, expiresAt: null, details: '{}', context: 'null' }
const tombstone = { id: 'req_1', ref: null, action: 'refund', assistant: null, sealed: null, result: null }

function bounded(store: Store): Store {
  return boundedStore(store, new SharedTimer(storeTimeoutMs, systemClock))
}

describe('a store whose calls are bounded', () => {
  it('has every method of a store', () => {
    const methods = (store: object): readonly string[] =>
      Object.getOwnPropertyNames(Object.getPrototypeOf(store)).filter((name) => name !== 'constructor')
    expect(Object.keys(bounded(overlayStore(memoryStore(), {}))).sort()).toEqual([...methods(memoryStore())].sort())
  })

  it('is the memory store as it is, which answers before a call returns', () => {
    const store = memoryStore()
    expect(bounded(store)).toBe(store)
  })

  it.each(Object.keys(bounded(overlayStore(memoryStore(), {}))))(
    'rejects %s that gets no answer when its time is up, and not a millisecond before',
    async (name) => {
      // The keys are those of a store, and what never answers does not look at what it is asked.
      const method = name as keyof Store
      const call = bounded(overlayStore(memoryStore(), { [method]: never }))[method] as () => Promise<unknown>
      const ended = vi.fn()
      call().catch(ended)
      await vi.advanceTimersByTimeAsync(storeTimeoutMs - 1)
      expect(ended).not.toHaveBeenCalled()
      await vi.advanceTimersByTimeAsync(1)
      expect(ended).toHaveBeenCalledWith(expect.objectContaining({ code: 'store-unavailable' }))
    },
  )

  it('passes on what a call answers, and an error that has a code', async () => {
    const full = new CheqpointError('store-full', 'full')
    const store = bounded(overlayStore(memoryStore(), { reserve: () => Promise.reject(full) }))
    expect(await store.get('req_1')).toBeNull()
    await expect(store.reserve('ref', draft, { dueInMs: 0 })).rejects.toBe(full)
  })

  it('gives a code to what a call rejects with, or throws, and keeps it as the cause', async () => {
    const cause = new Error('thrown')
    const store = bounded(
      overlayStore(memoryStore(), {
        stats: () => Promise.reject(cause),
        check: () => {
          throw cause
        },
      }),
    )
    await expect(store.stats()).rejects.toMatchObject({ code: 'store-unavailable', cause })
    await expect(store.check()).rejects.toMatchObject({ code: 'store-unavailable', cause })
  })

  it.each([
    ['claim', undefined],
    ['claim', { kind: 'claimed' }],
    ['claim', { kind: 'completed', tombstone: { ...tombstone, outcome: 'anything' } }],
    ['knock', undefined],
    ['seal', { kind: 'sealed', sealed: null, starts: 1 }],
    ['complete', true],
    ['takeDue', [null]],
    ['get', { state: 'pending' }],
    ['stats', { open: Number.NaN, parked: 0, overdueMs: 0 }],
    ['check', undefined],
  ])('rejects with store-answer where %s answers %j, which no contract allows', async (method, answer) => {
    const store = bounded(overlayStore(memoryStore(), { [method]: async () => answer }))
    const asked: Readonly<Record<string, () => Promise<unknown>>> = {
      claim: () => store.claim('req_1', 'token', 1_000, {}),
      knock: () => store.knock('req_1', { withinMs: 0 }),
      seal: () => store.seal('req_1', 'token', '{}'),
      complete: () => store.complete('req_1', 'token', { outcome: 'approved', result: null }, 1_000),
      takeDue: () => store.takeDue(1, 1_000),
      get: () => store.get('req_1'),
      stats: () => store.stats(),
      check: () => store.check(),
    }
    await expect(asked[method]?.()).rejects.toMatchObject({ code: 'store-answer' })
  })
})

describe('a receiver whose store answers nothing, as one does that forgot to', () => {
  const forgetful = async (): Promise<never> => undefined as never

  it('does not call a callback handled that it could not note', async () => {
    const { receiver } = bench({
      confirm: { requestsPerSecond: 0.001 },
      store: overlayStore(memoryStore(), { knock: forgetful }),
    })
    await receiver.track('req_1', refund)
    await receiver.fetch(callbackRequest('req_1'))
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(503)
  })

  it('rejects a manual trigger with nothing but an outcome', async () => {
    const { receiver } = bench({ store: overlayStore(memoryStore(), { claim: forgetful }) })
    expect((await receiver.resolve('req_1')).kind).toBe('store-unavailable')
  })
})

describe('a receiver whose store stops answering', () => {
  it.each(['claim', 'check'] as const)('answers a callback 503 all the same, at %s', async (method) => {
    const { receiver } = bench({ store: overlayStore(memoryStore(), { [method]: never }) })
    const answer = receiver.fetch(callbackRequest('req_1'))
    await vi.advanceTimersByTimeAsync(storeTimeoutMs)
    expect((await answer).status).toBe(503)
  })

  it('answers 503 to each of two callbacks for one approval, before it would say that a handler runs', async () => {
    const { receiver } = bench({
      sweep: 'elsewhere',
      store: overlayStore(memoryStore(), { claim: never, knock: never }),
    })
    const answers = [receiver.fetch(callbackRequest('req_1')), receiver.fetch(callbackRequest('req_1'))]
    await vi.advanceTimersByTimeAsync(8_000)
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([503, 503])
  })

  it('goes on sweeping when the store answers again', async () => {
    const store = memoryStore()
    let hangs = true
    const { receiver, api, runs } = bench({
      store: overlayStore(store, { takeDue: (...given) => (hangs ? never() : store.takeDue(...given)) }),
    })
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await vi.advanceTimersByTimeAsync(60_000)
    expect(runs).toHaveLength(0)
    hangs = false
    await vi.advanceTimersByTimeAsync(60_000)
    expect(runs).toHaveLength(1)
    await receiver.close()
  })

  it('has its completion sent again, so that the run is recorded', async () => {
    const store = memoryStore()
    let hangs = true
    const { receiver, api, runs } = bench({
      sweep: 'elsewhere',
      store: overlayStore(store, { complete: (...given) => (hangs ? never() : store.complete(...given)) }),
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await vi.advanceTimersByTimeAsync(20_000)
    hangs = false
    await vi.advanceTimersByTimeAsync(20_000)
    expect((await store.get('req_1'))?.state).toBe('done')
    expect(runs).toHaveLength(1)
  })
})

describe('callbacks.maxInFlight', () => {
  it('is not used up by callbacks that were answered while their handler goes on', async () => {
    const { receiver, api } = bench({ sweep: 'elsewhere', callbacks: { maxInFlight: 2 }, onDecision: never })
    for (const id of ['req_1', 'req_2', 'req_3']) {
      await receiver.track(id, refund)
      api.approve(id)
    }
    const slow = [receiver.fetch(callbackRequest('req_1')), receiver.fetch(callbackRequest('req_2'))]
    await vi.advanceTimersByTimeAsync(8_000)
    expect((await Promise.all(slow)).map(({ status }) => status)).toEqual([202, 202])
    const next = receiver.fetch(callbackRequest('req_3'))
    await vi.advanceTimersByTimeAsync(8_000)
    expect((await next).status).toBe(202)
  })
})
