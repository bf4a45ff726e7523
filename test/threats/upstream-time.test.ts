import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { type Bench, bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { approved, ids, pending, timeGets, trackAll, withinBucket } from '../support/runs-sweep.js'
import { pass } from '../support/runs-time.js'

const now = new Date('2026-11-20T10:00:00Z')
const minute = 60_000
const hour = 60 * minute

beforeEach(() => {
  vi.useFakeTimers({ now })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a key that the API refuses', () => {
  it('T58: keeps a thousand requests open, at sixteen GETs a minute at the most, and loses none when it is good again', async () => {
    const all = ids(1_000)
    const { receiver, api, runs, events } = bench({ random: () => 0.5 })
    await trackAll(receiver, all)
    for (const id of all) api.answer(id, { status: 401 })
    await receiver.start()
    await pass(10 * minute)
    expect(runs).toEqual([])
    expect(await receiver.stats()).toMatchObject({ open: 1_000, parked: 0 })
    // At the end of each pause as many are asked for as are under way at a time.
    expect(eventsOf(events, 'api-key-refused').length).toBeLessThanOrEqual(10)
    expect(api.gets.length).toBeLessThanOrEqual(10 * 16)
    for (const id of all) api.answer(id, approved(id))
    await pass(5 * minute)
    expect(new Set(runs.map(({ decision }) => decision.approvalId)).size).toBe(1_000)
    expect(runs.every(({ run }) => run.attempt === 1)).toBe(true)
    await receiver.close()
  })
})

/** A receiver that is swept whenever something is due, however long nothing is. */
function longBench(
  random: number,
): Bench & { readonly live: (ms: number) => Promise<void>; readonly now: () => number } {
  let at = 0
  const clock = { now: () => now.getTime() + at, elapsed: () => at }
  const made = bench({
    clock,
    store: memoryStore({ clock }),
    sweep: 'elsewhere',
    random: () => random,
    callbackUrl: 'https://app.test/webhooks/cheqpoint',
  })
  return {
    ...made,
    now: clock.now,
    async live(ms) {
      const until = at + ms
      while (at < until) {
        const { nextDueInMs } = await made.receiver.reconcile()
        at = Math.min(until, at + (nextDueInMs ?? ms))
      }
    },
  }
}

describe('an API that does not know an approval of ours', () => {
  it('T59: is polled ever more rarely, nothing runs and nothing is given up, until it is found', async () => {
    const { receiver, api, runs, live } = longBench(0.5)
    await receiver.track('req_1', refund)
    await live(24 * hour)
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect(runs).toEqual([])
    expect(await receiver.stats()).toMatchObject({ open: 1, parked: 0 })
    // Six looks in the first quarter of an hour, then one every ten minutes, and that of the callback.
    expect(api.gets.length).toBeGreaterThan(145)
    expect(api.gets.length).toBeLessThan(155)
    api.approve('req_1')
    await live(12 * minute)
    expect(runs).toMatchObject([{ decision: { status: 'approved' }, run: { attempt: 1 } }])
  })
})

describe('an API that changes its mind', () => {
  it.each<[string, Parameters<ReturnType<typeof bench>['api']['answer']>[1]]>([
    ['rejected', { body: { id: 'req_1', status: 'REJECTED' } }],
    ['pending again', { body: { id: 'req_1', status: 'PENDING' } }],
    [
      'approved with another edit',
      { body: { id: 'req_1', status: 'APPROVED', modifiedDetails: { orderId: '1', amount: 9 } } },
    ],
    ['unknown', { status: 404 }],
    ['of another id', { body: { id: 'req_2', status: 'REJECTED' } }],
    ['a failure', { status: 500 }],
  ])('T65: after a decision was recorded gets no other GET: what is now %s runs as recorded', async (_, changed) => {
    let starts = 0
    const { receiver, api, runs } = bench({
      sweep: 'elsewhere',
      onDecision: () => {
        if (++starts < 3) throw new Error('not yet')
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1', { modifiedDetails: { orderId: '8842', amount: 90 } })
    await receiver.fetch(callbackRequest('req_1'))
    api.answer('req_1', changed)
    for (let each = 0; each < 3; each++) {
      await pass(hour)
      await receiver.fetch(callbackRequest('req_1'))
      await receiver.resolve('req_1')
    }
    expect(runs.map(({ decision }) => [decision.status, decision.modifiedDetails])).toEqual(
      Array(3).fill(['approved', { orderId: '8842', amount: 90 }]),
    )
    expect(api.gets).toHaveLength(1)
    await receiver.close()
  })
})

describe('a request that Cheqpoint rejects by itself', () => {
  it.each([0, 0.5, 0.999_999])(
    'T66: in the night after a day, without a callback, is found within twelve minutes (random %d)',
    async (random) => {
      const { receiver, api, runs, live, now: time } = longBench(random)
      await receiver.track('req_1', refund)
      api.answer('req_1', pending('req_1'))
      await live(41 * hour + 7 * minute)
      expect(runs).toEqual([])
      api.reject('req_1', { decidedAt: new Date(time()).toISOString() })
      await live(12 * minute + 1)
      expect(runs).toMatchObject([{ decision: { status: 'rejected', via: 'poll' } }])
    },
  )
})

describe('the date of a decision', () => {
  it('T67: is passed on, and decides only whether an approval came in time, whatever its value', async () => {
    const expiresAt = new Date(now.getTime() + hour)
    // Each with the moment that it names, of those that name one.
    const named = fc
      .date({ noInvalidDate: true, min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z') })
      .map((each) => [each.toISOString(), each.getTime()] as const)
    const atExpiry = fc.integer({ min: -2, max: 2 }).map((by) => {
      const each = new Date(expiresAt.getTime() + by)
      return [each.toISOString(), each.getTime()] as const
    })
    const nonsense = fc
      .oneof(
        fc.constantFrom('1', '2026', '2099-01-01', 'tomorrow', '+275760-09-13T00:00:00.000Z', '2099-13-01T00:00:00Z'),
        fc.string({ maxLength: 20 }),
        fc.jsonValue({ maxDepth: 1 }),
      )
      .map((each) => [each, Number.NaN] as const)
    const dates = fc.oneof(named, atExpiry, nonsense)
    await fc.assert(
      fc.asyncProperty(dates, fc.constantFrom('APPROVED', 'REJECTED'), async ([decidedAt, at], status) => {
        const { receiver, api, runs } = bench({ sweep: 'elsewhere' })
        await receiver.track('req_1', { ...refund, expiresAt })
        api.answer('req_1', { body: { id: 'req_1', status, decidedAt } })
        expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
        const late = status === 'APPROVED' && at > expiresAt.getTime()
        expect(runs).toHaveLength(1)
        expect(runs[0]?.decision.status).toBe(late ? 'expired' : status.toLowerCase())
        expect(runs[0]?.decision.decidedAt?.getTime() ?? Number.NaN).toBe(at)
      }),
      { numRuns: 200 },
    )
  })
})

describe('ten thousand requests that are due at once', () => {
  it('T95: are polled no faster than polling.requestsPerSecond, each once', async () => {
    const all = ids(10_000)
    const { receiver, api, runs } = bench({ polling: { requestsPerSecond: 500 } })
    await trackAll(receiver, all)
    await pass(hour)
    const times = timeGets(api, all, approved)
    await receiver.start()
    // 500 at once, the rest at 500 a second.
    await pass(20_000)
    expect(new Set(runs.map(({ decision }) => decision.approvalId)).size).toBe(10_000)
    expect([runs.length, times.length]).toEqual([10_000, 10_000])
    // A burst that breaks the rate breaks it for every hundredth as well; a turn may be some milliseconds early or late.
    expect(
      withinBucket(
        times.filter((_, at) => at % 100 === 99),
        5.1,
      ),
    ).toBe(true)
    await receiver.close()
  })
})
