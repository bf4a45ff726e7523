import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type Store } from '../src/index.js'
import { callbackRequest } from './support/callback.js'
import { overlayStore } from './support/overlay-store.js'
import { bench, refund } from './support/receiver.js'
import { gate, pass } from './support/runs-time.js'

/*
 * A process that stands still, as a frozen host does, between writing the decision and calling the handler.
 */

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Two processes; the answer to the first one's seal is late by as long as it stands still. */
async function frozenAfterSeal(change: (store: Store) => Partial<Store> = () => ({})) {
  const store = memoryStore()
  const thaw = gate()
  const seal: Store['seal'] = async (...args) => {
    const answer = await store.seal(...args)
    await thaw.promise
    return answer
  }
  const first = bench({ store: overlayStore(store, { seal, ...change(store) }) })
  const second = bench({ store })
  await first.receiver.track('req_1', refund)
  first.api.approve('req_1')
  const answer = first.receiver.fetch(callbackRequest('req_1'))
  return { first, second, thaw, answer }
}

describe('a process that stood still before its handler', () => {
  it('does not call it once another process has run the decision', async () => {
    const { first, second, thaw, answer } = await frozenAfterSeal()
    await pass(30_000)
    expect(await second.receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
    thaw.open()
    expect((await answer).status).toBe(409)
    expect([first.runs.length, second.runs.length]).toEqual([0, 1])
  })

  it('calls it where nobody took over, with its lease renewed', async () => {
    const { first, second, thaw, answer } = await frozenAfterSeal()
    await pass(30_000)
    thaw.open()
    expect((await answer).status).toBe(200)
    expect(await second.receiver.resolve('req_1')).toMatchObject({ kind: 'done' })
    expect([first.runs.length, second.runs.length]).toEqual([1, 0])
  })

  it('calls it without another word to the store while its lease lasts', async () => {
    const extend = vi.fn(async () => 'lost' as const)
    const { first, thaw, answer } = await frozenAfterSeal(() => ({ extend }))
    await pass(9_999)
    thaw.open()
    expect((await answer).status).toBe(200)
    expect(first.runs.length).toBe(1)
    expect(extend).not.toHaveBeenCalled()
  })

  it('does not call it where its lease is over and the store does not answer', async () => {
    const extend = vi.fn(async () => Promise.reject(new Error('away')))
    const { first, thaw, answer } = await frozenAfterSeal(() => ({ extend }))
    await pass(30_000)
    thaw.open()
    expect((await answer).status).toBe(503)
    expect(first.runs.length).toBe(0)
  })
})
