import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type Run, type Store } from '../../src/index.js'
import { type Completable, completion } from '../../src/stores/store.js'
import { kept } from '../support/kept.js'
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

/** What `completeIn` of a SQL store begins with: a completion that is written when the transaction is committed. */
async function begin(store: Store, run: Run): Promise<() => Promise<boolean>> {
  // The types of a run do not show it.
  const { key, step, settle } = (run as unknown as Completable)[completion]({ refunded: 120 })
  await settle()
  return async () => {
    const write = step(await store.read(key))
    return write !== null && store.write(key, write.expected, write.entry, { keepMs: write.keepMs })
  }
}

describe('a run that was completed inside a transaction', () => {
  it('counts as completed though its handler throws after the commit', async () => {
    const store = memoryStore()
    const { receiver, api, runs, events } = bench({
      store,
      onDecision: async (_decision, run) => {
        await (await begin(store, run))()
        throw new Error('the mail was not sent')
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const outcome = receiver.resolve('req_1')
    await pass(1_000)
    expect(await outcome).toMatchObject({ kind: 'handled' })
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'completed', result: '{"refunded":120}' })
    expect(eventsOf(events, 'completed')).toHaveLength(1)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'completed' })
    expect(runs).toHaveLength(1)
  })

  it('failed where nothing was committed, though its handler returns', async () => {
    const store = memoryStore()
    const { receiver, api, events } = bench({
      store,
      onDecision: async (_decision, run) => void (await begin(store, run)),
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handler-failed' })
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'pending', attempts: 1 })
    expect(eventsOf(events, 'run-failed')).toMatchObject([{ error: { message: expect.stringContaining('committed') } }])
  })
})

it('a transaction begins once a renewal of the lease that is in flight has come back', async () => {
  const faulty = new FaultyStore()
  const work = gate()
  let hasBegun = false
  const { receiver, api } = bench({
    store: faulty.store,
    onDecision: async (_decision, run) => {
      await work.promise
      const commit = await begin(faulty.store, run)
      hasBegun = true
      await commit()
    },
  })
  await receiver.track('req_1', refund)
  api.approve('req_1')
  const outcome = receiver.resolve('req_1')
  const renewal = faulty.hold('extend')
  await pass(10_000)
  work.open()
  await pass(1_000)
  expect(hasBegun).toBe(false)
  renewal.open()
  await pass(1_000)
  expect(await outcome).toMatchObject({ kind: 'handled' })
})
