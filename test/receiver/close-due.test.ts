import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type Run, type Store } from '../../src/index.js'
import { addReservation } from '../support/approval-snapshot.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { overlayStore } from '../support/overlay-store.js'
import { bench, refund } from '../support/receiver.js'
import { FaultyStore } from '../support/runs-store.js'
import { ids, trackAll } from '../support/runs-sweep.js'
import { gate, pass } from '../support/runs-time.js'

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

/** A receiver whose store answers `takeDue` once `taking` is open. */
function slowlyTaking() {
  const store = memoryStore()
  const taking = gate()
  const takeDue: Store['takeDue'] = async (...args) => {
    const taken = await store.takeDue(...args)
    await taking.promise
    return taken
  }
  return { ...bench({ store: overlayStore(store, { takeDue }), polling: { firstMs: 1_000 } }), store, taking }
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

  it.each([0, 10_000])('that the sweep is taking: it is due at once, and not counted (drainMs %i)', async (drainMs) => {
    const { receiver, api, store, taking, eventTypes } = slowlyTaking()
    await trackAll(receiver, ids(8))
    await pass(2_000)
    await receiver.start()
    await pass(0)
    const closed = receiver.close({ drainMs })
    await pass(100)
    taking.open()
    await pass(0)
    await closed
    for (const id of ids(8)) expect(await kept(store, id)).toMatchObject({ dueInMs: 0, attempts: 0, fence: 0 })
    expect(api.gets).toEqual([])
    expect(eventTypes()).not.toContain('swept')
    expect(eventTypes()).not.toContain('released')
  })

  it('that reconcile() is taking, which counts none of it', async () => {
    const { receiver, store, taking } = slowlyTaking()
    await trackAll(receiver, ids(3))
    await pass(2_000)
    const report = receiver.reconcile()
    await pass(0)
    const closed = receiver.close()
    taking.open()
    expect(await report).toEqual({ taken: 0, decided: 0, undecided: 0, failed: 0, nextDueInMs: 0 })
    await closed
    for (const id of ids(3)) expect(await kept(store, id)).toMatchObject({ dueInMs: 0 })
  })

  it('that the sweep has taken and is reading', async () => {
    const faulty = new FaultyStore()
    const { receiver, api } = bench({ store: faulty.store, polling: { firstMs: 1_000 } })
    await trackAll(receiver, ids(3))
    await pass(2_000)
    const reading = faulty.hold('read')
    await receiver.start()
    await pass(0)
    const closed = receiver.close()
    reading.open()
    await pass(0)
    await closed
    for (const id of ids(3)) expect(await kept(faulty.store, id)).toMatchObject({ dueInMs: 0, fence: 0 })
    expect(api.gets).toEqual([])
  })

  it('of a submission whose response was lost', async () => {
    const faulty = new FaultyStore()
    const { receiver } = bench({ store: faulty.store })
    await addReservation(faulty.store, 'ref_1', 1_000)
    await pass(100_000)
    const taking = faulty.hold('takeDue')
    await receiver.start()
    await pass(0)
    let isClosed = false
    const closed = receiver.close().then(() => {
      isClosed = true
    })
    taking.open()
    const writing = faulty.hold('postpone')
    await pass(0)
    expect(isClosed).toBe(false)
    writing.open()
    await closed
    const { now, entry } = await faulty.store.read('r:ref_1')
    expect(entry?.dueAt).toBe(now)
  })

  it('than hidden keys are, where the store does not respond: close() ends within drainMs and a second', async () => {
    const { receiver, taking } = slowlyTaking()
    await trackAll(receiver, ids(3))
    await pass(2_000)
    await receiver.start()
    await pass(0)
    let isClosed = false
    void receiver.close({ drainMs: 1_000 }).then(() => {
      isClosed = true
    })
    await pass(1_899)
    expect(isClosed).toBe(false)
    await pass(1)
    expect(isClosed).toBe(true)
    taking.open()
    await pass(0)
  })
})
