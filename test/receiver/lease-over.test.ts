import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type Store } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { overlayStore } from '../support/overlay-store.js'
import { type Bench, bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'

/*
 * A process that stands still, as a frozen host does, between recording the decision and calling the handler.
 */

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Two processes on one clock. The first stands still after it recorded the decision: time passes, none of its timers ring. */
async function frozenAfterRecord(
  ms: number,
  meanwhile: (second: Bench, faulty: FaultyStore) => Promise<unknown>,
  slowWrites = 1,
) {
  let passed = 0
  let left = slowWrites
  const clock = { now: () => Date.now() + passed, elapsed: () => performance.now() + passed }
  const store = memoryStore({ clock })
  const second = bench({ store, clock })
  const faulty = new FaultyStore(store)
  const write: Store['write'] = async (...args) => {
    const answer = await faulty.store.write(...args)
    const step = faulty.calls.at(-1)?.step
    if ((step !== 'record' && step !== 'extend') || left-- <= 0) return answer
    passed += ms
    await meanwhile(second, faulty)
    return answer
  }
  const first = bench({ store: overlayStore(faulty.store, { write }), clock })
  await first.receiver.track('req_1', refund)
  first.api.approve('req_1')
  const { status } = await first.receiver.fetch(callbackRequest('req_1'))
  return { first, second, faulty, status }
}

describe('a process that stalled before its handler', () => {
  it('does not call it once another process has run the decision', async () => {
    const { first, second, status } = await frozenAfterRecord(30_000, async ({ receiver }) => {
      expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
    })
    expect(status).toBe(409)
    expect([first.runs.length, second.runs.length]).toEqual([0, 1])
  })

  it('calls it where no other process took over, with its lease renewed', async () => {
    const { first, second, status } = await frozenAfterRecord(30_000, async () => {})
    expect(status).toBe(200)
    expect(await second.receiver.resolve('req_1')).toMatchObject({ kind: 'completed' })
    expect([first.runs.length, second.runs.length]).toEqual([1, 0])
  })

  it('calls it without another store call while its lease lasts', async () => {
    const { first, faulty, status } = await frozenAfterRecord(9_999, async () => {})
    expect(status).toBe(200)
    expect(first.runs.length).toBe(1)
    expect(faulty.timesOf('extend')).toEqual([])
  })

  it('gives the decision back, its attempt uncounted, where each renewal takes as long as a lease', async () => {
    const { first, faulty, status } = await frozenAfterRecord(30_000, async () => {}, 3)
    expect([status, first.runs.length, faulty.timesOf('extend').length]).toEqual([409, 0, 2])
    expect(eventsOf(first.events, 'released')).toMatchObject([{ reason: 'lease-too-short', dueInMs: 0 }])
    expect(await kept(faulty.store, 'req_1')).toMatchObject({ state: 'pending', attempts: 0 })
  })

  it('does not call it where its lease is over and the store does not respond', async () => {
    const { first, status } = await frozenAfterRecord(30_000, async (_second, faulty) => faulty.fail())
    expect(status).toBe(503)
    expect(first.runs.length).toBe(0)
  })
})
