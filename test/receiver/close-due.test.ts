import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type Run } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { bench, refund } from '../support/receiver.js'
import { ids, trackAll } from '../support/runs-sweep.js'
import { pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

function untilAborted({ signal }: Run): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
  })
}

describe('close() makes nothing due later', () => {
  it('that waits for its time', async () => {
    const store = memoryStore()
    const { receiver } = bench({ store, random: () => 0.5 })
    await receiver.start()
    await trackAll(receiver, ids(3))
    const before = await store.list('due', { limit: 10 })
    await receiver.close()
    expect((await store.list('due', { limit: 10 })).items).toEqual(before.items)
  })

  it('that was running: it is due at once', async () => {
    const store = memoryStore()
    const { receiver, api } = bench({ store, onDecision: (_decision, run) => untilAborted(run) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = receiver.close({ drainMs: 0 })
    await pass(1_000)
    await closed
    expect((await kept(store, 'req_1'))?.dueInMs).toBeLessThanOrEqual(0)
  })

  it('that was being confirmed as it stopped: its decision is recorded, and it is due at once', async () => {
    const store = memoryStore()
    const { receiver, api } = bench({ store })
    await receiver.track('req_1', refund)
    api.answer('req_1', () => 'hang')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = receiver.close({ drainMs: 100 })
    await pass(200)
    api.approve('req_1')
    api.resume()
    await pass(1_000)
    await closed
    const left = await kept(store, 'req_1')
    expect(left).toMatchObject({ state: 'pending', attempts: 0, decision: { status: 'approved' } })
    expect(left?.dueInMs).toBeLessThanOrEqual(0)
  })

  it('that the sweep has taken in the very moment: it is due again within the time for which it was hidden', async () => {
    const store = memoryStore()
    const { receiver, api } = bench({ store, random: () => 0.5, polling: { firstMs: 1_000, concurrency: 1 } })
    await trackAll(receiver, ids(3))
    for (const id of ids(3)) api.answer(id, () => 'hang')
    await pass(2_000)
    await receiver.start()
    await pass(0)
    void receiver.close({ drainMs: 0 })
    await pass(1_000)
    for (const id of ids(3).slice(1)) expect((await kept(store, id))?.dueInMs).toBeLessThanOrEqual(6_000)
  })
})
