import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type Store } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept, rewrite } from '../support/kept.js'
import { overlayStore } from '../support/overlay-store.js'
import { bench, refund } from '../support/receiver.js'
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

describe('parked()', () => {
  it('shows what was requested, what was decided, and why it is parked', async () => {
    const { receiver, api } = bench()
    await receiver.track('req_1', { ...refund, context: { chat: 7 } })
    api.approve('req_1', { modifiedDetails: { amount: 90 }, decisionNote: 'partly' })
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'edit-refused', reason: 'edit-ambiguous' })
    expect(await receiver.parked()).toEqual({
      items: [
        {
          approvalId: 'req_1',
          ref: null,
          action: 'process_refund',
          assistant: null,
          reason: 'edit-ambiguous',
          note: '/orderId',
          attempts: 1,
          details: refund.details,
          context: { chat: 7 },
          decision: {
            status: 'approved',
            modifiedDetails: { amount: 90 },
            note: 'partly',
            decidedAt: '2026-11-20T09:00:00.000Z',
            via: 'manual',
          },
        },
      ],
      cursor: null,
    })
  })

  it('shows an entry of the due index that cannot be read as corrupt', async () => {
    const store = memoryStore()
    const { receiver } = bench({ store })
    await receiver.track('req_1', refund)
    await rewrite(store, 'req_1', () => ({ state: { kind: 'nonsense' } }))
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'req_1', reason: 'corrupt', details: null }])
  })

  it.each([1, 2, 7, 100])(
    'has at most %i items where so many are asked for, and each damaged entry once',
    async (limit) => {
      const store = memoryStore()
      const { receiver } = bench({ store })
      const all = ids(230)
      await trackAll(receiver, all)
      const damaged = all.filter((_, at) => at < 20 || at % 9 === 0)
      for (const id of damaged) await rewrite(store, id, () => ({ state: { kind: 'nonsense' } }))
      await rewrite(store, damaged[0] ?? '', () => ({ dueAt: null, parkedAt: 1 }))
      const seen: string[] = []
      let cursor: string | null | undefined
      while (cursor !== null) {
        const page = await receiver.parked({ limit, cursor })
        expect(page.items.length).toBeLessThanOrEqual(limit)
        seen.push(...page.items.map(({ approvalId }) => approvalId))
        cursor = page.cursor
      }
      expect(seen.toSorted()).toEqual(damaged.toSorted())
    },
  )

  it('names the assistant, never its key', async () => {
    const { receiver, api } = bench({
      apiKey: undefined,
      apiKeys: { sales: 'cq_live_sales' },
      guarantee: 'at-most-once',
      onDecision: () => {
        throw new Error('ledger is down')
      },
    })
    await receiver.track('req_1', { ...refund, assistant: 'sales' })
    api.approve('req_1')
    await receiver.resolve('req_1')
    const page = await receiver.parked()
    expect(page.items).toMatchObject([{ assistant: 'sales', reason: 'handler-failed' }])
    expect(JSON.stringify(page)).not.toContain('cq_live')
  })

  it('comes in pages, each record once', async () => {
    const { receiver, api } = bench({
      guarantee: 'at-most-once',
      onDecision: () => {
        throw new Error('ledger is down')
      },
    })
    const all = ids(25)
    await trackAll(receiver, all)
    for (const id of all) {
      api.approve(id)
      await receiver.resolve(id)
    }
    const seen: string[] = []
    let cursor: string | null | undefined
    let pages = 0
    while (cursor !== null) {
      const page = await receiver.parked({ limit: 10, cursor })
      seen.push(...page.items.map(({ approvalId }) => approvalId))
      cursor = page.cursor
      pages++
    }
    expect(pages).toBe(3)
    expect(seen.toSorted()).toEqual(all.toSorted())
  })

  it('shows a record even where what is stored of it is damaged', async () => {
    const store = memoryStore()
    const { receiver, api, runs } = bench({ store })
    await receiver.track('req_1', refund)
    await rewrite(store, 'req_1', ({ state }) => ({ state: { ...state, details: '{' } }))
    api.approve('req_1')
    expect(await receiver.resolve('req_1')).toEqual({ kind: 'parked', approvalId: 'req_1', reason: 'corrupt' })
    expect((await receiver.parked()).items).toMatchObject([
      { approvalId: 'req_1', reason: 'corrupt', details: null, context: null, decision: { status: 'approved' } },
    ])
    expect(runs).toEqual([])
  })
})

describe('retry()', () => {
  it('makes a parked approval run again at once, with attempts reset and its recorded decision kept', async () => {
    let failing = true
    const { receiver, api, runs } = bench({
      random: () => 0.5,
      runs: { maxAttempts: 2 },
      onDecision: () => {
        if (failing) throw new Error('ledger is down')
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    await receiver.resolve('req_1')
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 1 })
    failing = false
    api.reject('req_1')
    expect(await receiver.retry('req_1')).toBe('pending')
    expect(await receiver.reconcile()).toMatchObject({ taken: 1, decided: 1 })
    expect(runs.map(({ decision, run }) => [decision.status, run.attempt, run.fence])).toEqual([
      ['approved', 1, 1],
      ['approved', 2, 2],
      ['approved', 1, 3],
    ])
    expect(api.gets).toHaveLength(1)
  })

  it('lets an at-most-once decision run again', async () => {
    const failing = new Set([1])
    const { receiver, api, runs } = bench({
      guarantee: 'at-most-once',
      onDecision: (_decision, { fence }) => {
        if (failing.has(fence)) throw new Error('ledger is down')
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    await receiver.retry('req_1')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
    expect(runs.map(({ run }) => run.idempotencyKey)).toEqual(['cheqpoint:req_1', 'cheqpoint:req_1'])
  })

  it('parks an edit again that still fails the schema', async () => {
    const { receiver, api, events } = bench()
    await receiver.track('req_1', refund)
    api.approve('req_1', { modifiedDetails: { amount: 90 } })
    await receiver.resolve('req_1')
    await receiver.retry('req_1')
    await receiver.resolve('req_1')
    expect(eventsOf(events, 'parked')).toHaveLength(2)
    expect(await receiver.stats()).toMatchObject({ parked: 1 })
  })

  it('wakes the sweep, which runs it at once', async () => {
    let failing = true
    const { receiver, api, runs } = bench({
      runs: { maxAttempts: 1 },
      onDecision: () => {
        if (failing) throw new Error('ledger is down')
      },
    })
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    await pass(5_000)
    failing = false
    await receiver.retry('req_1')
    await pass(1)
    expect(runs).toHaveLength(2)
    await receiver.close()
  })

  it('changes nothing that is not parked', async () => {
    const { receiver, api } = bench()
    await trackAll(receiver, ['req_0', 'req_1'])
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(await receiver.retry('req_0')).toBe('not-parked')
    expect(await receiver.retry('req_1')).toBe('not-parked')
    expect(await receiver.retry('req_2')).toBe('unknown')
  })
})

describe('cancel()', () => {
  it('ends a pending approval: nothing runs, no GET is sent, and a callback is answered as completed', async () => {
    const { receiver, api, runs, events } = bench()
    await receiver.start()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    expect(await receiver.cancel('req_1')).toBe('cancelled')
    expect(await receiver.cancel('req_1')).toBe('completed')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    await pass(3_600_000)
    expect(runs).toEqual([])
    expect(api.gets).toEqual([])
    expect(eventsOf(events, 'duplicate')).toEqual([{ type: 'duplicate', approvalId: 'req_1' }])
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 0 })
    await receiver.close()
  })

  it('ends a parked record', async () => {
    const { receiver, api } = bench()
    await receiver.track('req_1', refund)
    api.approve('req_1', { modifiedDetails: { amount: 90 } })
    await receiver.resolve('req_1')
    expect(await receiver.cancel('req_1')).toBe('cancelled')
    expect((await receiver.parked()).items).toEqual([])
  })

  it('removes what cannot be read, if it is still what was read', async () => {
    const faulty = new FaultyStore()
    const { receiver } = bench({ store: faulty.store })
    faulty.answer('read', { now: Date.now(), entry: null, unreadable: 'digest' })
    faulty.answer('remove', true)
    expect(await receiver.cancel('req_1')).toBe('cancelled')
    faulty.answer('remove', false)
    expect(await receiver.cancel('req_1')).toBe('unknown')
  })

  it('does not end a record under a handler', async () => {
    const work = gate()
    const { receiver, api } = bench({ onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    expect(await receiver.cancel('req_1')).toBe('in-progress')
    work.open()
    expect((await answer).status).toBe(200)
    expect(await receiver.cancel('req_2')).toBe('unknown')
  })

  it('is forgotten after retentionMs, as every outcome is', async () => {
    const { store } = new FaultyStore()
    const { receiver } = bench({ store, retentionMs: 900_000 })
    await receiver.track('req_1', refund)
    await receiver.cancel('req_1')
    await pass(899_999)
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'completed', outcome: 'cancelled' })
    await pass(2)
    expect(await kept(store, 'req_1')).toBeNull()
  })
})

describe('resolve()', () => {
  it('sends a GET at once, within the minimum interval too', async () => {
    const { receiver, api, runs } = bench()
    await receiver.track('req_1', refund)
    api.pend('req_1')
    expect(await receiver.resolve('req_1')).toEqual({ kind: 'undecided', approvalId: 'req_1', retryAfterMs: 2_000 })
    api.approve('req_1')
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled', status: 'approved' })
    expect(runs[0]?.decision.via).toBe('manual')
    expect(await receiver.resolve('req_1')).toMatchObject({
      kind: 'completed',
      confirmed: { status: 'approved', via: 'manual' },
    })
  })

  it('resolves with what it did not find, or what the API answered', async () => {
    const { receiver, api } = bench()
    expect(await receiver.resolve('req_1')).toEqual({ kind: 'unknown-approval' })
    await receiver.track('req_1', refund)
    api.answer('req_1', { status: 500 })
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'api-failed', code: 'api-failed' })
  })

  it.each(['', '..', 'a/b', 'x'.repeat(129), 'req_1\n'])('refuses %j without a store call', async (id) => {
    const faulty = new FaultyStore()
    const { receiver } = bench({ store: faulty.store })
    const invalid = { code: 'id-invalid' }
    await expect(receiver.resolve(id)).rejects.toMatchObject(invalid)
    await expect(receiver.track(id, refund)).rejects.toMatchObject(invalid)
    await expect(receiver.retry(id)).rejects.toMatchObject(invalid)
    await expect(receiver.cancel(id)).rejects.toMatchObject(invalid)
    expect(faulty.calls).toEqual([])
  })
})

describe('track()', () => {
  it('follows an approval once: false where it is known already, even if completed, parked or cancelled', async () => {
    const { receiver, api, runs } = bench()
    expect(await receiver.track('req_1', refund)).toBe(true)
    expect(await receiver.track('req_1', { action: 'other', details: { amount: 1 } })).toBe(false)
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(runs[0]?.decision).toMatchObject({ action: 'process_refund', originalDetails: refund.details })
    expect(await receiver.track('req_1', refund)).toBe(false)
    await receiver.track('req_2', refund)
    await receiver.cancel('req_2')
    expect(await receiver.track('req_2', refund)).toBe(false)
    expect(runs).toHaveLength(1)
  })

  it('takes a copy: what the caller changes afterwards changes nothing', async () => {
    const { receiver, api, runs } = bench()
    const details = { orderId: '8842', lines: [{ amount: 120 }] }
    const context = { chat: 7 }
    await receiver.track('req_1', { action: 'process_refund', details, context })
    details.lines.push({ amount: 9_999 })
    context.chat = 8
    api.approve('req_1')
    await receiver.resolve('req_1')
    expect(runs[0]?.decision).toMatchObject({ details: { lines: [{ amount: 120 }] }, context: { chat: 7 } })
  })

  it('makes a request due at once if its callback came a moment before', async () => {
    const { receiver, api, runs } = bench({ random: () => 0.5, polling: { firstMs: 600_000 } })
    await receiver.start()
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(404)
    await pass(500)
    await receiver.track('req_1', refund)
    await pass(1_000)
    expect(runs).toMatchObject([{ decision: { approvalId: 'req_1', via: 'poll' } }])
    await receiver.close()
  })

  it.each([
    [0, 404],
    [1_000, 202],
  ])('makes a request due at once whose callback is told %i ms later that there was none', async (ms, status) => {
    const store = memoryStore()
    const answered = gate()
    let reads = 0
    const read: Store['read'] = async (key) => {
      const found = await store.read(key)
      if (reads++ === 0) await answered.promise
      return found
    }
    const shared = overlayStore(store, { read })
    const { receiver, api, runs } = bench({
      ...{ store: shared, sweep: 'elsewhere' },
      polling: { firstMs: 600_000 },
      callbacks: { ackAfterMs: 1_000 },
    })
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(ms)
    await receiver.track('req_1', refund)
    answered.open()
    expect((await answer).status).toBe(status)
    await receiver.reconcile()
    expect(runs).toMatchObject([{ decision: { approvalId: 'req_1', via: 'poll' } }])
  })

  it.each([
    ['without a reference', {}],
    ['with one', { ref: 'ref_2' }],
  ])('rejects %s where the store is full, and keeps what it has', async (_, more) => {
    const { receiver } = bench({ store: memoryStore({ maxPending: 1 }) })
    await receiver.track('req_1', refund)
    await expect(receiver.track('req_2', { ...refund, ...more })).rejects.toMatchObject({ code: 'store-full' })
    expect(await receiver.stats()).toMatchObject({ open: 1 })
  })
})

describe('stats()', () => {
  it('counts what is open, parked, overdue and in progress, and says whether a sweep runs', async () => {
    const work = gate()
    const { receiver, api } = bench({
      sweep: 'here',
      polling: { firstMs: 15_000 },
      random: () => 0.5,
      onDecision: () => work.promise,
    })
    await trackAll(receiver, ['req_0', 'req_1', 'req_2'])
    expect(await receiver.stats()).toEqual({
      open: 3,
      parked: 0,
      overdueMs: 0,
      inFlight: 0,
      working: 0,
      sweeping: false,
      tokensRefused: 0,
    })
    await pass(20_000)
    api.approve('req_0', { modifiedDetails: { amount: 90 } })
    await receiver.resolve('req_0')
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(0)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'in-progress' })
    expect(await receiver.stats()).toEqual({
      open: 2,
      parked: 1,
      overdueMs: 5_000,
      inFlight: 1,
      working: 1,
      sweeping: false,
      tokensRefused: 0,
    })
    work.open()
    await answer
    expect(await receiver.stats()).toMatchObject({ open: 1, inFlight: 0, working: 0 })
    await receiver.start()
    expect(await receiver.stats()).toMatchObject({ sweeping: true })
    await receiver.close()
    expect(await receiver.stats()).toMatchObject({ sweeping: false })
  })

  it('counts a callback until its response, and its approval until the handler ends', async () => {
    const work = gate()
    const { receiver, api } = bench({ sweep: 'elsewhere', onDecision: () => work.promise })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(8_000)
    expect((await answer).status).toBe(202)
    expect(await receiver.stats()).toMatchObject({ inFlight: 0, working: 1 })
    work.open()
    await pass(0)
    expect(await receiver.stats()).toMatchObject({ inFlight: 0, working: 0 })
  })
})
