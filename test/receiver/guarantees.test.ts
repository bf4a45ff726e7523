import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept, takeOver } from '../support/kept.js'
import { bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const guarantee = 'at-most-once'

describe('at most once', () => {
  it('parks a decision whose handler threw, and never runs it again', async () => {
    const { receiver, api, runs, events } = bench({
      guarantee,
      onDecision: () => {
        throw new Error('ledger is down')
      },
    })
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect(eventsOf(events, 'parked')).toEqual([
      { type: 'parked', approvalId: 'req_1', action: 'process_refund', reason: 'handler-failed', paths: [] },
    ])
    expect(eventsOf(events, 'released')).toEqual([])
    await pass(3_600_000)
    await receiver.fetch(callbackRequest('req_1'))
    expect(await receiver.resolve('req_1')).toEqual({ kind: 'parked', approvalId: 'req_1', reason: 'handler-failed' })
    expect(runs).toHaveLength(1)
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 1 })
    await receiver.close()
  })

  it('reports nothing as parked that another process has taken over', async () => {
    const store = memoryStore()
    const { receiver, api, events } = bench({
      store,
      guarantee,
      onDecision: async () => {
        await takeOver(store, 'req_1')
        throw new Error('ledger is down')
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(eventsOf(events, 'parked')).toEqual([])
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'claimed', holder: 'another' })
  })

  it('parks a decision whose handler ran out of time', async () => {
    const { receiver, api, runs, events } = bench({ guarantee, onDecision: () => new Promise(() => {}) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(930_000)
    expect(eventsOf(events, 'parked')).toMatchObject([{ reason: 'handler-failed' }])
    expect(runs[0]?.run.signal.aborted).toBe(true)
  })

  it('parks a decision whose attempt is counted and whose end is not known', async () => {
    const store = memoryStore()
    const dying = new FaultyStore(store)
    const first = bench({ store: dying.store, guarantee, onDecision: () => dying.hang() })
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    void first.receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    expect(first.runs).toHaveLength(1)
    const second = bench({ store, guarantee })
    second.api.approve('req_1')
    await second.receiver.start()
    await pass(32_000)
    expect(eventsOf(second.events, 'parked')).toEqual([
      { type: 'parked', approvalId: 'req_1', action: 'process_refund', reason: 'attempt-unfinished', paths: [] },
    ])
    expect(second.runs).toEqual([])
    expect(second.api.gets).toEqual([])
    await second.receiver.close()
  })

  it('parks a run that close() aborted, since its effects are unknown', async () => {
    const { receiver, api, events } = bench({
      guarantee,
      onDecision: (_decision, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = receiver.close({ drainMs: 0 })
    await pass(0)
    await closed
    expect(eventsOf(events, 'parked')).toMatchObject([{ approvalId: 'req_1', reason: 'handler-failed' }])
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 1 })
  })

  it('runs after any number of polls that found no decision', async () => {
    const { receiver, api, runs } = bench({ guarantee })
    await receiver.track('req_1', refund)
    api.pend('req_1')
    await receiver.resolve('req_1')
    api.answer('req_1', { status: 500 })
    await receiver.resolve('req_1')
    api.approve('req_1')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
    expect(runs.map(({ run }) => run.attempt)).toEqual([1])
  })
})

/** What a delivery of one decision asks of the store: read, claim, record, complete, and takes of what is due around them. */
const lastCall = 12

/** Delivers a decision in a process that dies at its nth call of the store; then another process takes over. */
async function deliverWithCrash(
  nth: number,
  written: boolean,
  options: { guarantee: 'at-least-once' | 'at-most-once' },
) {
  const store = memoryStore()
  const dying = new FaultyStore(store)
  // It takes so long that the sweep asks the store meanwhile.
  const onDecision = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 100))
  const first = bench({ ...options, store: dying.store, random: () => 0.5, polling: { firstMs: 15_000 }, onDecision })
  await first.receiver.start()
  await first.receiver.track('req_1', refund)
  first.api.approve('req_1')
  await pass(14_900)
  dying.crashAt(nth, { written })
  await pass(2_000)
  const left = await kept(store, 'req_1')
  const second = bench({ ...options, store, random: () => 0.5 })
  second.api.approve('req_1')
  await second.receiver.start()
  await pass(62_000)
  const runs = first.runs.length + second.runs.length
  const end = await kept(store, 'req_1')
  await second.receiver.close()
  return {
    crashed: dying.crashed,
    runs,
    state: end?.state,
    /** The handler ran in the process that died. */
    hadRun: first.runs.length > 0,
    /** What the process that died left in the store. */
    wasCompleted: left?.state === 'completed',
    wasCounted: left !== null && 'attempts' in left && left.attempts > 0,
    fences: [...first.runs, ...second.runs].map(({ run }) => run.fence),
  }
}

describe.each([true, false])('a process that dies as it calls the store, the call being written: %s', (written) => {
  it('loses no decision under at-least-once, and runs it twice only if the first run began', async () => {
    let repeated = 0
    for (let nth = 1; nth <= lastCall; nth++) {
      const end = await deliverWithCrash(nth, written, { guarantee: 'at-least-once' })
      expect(end, `call ${nth}`).toMatchObject({ crashed: true, state: 'completed' })
      expect(end.fences, `call ${nth}`).toEqual([...new Set(end.fences)].sort())
      // A run whose completion never reached the store is repeated; nothing else is.
      expect(end.runs, `call ${nth}`).toBe(end.hadRun && !end.wasCompleted ? 2 : 1)
      repeated += end.runs - 1
    }
    expect(repeated).toBeGreaterThan(0)
  })

  it('never starts it twice under at-most-once, and parks it where its end is unknown', async () => {
    const states: (string | undefined)[] = []
    for (let nth = 1; nth <= lastCall; nth++) {
      const end = await deliverWithCrash(nth, written, { guarantee })
      expect(end.runs, `call ${nth}`).toBeLessThanOrEqual(1)
      expect(end.crashed, `call ${nth}`).toBe(true)
      if (end.state === 'completed') expect(end.runs, `call ${nth}`).toBe(1)
      // Counted and not completed: whether the handler ran is unknown.
      expect(end.state === 'parked', `call ${nth}`).toBe(end.wasCounted)
      states.push(end.state)
    }
    expect(new Set(states)).toEqual(new Set(['completed', 'parked']))
  })
})
