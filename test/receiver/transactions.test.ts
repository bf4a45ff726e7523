import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CheqpointError, memoryStore, type Run, type Store } from '../../src/index.js'
import { type Completable, completion } from '../../src/stores/store.js'
import { kept } from '../support/kept.js'
import { overlayStore } from '../support/overlay-store.js'
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

/**
 * What `completeIn` of a SQL store begins with: a completion that is written when the transaction is committed. It reads
 * the row when it has locked it, by default at the end.
 */
async function begin(store: Store, run: Run, lock?: Promise<void>): Promise<() => Promise<boolean>> {
  // The types of a run do not show it.
  const { key, step, settle } = (run as unknown as Completable)[completion]({ refunded: 120 })
  await settle()
  const read = async () => step(await store.read(key))
  const early = lock === undefined ? undefined : await lock.then(read)
  return async () => {
    const write = early ?? (await read())
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

/** A receiver whose handler calls `completeIn`, and does the rest when the test says so. */
async function transacting(options: Parameters<typeof bench>[0] = {}) {
  const faulty = new FaultyStore()
  const work = gate<'commit' | 'commit in an outage' | 'return' | 'hang'>()
  let signal: AbortSignal | undefined
  const first = bench({
    ...options,
    store: faulty.store,
    onDecision: async (_decision, run) => {
      signal = run.signal
      const commit = await begin(faulty.store, run)
      const next = await work.promise
      if (next.startsWith('commit')) await commit()
      if (next === 'commit in an outage') faulty.fail()
      if (next === 'hang') await gate().promise
    },
  })
  await first.receiver.track('req_1', refund)
  first.api.approve('req_1')
  const outcome = first.receiver.resolve('req_1')
  await pass(0)
  return { ...first, faulty, work, outcome, isAborted: () => signal?.aborted }
}

/** What a store rejects with while a transaction holds the row. */
const locked = new CheqpointError('store-busy', 'a transaction holds the row')

describe('a handler that called completeIn', () => {
  it('keeps its lease where the transaction was rolled back and it goes on', async () => {
    const { faulty, work, outcome, isAborted, events } = await transacting()
    await pass(70_000)
    expect(isAborted()).toBe(false)
    expect((await kept(faulty.store, 'req_1'))?.dueInMs).toBeGreaterThanOrEqual(20_000)
    work.open('commit')
    await pass(1_000)
    expect(await outcome).toMatchObject({ kind: 'handled' })
    expect(eventsOf(events, 'lease-lost')).toEqual([])
  })

  it('is told at runs.timeoutMs all the same, and its decision runs again', async () => {
    const { work, outcome, isAborted, events } = await transacting({ runs: { timeoutMs: 60_000 } })
    work.open('hang')
    await pass(60_000)
    expect(isAborted()).toBe(true)
    await pass(31_000)
    expect(await outcome).toMatchObject({ kind: 'handler-failed' })
    expect(eventsOf(events, 'run-failed')).toMatchObject([{ timedOut: true }])
  })

  it('is not reported as completed after a takeover where it ends late, after it was committed', async () => {
    const store = memoryStore()
    const end = gate()
    const { receiver, api, events } = bench({
      store,
      runs: { timeoutMs: 60_000 },
      onDecision: async (_decision, run) => {
        await (await begin(store, run))()
        await end.promise
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const outcome = receiver.resolve('req_1')
    await pass(91_000)
    expect(await outcome).toMatchObject({ kind: 'handled' })
    end.open()
    await pass(0)
    expect([eventsOf(events, 'completed').length, eventsOf(events, 'completed-after-takeover')]).toEqual([1, []])
  })

  it.each([
    ['refuses it as busy', (faulty: FaultyStore) => faulty.failWith(locked, 'extend')],
    ['keeps it waiting', (faulty: FaultyStore) => faulty.hang('extend')],
  ])('loses no lease, and reports nothing, while its row is locked and the store %s', async (_words, lock) => {
    const { faulty, work, outcome, isAborted, events } = await transacting({ runs: { leaseMs: 3_000 } })
    lock(faulty)
    await pass(20_000)
    expect(isAborted()).toBe(false)
    faulty.mend()
    work.open('commit')
    await pass(6_000)
    expect(await outcome).toMatchObject({ kind: 'handled' })
    expect([...eventsOf(events, 'lease-lost'), ...eventsOf(events, 'store-failed')]).toEqual([])
  })

  it('loses its lease in an outage once the row is known to be free', async () => {
    const { faulty, isAborted } = await transacting()
    await pass(10_000)
    faulty.fail()
    await pass(30_000)
    expect(isAborted()).toBe(true)
  })

  it('has not failed because the store is away when it ends', async () => {
    const { faulty, work, outcome, events } = await transacting()
    work.open('commit in an outage')
    await pass(3_000)
    faulty.mend()
    await pass(10_000)
    expect(await outcome).toMatchObject({ kind: 'handled' })
    expect([eventsOf(events, 'run-failed'), eventsOf(events, 'completed').length]).toEqual([[], 1])
  })

  it('is left to others where the receiver closes and the store is away, and no timer stays', async () => {
    const { receiver, work, outcome } = await transacting({ runs: { leaseMs: 600_000 } })
    work.open('commit in an outage')
    await pass(0)
    const closed = receiver.close({ drainMs: 0 })
    await pass(10_000)
    await closed
    expect(vi.getTimerCount()).toBe(0)
    expect(await outcome).toMatchObject({ kind: 'in-progress' })
  })

  it('waits for the row where it returned before its transaction ended, and reports no failure', async () => {
    const { faulty, work, outcome, events } = await transacting()
    faulty.failWith(locked, 'release', 'extend')
    work.open('return')
    await pass(4_000)
    faulty.mend()
    await pass(10_000)
    expect(await outcome).toMatchObject({ kind: 'handler-failed' })
    expect(eventsOf(events, 'store-failed')).toEqual([])
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

it('a transaction that waited for a renewal in flight keeps its lease while it holds the row', async () => {
  const faulty = new FaultyStore()
  const [work, end] = [gate(), gate()]
  let signal: AbortSignal | undefined
  const { receiver, api, events } = bench({
    store: faulty.store,
    onDecision: async (_decision, run) => {
      signal = run.signal
      await work.promise
      const commit = await begin(faulty.store, run)
      faulty.failWith(locked, 'extend')
      await end.promise
      await commit()
    },
  })
  await receiver.track('req_1', refund)
  api.approve('req_1')
  const outcome = receiver.resolve('req_1')
  const renewal = faulty.hold('extend')
  await pass(10_000)
  work.open()
  await pass(0)
  renewal.open()
  await pass(60_000)
  expect(signal?.aborted).toBe(false)
  end.open()
  await pass(1_000)
  expect(await outcome).toMatchObject({ kind: 'handled' })
  expect([...eventsOf(events, 'lease-lost'), ...eventsOf(events, 'store-failed')]).toEqual([])
})

it('a transaction that got the row after a renewal keeps its lease while it holds the row', async () => {
  const faulty = new FaultyStore()
  const [lock, end] = [gate(), gate()]
  let signal: AbortSignal | undefined
  const { receiver, api, events } = bench({
    store: faulty.store,
    onDecision: async (_decision, run) => {
      signal = run.signal
      const commit = await begin(faulty.store, run, lock.promise)
      await end.promise
      await commit()
    },
  })
  await receiver.track('req_1', refund)
  api.approve('req_1')
  const outcome = receiver.resolve('req_1')
  await pass(15_000)
  lock.open()
  await pass(0)
  faulty.failWith(locked, 'extend')
  await pass(60_000)
  expect(signal?.aborted).toBe(false)
  end.open()
  await pass(1_000)
  expect(await outcome).toMatchObject({ kind: 'handled' })
  expect([...eventsOf(events, 'lease-lost'), ...eventsOf(events, 'store-failed')]).toEqual([])
})

it('a run that gave its decision back has failed, though a renewal finds that before the answer of the store comes', async () => {
  const inner = memoryStore()
  const returned = gate()
  let isLost = false
  const store = overlayStore(inner, {
    write: async (key, expected, entry, options) => {
      const answer = await inner.write(key, expected, entry, options)
      const isRelease = entry.state['holder'] !== undefined && entry.state['leaseEnd'] === undefined
      if (!isRelease || isLost) return answer
      isLost = true
      throw new CheqpointError('store-unavailable', 'the connection broke')
    },
  })
  const { receiver, api, events } = bench({
    store,
    onDecision: async (_decision, run) => {
      await begin(store, run)
      await returned.promise
    },
  })
  await receiver.track('req_1', refund)
  api.approve('req_1')
  const outcome = receiver.resolve('req_1')
  await pass(9_980)
  returned.open()
  await pass(5_000)
  expect(await outcome).toMatchObject({ kind: 'handler-failed' })
  expect(eventsOf(events, 'run-succeeded')).toEqual([])
  expect(eventsOf(events, 'run-failed')).toMatchObject([{ error: { message: expect.stringContaining('committed') } }])
  expect([eventsOf(events, 'released').length, eventsOf(events, 'lease-lost')]).toEqual([1, []])
})

it.each(['returns', 'throws'])(
  'a run is in progress elsewhere once another process took over, though its handler %s',
  async (how) => {
    const store = memoryStore()
    const other = bench({ store, sweep: 'elsewhere', onDecision: () => gate().promise })
    const standing = new FaultyStore(store)
    const work = gate()
    const { receiver, api, events } = bench({
      store: standing.store,
      onDecision: async (_decision, run) => {
        await begin(standing.store, run)
        await work.promise
        if (how === 'throws') throw new CheqpointError('lease-lost', 'the lease was lost')
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    other.api.approve('req_1')
    const outcome = receiver.resolve('req_1')
    await pass(0)
    standing.hang('extend')
    await pass(31_000)
    void other.receiver.resolve('req_1')
    await pass(100)
    expect(other.runs).toHaveLength(1)
    work.open()
    await pass(1_000)
    expect(await outcome).toMatchObject({ kind: 'in-progress' })
    expect([eventsOf(events, 'run-succeeded').length, eventsOf(events, 'run-failed').length]).toEqual([0, 1])
  },
)
