import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type Run } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { bench, refund } from '../support/receiver.js'
import { heldAfter } from '../support/resources.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { ids, trackAll } from '../support/runs-sweep.js'
import { gate, pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  void promise.then(() => {
    settled = true
  })
  await pass(0)
  return settled
}

/** Works until it is told to stop, and fails then. */
function stopWhenTold({ signal }: Run): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason))
  })
}

describe('close()', () => {
  it('waits for a run, and resolves as soon as it has ended', async () => {
    const work = gate()
    const { receiver, api, runs, eventTypes } = bench({ onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = receiver.close()
    await pass(9_999)
    expect(await isSettled(closed)).toBe(false)
    expect(runs[0]?.run.signal.aborted).toBe(false)
    work.open()
    expect(await isSettled(closed)).toBe(true)
    expect((await answer).status).toBe(200)
    expect(eventTypes()).toContain('completed')
  })

  it.each([
    [undefined, 10_000],
    [{ drainMs: 3_000 }, 3_000],
    [{ drainMs: 0 }, 0],
  ])('aborts the signals of runs after drainMs, not before: %o', async (options, drainMs) => {
    const { receiver, api, runs } = bench({ onDecision: (_decision, run) => stopWhenTold(run) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = receiver.close(options)
    if (drainMs > 0) {
      await pass(drainMs - 1)
      expect(runs[0]?.run.signal.aborted).toBe(false)
      await pass(1)
    }
    expect(await isSettled(closed)).toBe(true)
    expect(runs[0]?.run.signal.aborted).toBe(true)
  })

  it('gives the attempt of an aborted run back, and the decision is due at once elsewhere', async () => {
    const store = memoryStore()
    const first = bench({ store, onDecision: (_decision, run) => stopWhenTold(run), runs: { maxAttempts: 1 } })
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    void first.receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = first.receiver.close({ drainMs: 0 })
    await pass(0)
    await closed
    expect(eventsOf(first.events, 'released')).toMatchObject([{ approvalId: 'req_1', reason: 'closing', dueInMs: 0 }])
    const second = bench({ store, runs: { maxAttempts: 1 } })
    expect(await second.receiver.reconcile()).toMatchObject({ taken: 1, decided: 1 })
    expect(second.runs).toMatchObject([{ run: { attempt: 1, fence: 2 } }])
    expect(second.api.gets).toEqual([])
  })

  it('does not park a decision whose last attempt it aborted', async () => {
    const { receiver, api, eventTypes } = bench({
      onDecision: (_decision, run) => stopWhenTold(run),
      runs: { maxAttempts: 1 },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    void receiver.close({ drainMs: 0 })
    await pass(0)
    expect(eventTypes()).not.toContain('parked')
  })

  it('completes a run that returns after its signal aborted', async () => {
    const { store } = new FaultyStore()
    const { receiver, api } = bench({ store, onDecision: (_decision, run) => stopWhenTold(run).catch(() => 'half') })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    void receiver.close({ drainMs: 0 })
    await pass(0)
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'completed', result: '"half"' })
  })

  it('ends within drainMs and a second where a run ignores its signal; its claim ends with its lease', async () => {
    const store = memoryStore()
    const first = bench({ store, onDecision: () => new Promise(() => {}) })
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    void first.receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = first.receiver.close({ drainMs: 5_000 })
    await pass(5_500)
    expect(await isSettled(closed)).toBe(false)
    await pass(500)
    expect(await isSettled(closed)).toBe(true)
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'claimed' })
  })

  it('gives up a run that ignores its signal one lease later, where the process lives on', async () => {
    const { store } = new FaultyStore()
    const { receiver, api, events } = bench({ store, onDecision: () => new Promise(() => {}) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    void receiver.close({ drainMs: 0 })
    await pass(30_000)
    expect(eventsOf(events, 'released')).toMatchObject([{ reason: 'closing' }])
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'pending', attempts: 0 })
  })

  it('stops runs that had timed out already, and reports once one that finishes after all', async () => {
    const work = gate()
    const { receiver, api, runs, events } = bench({ onDecision: () => work.promise, runs: { timeoutMs: 1_000 } })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(1_500)
    expect(runs[0]?.run.signal.reason).toMatchObject({ message: expect.stringContaining('timeoutMs') })
    void receiver.close({ drainMs: 0 })
    await pass(60_000)
    work.open()
    await pass(0)
    expect(eventsOf(events, 'run-failed')).toHaveLength(1)
    expect(eventsOf(events, 'completed-after-takeover')).toHaveLength(1)
    expect(await receiver.stats()).toMatchObject({ working: 0 })
  })

  it('does nothing to runs that ended before', async () => {
    const { receiver, api, events, runs } = bench()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    await receiver.close({ drainMs: 0 })
    const said = events.length
    await pass(60_000)
    expect(events).toHaveLength(said)
    expect(runs[0]?.run.signal.aborted).toBe(false)
  })

  it('runs a decision that is being confirmed, while it drains', async () => {
    const { receiver, api, runs } = bench()
    await receiver.track('req_1', refund)
    api.answer('req_1', () => 'hang')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(1_000)
    const closed = receiver.close()
    await pass(3_999)
    api.approve('req_1')
    api.resume()
    await pass(0)
    expect((await answer).status).toBe(200)
    expect(await isSettled(closed)).toBe(true)
    expect(runs).toHaveLength(1)
  })

  it('starts no run once it has drained: a decision confirmed then is due at once, and no attempt is counted', async () => {
    const { store } = new FaultyStore()
    const { receiver, api, runs } = bench({ store })
    await receiver.track('req_1', refund)
    api.answer('req_1', () => 'hang')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(1_000)
    void receiver.close({ drainMs: 0 })
    await pass(1)
    api.approve('req_1')
    api.resume()
    await pass(0)
    expect((await answer).status).toBe(503)
    expect(runs).toEqual([])
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'pending', attempts: 0, dueInMs: 0 })
  })

  it('claims nothing: an entry that is being read as it closes is not written, and no GET is sent', async () => {
    const faulty = new FaultyStore()
    const { receiver, api } = bench({ store: faulty.store })
    await receiver.track('req_1', refund)
    const before = await faulty.store.read('a:req_1')
    const reading = faulty.hold('read')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    void receiver.close()
    reading.open()
    await pass(0)
    expect((await answer).status).toBe(503)
    expect(api.gets).toEqual([])
    faulty.mend()
    expect(await faulty.store.read('a:req_1')).toMatchObject({ entry: before.entry })
  })

  it('runs a claim that is being written as it closes, while it drains', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs } = bench({ store: faulty.store })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const claiming = faulty.hold('claim')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = receiver.close()
    claiming.open()
    await pass(0)
    expect((await answer).status).toBe(200)
    expect(await isSettled(closed)).toBe(true)
    expect(runs).toHaveLength(1)
  })

  it('starts no run of a decision that was being recorded as it stopped, and gives its attempt back', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs, eventTypes } = bench({ store: faulty.store, guarantee: 'at-most-once' })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const recording = faulty.hold('record')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    void receiver.close({ drainMs: 0 })
    await pass(0)
    recording.open()
    await pass(0)
    expect((await answer).status).toBe(503)
    expect(runs).toEqual([])
    expect(eventTypes()).not.toContain('run-started')
    expect(await kept(faulty.store, 'req_1')).toMatchObject({ state: 'pending', attempts: 0, dueInMs: 0 })
  })

  it('resolves though the store does not respond', async () => {
    const faulty = new FaultyStore()
    const { receiver } = bench({ store: faulty.store })
    await receiver.start()
    faulty.hang()
    await pass(2_000)
    const closed = receiver.close({ drainMs: 3_000 })
    await pass(4_000)
    expect(await isSettled(closed)).toBe(true)
  })

  it('gives up a completion that the store does not accept; the run is repeated elsewhere', async () => {
    const store = memoryStore()
    const faulty = new FaultyStore(store)
    const first = bench({ store: faulty.store })
    await first.receiver.track('req_1', refund)
    first.api.approve('req_1')
    faulty.fail('complete', 'extend')
    void first.receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = first.receiver.close({ drainMs: 1_000 })
    await pass(2_000)
    expect(await isSettled(closed)).toBe(true)
    await pass(5_000)
    const tries = faulty.timesOf('complete').length
    await pass(60_000)
    expect(faulty.timesOf('complete')).toHaveLength(tries)
    const second = bench({ store })
    expect(await second.receiver.reconcile()).toMatchObject({ taken: 1, decided: 1 })
    expect(second.runs).toMatchObject([{ run: { attempt: 2 } }])
  })

  it('ends a reconcile() in progress once the approvals it took have ended', async () => {
    const work = gate()
    const { receiver, api, runs } = bench({
      runs: { concurrency: 2 },
      polling: { requestsPerSecond: Number.POSITIVE_INFINITY },
      onDecision: () => work.promise,
    })
    const all = ids(20)
    for (const id of all) api.approve(id)
    await trackAll(receiver, all)
    await pass(20_000)
    const report = receiver.reconcile()
    await pass(0)
    const closed = receiver.close()
    work.open()
    await pass(0)
    expect(await report).toMatchObject({ decided: 2 })
    expect(await isSettled(closed)).toBe(true)
    expect(runs).toHaveLength(2)
  })

  it('responds to new callbacks with 503 and Retry-After while it drains and after, without a read of the store', async () => {
    const work = gate()
    const faulty = new FaultyStore()
    const { receiver, api, events } = bench({ store: faulty.store, onDecision: () => work.promise })
    await trackAll(receiver, ['req_1', 'req_2'])
    api.approve('req_1')
    api.approve('req_2')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const closed = receiver.close()
    const calls = faulty.calls.length
    const draining = await receiver.fetch(callbackRequest('req_2'))
    expect([draining.status, draining.headers.get('retry-after')]).toEqual([503, '1'])
    expect(faulty.calls).toHaveLength(calls)
    work.open()
    await pass(0)
    await closed
    expect((await receiver.fetch(callbackRequest('req_2'))).status).toBe(503)
    expect(eventsOf(events, 'refused').map(({ reason }) => reason)).toEqual(['closing', 'closing'])
    expect(api.gets).toHaveLength(1)
  })

  it.each([
    ['a shorter drain, which counts', { drainMs: 1_000 }, 2_000],
    ['no drain, which aborts the runs at once', { drainMs: 0 }, 1_000],
    ['a longer drain, which delays nothing', { drainMs: 60_000 }, 5_000],
  ])('may be called again with %s for both calls', async (_words, again, endsAt) => {
    const { receiver, api, runs } = bench({ onDecision: (_decision, run) => stopWhenTold(run) })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const first = receiver.close({ drainMs: 5_000 })
    await pass(1_000)
    const second = receiver.close(again)
    if (endsAt > 1_000) {
      await pass(endsAt - 1_001)
      expect(runs[0]?.run.signal.aborted).toBe(false)
      expect(await isSettled(Promise.race([first, second]))).toBe(false)
      await pass(1)
    }
    expect(await isSettled(Promise.all([first, second]))).toBe(true)
    expect(runs[0]?.run.signal.aborted).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('may be called twice, and again after it has resolved', async () => {
    const work = gate()
    const { receiver, api } = bench({ onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    void receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    const first = receiver.close()
    const second = receiver.close()
    await pass(5_000)
    expect(await isSettled(second)).toBe(false)
    work.open()
    expect([await isSettled(first), await isSettled(second)]).toEqual([true, true])
    expect(await isSettled(receiver.close())).toBe(true)
  })

  it('needs no start() before', async () => {
    const { receiver } = bench()
    expect(await isSettled(receiver.close())).toBe(true)
  })
})

describe('after close()', () => {
  it('methods that would begin something new reject with receiver-closed', async () => {
    const { receiver } = bench({ store: memoryStore() })
    await receiver.track('req_1', refund)
    await receiver.close()
    const closed = { code: 'receiver-closed' }
    await expect(receiver.start()).rejects.toMatchObject(closed)
    await expect(receiver.track('req_2', refund)).rejects.toMatchObject(closed)
    await expect(receiver.resolve('req_1')).rejects.toMatchObject(closed)
    await expect(receiver.reconcile()).rejects.toMatchObject(closed)
    await expect(receiver.wait('req_1')).rejects.toMatchObject(closed)
    await expect(receiver.submit({ ...refund, summary: 'Refund' })).rejects.toMatchObject(closed)
  })

  it('methods for operators still work', async () => {
    const { receiver } = bench()
    await receiver.track('req_1', refund)
    await receiver.close()
    expect(await receiver.stats()).toMatchObject({ open: 1, working: 0, sweeping: false })
    expect((await receiver.parked()).items).toEqual([])
    expect(await receiver.retry('req_1')).toBe('not-parked')
    expect(await receiver.cancel('req_1')).toBe('cancelled')
  })

  it('nothing sweeps, even if start() was still in progress', async () => {
    const faulty = new FaultyStore()
    const checking = faulty.hold('check')
    const { receiver } = bench({ store: faulty.store })
    const started = receiver.start()
    started.catch(() => {})
    await pass(0)
    const closed = receiver.close()
    checking.open()
    await pass(0)
    await closed
    await expect(started).rejects.toMatchObject({ code: 'receiver-closed' })
    const calls = faulty.calls.length
    await pass(60_000)
    expect(faulty.calls).toHaveLength(calls)
    expect(await receiver.stats()).toMatchObject({ sweeping: false })
  })
})

describe('start() and close() at once', () => {
  it('leave nothing sweeping, whichever comes first', async () => {
    for (let steps = 0; steps < 20; steps++) {
      const faulty = new FaultyStore()
      const { receiver } = bench({ store: faulty.store })
      const started = receiver.start().catch(() => {})
      for (let step = 0; step < steps; step++) await null
      await receiver.close()
      await started
      const calls = faulty.calls.length
      await pass(10_000)
      expect(faulty.calls, `closed after ${steps} steps`).toHaveLength(calls)
    }
  })
})

describe('start()', () => {
  it('may be called twice: one loop sweeps', async () => {
    const faulty = new FaultyStore()
    const { receiver } = bench({ store: faulty.store, random: () => 0.5 })
    await receiver.start()
    await receiver.start()
    await pass(60_000)
    expect(faulty.timesOf('takeDue').length).toBeLessThanOrEqual(61)
    expect(faulty.timesOf('check')).toHaveLength(1)
    await receiver.close()
  })

  it('rejects where the store must not be used, sweeps nothing, and may be tried again', async () => {
    const faulty = new FaultyStore()
    const { receiver } = bench({ store: faulty.store })
    faulty.fail('check')
    await expect(receiver.start()).rejects.toMatchObject({ code: 'store-unavailable' })
    expect(await receiver.stats()).toMatchObject({ sweeping: false })
    faulty.mend()
    await receiver.start()
    expect(await receiver.stats()).toMatchObject({ sweeping: true })
    await receiver.close()
  })

  it('passes the warnings of the store on', async () => {
    const faulty = new FaultyStore()
    faulty.answer('check', ['persistence is off'])
    const { receiver, events } = bench({ store: faulty.store })
    await receiver.start()
    expect(eventsOf(events, 'store-warning')).toEqual([{ type: 'store-warning', message: 'persistence is off' }])
    await receiver.close()
  })
})

describe('what a receiver leaves behind', () => {
  it('is no timer after sweeps that found nothing due', async () => {
    const { receiver } = bench()
    await receiver.start()
    await pass(5_000)
    expect(vi.getTimerCount()).toBe(1)
    await receiver.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('is nothing that keeps the process alive after close()', async () => {
    vi.useRealTimers()
    const { receiver, api } = bench({
      polling: { firstMs: 1 },
      onDecision: ({ approvalId }) => {
        if (approvalId === 'req_1') throw new Error('ledger is down')
      },
    })
    const held = await heldAfter(async () => {
      await receiver.start()
      await trackAll(receiver, ids(5))
      for (const id of ids(3)) api.approve(id)
      api.pend('req_3')
      await Promise.all(ids(5).map((id) => receiver.fetch(callbackRequest(id))))
      await receiver.close()
    })
    expect(held).toEqual([])
  })

  it('is no timer and no entry in any map after 20,000 callbacks', async () => {
    const { receiver, api, runs, events } = bench({
      confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
      polling: { concurrency: 200 },
    })
    await receiver.start()
    const header = (name: string): readonly string[] => (name === 'user-agent' ? ['Cheqpoint-Callback/1.0'] : [])
    for (let round = 0; round < 200; round++) {
      const batch = Array.from({ length: 100 }, (_each, index) => `req_${round}_${index}`)
      await trackAll(receiver, batch)
      await Promise.all(
        batch.map((approvalId) => {
          api.approve(approvalId)
          return receiver.handle({ method: 'POST', url: '/', header, body: { parsed: { approvalId } } })
        }),
      )
      await pass(10)
    }
    expect(runs).toHaveLength(20_000)
    expect(events.every(({ type }) => type !== 'store-failed')).toBe(true)
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 0, inFlight: 0, working: 0 })
    await receiver.close()
    await pass(900_000)
    expect(vi.getTimerCount()).toBe(0)
  })
})
