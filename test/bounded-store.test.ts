import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { boundedStore, storeTimeoutMs } from '../src/bounded-store.js'
import { memoryStore, type Store } from '../src/index.js'
import { Alarm, systemClock } from '../src/runtime.js'
import { callbackRequest } from './support/callback.js'
import { overlayStore } from './support/overlay-store.js'
import { bench, refund } from './support/receiver.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const never = (): Promise<never> => new Promise(() => {})

function bounded(store: Store): Store {
  return boundedStore(store, new Alarm(storeTimeoutMs, systemClock))
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

  it('rejects a call that gets no answer when its time is up, and not a millisecond before', async () => {
    const ended = vi.fn()
    bounded(overlayStore(memoryStore(), { get: never }))
      .get('req_1')
      .catch(ended)
    await vi.advanceTimersByTimeAsync(storeTimeoutMs - 1)
    expect(ended).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(ended).toHaveBeenCalledWith(expect.objectContaining({ code: 'store-unavailable' }))
  })

  it('passes on what a call answers, rejects with, or throws', async () => {
    const thrown = new Error('thrown')
    const store = bounded(
      overlayStore(memoryStore(), {
        stats: () => Promise.reject(thrown),
        check: () => {
          throw thrown
        },
      }),
    )
    expect(await store.get('req_1')).toBeNull()
    await expect(store.stats()).rejects.toBe(thrown)
    await expect(store.check()).rejects.toBe(thrown)
  })
})

describe('a receiver whose store stops answering', () => {
  it.each(['claim', 'check'] as const)('answers a callback 503 all the same, at %s', async (method) => {
    const { receiver } = bench({ store: overlayStore(memoryStore(), { [method]: never }) })
    const answer = receiver.fetch(callbackRequest('req_1'))
    await vi.advanceTimersByTimeAsync(storeTimeoutMs)
    expect((await answer).status).toBe(503)
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
