import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CheqpointEvent, createReceiver, memoryStore, type StandardSchema, type Store } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { approved, ids, pending, timeGets, trackAll, withinBucket } from '../support/runs-sweep.js'
import { gate, pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const polling = { firstMs: 15_000 }

describe('polls of a request whose callback never comes', () => {
  it.each([
    [0, 12_000],
    [0.5, 15_000],
    [0.999_999_9, 18_000],
  ])('begin after firstMs, a fifth more or less: random %d, after %d ms', async (random, firstAt) => {
    const { receiver, api, runs } = bench({ random: () => random, polling })
    await receiver.start()
    const times = timeGets(api, ['req_0'], approved)
    await receiver.track('req_0', refund)
    await pass(firstAt - 1)
    expect(times).toEqual([])
    // The sweep sleeps a second at a time, so jittered too.
    await pass(201)
    expect(times).toHaveLength(1)
    expect(runs).toMatchObject([{ decision: { approvalId: 'req_0', status: 'approved', via: 'poll' } }])
    await receiver.close()
  })

  it.each([
    ['5 s where there is no callback URL', undefined, 5_000],
    ['15 s where there is one', 'https://app.test/webhooks/cheqpoint', 15_000],
  ])('begin after %s', async (_words, callbackUrl, firstAt) => {
    const { store } = new FaultyStore()
    const { receiver } = bench({ store, callbackUrl, random: () => 0.5, sweep: 'elsewhere' })
    await receiver.track('req_0', refund)
    expect(await kept(store, 'req_0')).toMatchObject({ dueInMs: firstAt })
  })

  it('come when it is twice as old as at the one before, up to maxMs apart', async () => {
    const { receiver, api } = bench({ random: () => 0.5, polling })
    await receiver.start()
    const times = timeGets(api, ['req_0'], pending)
    await receiver.track('req_0', refund)
    await pass(3_000_000)
    expect(times.map((at) => at / 1_000)).toEqual([15, 30, 60, 120, 240, 480, 960, 1_560, 2_160, 2_760])
    await receiver.close()
  })

  it('find it within maxMs, a fifth more or less, however old it is', async () => {
    let seed = 1
    const random = (): number => {
      seed = (seed * 16_807) % 2_147_483_647
      return seed / 2_147_483_647
    }
    const { receiver, api, runs } = bench({ random })
    await receiver.start()
    const all = ids(20)
    for (const id of all) api.pend(id)
    await trackAll(receiver, all)
    await pass(6 * 3_600_000)
    for (const id of all) api.reject(id)
    await pass(600_000 * 1.2 + 1_200)
    expect(runs).toHaveLength(20)
    await receiver.close()
  })

  it('do not come before start(), nor where the sweep is elsewhere or off', async () => {
    for (const sweep of ['here', 'elsewhere', 'off'] as const) {
      const { receiver, api } = bench({ sweep })
      if (sweep !== 'here') await receiver.start()
      await receiver.track('req_0', refund)
      await pass(600_000)
      expect(api.gets).toEqual([])
      await receiver.close()
    }
  })
})

describe('a callback that comes before the API shows the decision', () => {
  it('gets the decision delivered within 8 s where the API lags 3 s', async () => {
    const { receiver, api, runs } = bench({ random: () => 0.999, polling: { firstMs: 600_000 } })
    await receiver.start()
    await receiver.track('req_0', refund)
    api.pend('req_0')
    expect((await receiver.fetch(callbackRequest('req_0'))).status).toBe(202)
    await pass(3_000)
    api.approve('req_0')
    await pass(4_999)
    expect(runs).toHaveLength(1)
    await receiver.close()
  })

  it('is owed three quick polls; then the polls go by age again', async () => {
    const { receiver, api } = bench({ random: () => 0.5, polling })
    await receiver.start()
    await receiver.track('req_0', refund)
    const times = timeGets(api, ['req_0'], pending)
    await receiver.fetch(callbackRequest('req_0'))
    await pass(60_000)
    expect(times.map((at) => Math.floor(at / 1_000))).toEqual([0, 2, 4, 6, 21, 42])
    await receiver.close()
  })

  it('is polled once in a minimum interval, and in time, while forged callbacks come ten times a second', async () => {
    const { receiver, api, runs } = bench({ random: () => 0.5, polling: { firstMs: 600_000 } })
    await receiver.start()
    await receiver.track('req_0', refund)
    let answer = pending
    const times = timeGets(api, ['req_0'], (id) => answer(id))
    for (let spoof = 0; spoof < 200; spoof++) {
      void receiver.fetch(callbackRequest('req_0'))
      await pass(100)
    }
    expect(times.length).toBeGreaterThan(5)
    expect(times.every((at, index) => at - (times[index - 1] ?? -2_000) >= 2_000)).toBe(true)
    answer = approved
    void receiver.fetch(callbackRequest('req_0'))
    await pass(3_500)
    expect(runs).toHaveLength(1)
    await receiver.close()
  })
})

describe('a callback within the minimum interval', () => {
  it('makes a request that is due later due at the end of the interval', async () => {
    const { receiver, api, runs } = bench({ random: () => 0.5, polling: { firstMs: 600_000 } })
    await receiver.start()
    await receiver.track('req_0', refund)
    api.pend('req_0')
    await receiver.resolve('req_0')
    await pass(1_000)
    api.approve('req_0')
    expect((await receiver.fetch(callbackRequest('req_0'))).status).toBe(202)
    expect(api.gets).toHaveLength(1)
    await pass(2_200)
    expect(runs).toHaveLength(1)
    await receiver.close()
  })

  it('waits for its end and polls then, where nothing sweeps', async () => {
    const { receiver, api, runs } = bench({ sweep: 'off' })
    await receiver.track('req_0', refund)
    api.pend('req_0')
    await receiver.resolve('req_0')
    const times = timeGets(api, ['req_0'], approved)
    const answer = receiver.fetch(callbackRequest('req_0'))
    await pass(2_001)
    expect((await answer).status).toBe(200)
    expect(times).toEqual([2_001])
    expect(runs).toHaveLength(1)
  })

  it('never makes a request due later than it was', async () => {
    const { store } = new FaultyStore()
    const { receiver, api } = bench({
      store,
      sweep: 'elsewhere',
      confirm: { minIntervalMs: 60_000 },
      random: () => 0.5,
      polling,
    })
    await receiver.track('req_0', refund)
    api.pend('req_0')
    await receiver.resolve('req_0')
    const before = await kept(store, 'req_0')
    await receiver.fetch(callbackRequest('req_0'))
    await receiver.fetch(callbackRequest('req_0'))
    expect(before).toMatchObject({ dueInMs: 60_000 })
    expect(await kept(store, 'req_0')).toMatchObject({ dueInMs: 60_000 })
  })
})

describe('a callback that comes while its approval is polled', () => {
  it('is owed a poll within the minimum interval, at whichever moment it comes', async () => {
    // Steps of the smallest kind, from before the API's answer to well after the poll is over.
    for (let steps = 0; steps < 60; steps++) {
      const { receiver, api, runs } = bench({ random: () => 0.5, polling: { firstMs: 600_000 } })
      await receiver.start()
      await receiver.track('req_0', refund)
      api.answer('req_0', () => 'hang')
      const poll = receiver.resolve('req_0')
      await pass(100)
      const coming = (async () => {
        for (let step = 0; step < steps; step++) await null
        await receiver.fetch(callbackRequest('req_0'))
      })()
      for (let step = 0; step < 15; step++) await null
      api.pend('req_0')
      api.resume()
      api.approve('req_0')
      await pass(100)
      expect(await poll).toMatchObject({ kind: 'undecided' })
      await coming
      await pass(3_500)
      expect(runs, `came after ${steps} steps`).toHaveLength(1)
      await receiver.close()
    }
  })

  it('writes once that it came, however many copies come, and a decision needs no more', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, runs } = bench({ store: faulty.store, sweep: 'elsewhere' })
    await receiver.track('req_0', refund)
    api.answer('req_0', () => 'hang')
    const poll = receiver.resolve('req_0')
    await pass(0)
    for (let copy = 0; copy < 50; copy++) expect((await receiver.fetch(callbackRequest('req_0'))).status).toBe(202)
    expect(faulty.timesOf('nudge')).toHaveLength(1)
    api.approve('req_0')
    api.resume()
    await pass(100)
    expect(await poll).toMatchObject({ kind: 'handled' })
    expect(faulty.timesOf('nudge')).toHaveLength(1)
    expect(runs).toHaveLength(1)
    expect(api.gets).toHaveLength(1)
  })

  it('writes nothing while the handler of a recorded decision runs', async () => {
    const faulty = new FaultyStore()
    const work = gate()
    const { receiver, api } = bench({ store: faulty.store, sweep: 'elsewhere', onDecision: () => work.promise })
    await receiver.track('req_0', refund)
    api.approve('req_0')
    const first = receiver.fetch(callbackRequest('req_0'))
    await pass(0)
    for (let copy = 0; copy < 50; copy++) expect((await receiver.fetch(callbackRequest('req_0'))).status).toBe(202)
    expect(faulty.timesOf('nudge')).toEqual([])
    work.open()
    expect((await first).status).toBe(200)
  })

  it('gets 503 where the store fails as it is noted, and changes nothing of the poll', async () => {
    const faulty = new FaultyStore()
    const { receiver, api, events } = bench({ store: faulty.store, sweep: 'elsewhere' })
    await receiver.track('req_0', refund)
    api.answer('req_0', () => 'hang')
    const poll = receiver.resolve('req_0')
    await pass(0)
    faulty.fail('nudge')
    expect((await receiver.fetch(callbackRequest('req_0'))).status).toBe(503)
    expect(eventsOf(events, 'store-failed')).toHaveLength(1)
    api.approve('req_0')
    api.resume()
    expect(await poll).toMatchObject({ kind: 'handled' })
    expect(await receiver.stats()).toMatchObject({ working: 0, inFlight: 0, open: 0 })
  })
})

describe('a poll by hand', () => {
  it('runs once where several begin at the same time: the others learn that it is in progress', async () => {
    const { receiver, api, runs } = bench()
    await receiver.track('req_0', refund)
    api.answer('req_0', () => 'hang')
    const outcomes = [1, 2, 3].map(() => receiver.resolve('req_0'))
    await pass(1_000)
    api.approve('req_0')
    api.resume()
    const kinds = (await Promise.all(outcomes)).map(({ kind }) => kind)
    expect(kinds.sort()).toEqual(['handled', 'in-progress', 'in-progress'])
    expect(runs).toHaveLength(1)
    expect(api.gets).toHaveLength(1)
  })
})

describe('the budget of the sweep', () => {
  it('is kept with 500 requests due at once, and all of them are served in time', async () => {
    const { receiver, api, runs } = bench({ random: () => 0.5 })
    const all = ids(500)
    await trackAll(receiver, all)
    await pass(600_000)
    const times = timeGets(api, all, approved)
    await receiver.start()
    await pass(55_000)
    expect(runs).toHaveLength(500)
    expect(withinBucket(times, 10)).toBe(true)
    expect(api.gets).toHaveLength(500)
    await receiver.close()
  })

  it('may be unbounded', async () => {
    const { receiver, api, runs } = bench({ polling: { requestsPerSecond: Number.POSITIVE_INFINITY } })
    const all = ids(500)
    for (const id of all) api.approve(id)
    await trackAll(receiver, all)
    await pass(60_000)
    await receiver.start()
    await pass(100)
    expect(runs).toHaveLength(500)
    await receiver.close()
  })

  it('makes those that it has no token for due at their turn, each paid once', async () => {
    const { receiver, api, runs } = bench({ polling: { requestsPerSecond: 0.05 }, random: () => 0.5 })
    const all = ids(3)
    await trackAll(receiver, all)
    await pass(60_000)
    const times = timeGets(api, all, approved)
    await receiver.start()
    await pass(1_000)
    expect(times).toHaveLength(1)
    await pass(60_000)
    expect(runs).toHaveLength(3)
    expect(times.every((at, index) => index === 0 || at - (times[index - 1] ?? 0) >= 19_000)).toBe(true)
    await receiver.close()
  })

  it('is each assistant’s own', async () => {
    const { receiver, api, runs } = bench({
      apiKey: undefined,
      apiKeys: { sales: 'cq_live_sales', support: 'cq_live_support' },
      polling: { requestsPerSecond: 0.05 },
      random: () => 0.5,
    })
    for (const assistant of ['sales', 'support']) {
      await receiver.track(assistant, { ...refund, assistant })
      api.approve(assistant)
    }
    await pass(60_000)
    await receiver.start()
    await pass(100)
    expect(runs).toHaveLength(2)
    expect(api.keys).toEqual(['cq_live_sales', 'cq_live_support'])
    await receiver.close()
  })

  it('is not used by callbacks; those beyond their own budget make no call and delay no other', async () => {
    const { receiver, api, runs } = bench({ random: () => 0.5, polling, confirm: { requestsPerSecond: 5 } })
    await receiver.start()
    const victims = ids(100)
    const lost = ['lost_1', 'lost_2', 'lost_3']
    for (const id of victims) api.pend(id)
    for (const id of lost) api.approve(id)
    await trackAll(receiver, [...lost, ...victims])
    await pass(5_000)
    const answers = await Promise.all(victims.map((id) => receiver.fetch(callbackRequest(id))))
    expect(answers.every(({ status }) => status === 202)).toBe(true)
    expect(api.gets).toHaveLength(5)
    await pass(10_000)
    expect(runs.map(({ decision }) => decision.approvalId)).toEqual(lost)
    // Let those end that wait for their turn.
    void receiver.close()
    await pass(2_000)
  })
})

describe('the budget of callbacks', () => {
  it('leaves those over it to the sweep, within 15 s and without a call', async () => {
    const { receiver, api, runs } = bench({
      random: () => 0.5,
      confirm: { requestsPerSecond: 1 },
      polling: { firstMs: 600_000 },
    })
    await receiver.start()
    await trackAll(receiver, ['req_0', 'req_1'])
    api.approve('req_0')
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_0'))).status).toBe(200)
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect(api.gets).toHaveLength(1)
    await pass(16_000)
    expect(runs).toMatchObject([{ decision: { via: 'callback' } }, { decision: { via: 'poll' } }])
    await receiver.close()
  })

  it('pays for no poll of the sweep', async () => {
    const { receiver, api } = bench({ random: () => 0.5, polling: { firstMs: 15_000, requestsPerSecond: 2 } })
    const times = timeGets(api, ids(30), approved)
    await trackAll(receiver, ids(30))
    await receiver.start()
    await pass(20_000)
    expect(withinBucket(times, 2)).toBe(true)
    expect(times.length).toBeGreaterThan(10)
    await receiver.close()
  })

  it('is not spent by copies of what is completed, of what is recorded, or of what is unknown', async () => {
    const { receiver, api } = bench({
      confirm: { requestsPerSecond: 3 },
      sweep: 'elsewhere',
      onDecision: ({ approvalId }) => {
        if (approvalId === 'req_1') throw new Error('ledger is down')
      },
    })
    await trackAll(receiver, ['req_0', 'req_1', 'req_2'])
    for (const id of ['req_0', 'req_1', 'req_2']) api.approve(id)
    for (let copy = 0; copy < 20; copy++) {
      for (const id of ['req_0', 'req_1', 'req_9']) await receiver.fetch(callbackRequest(id))
    }
    expect(api.gets).toHaveLength(2)
    expect((await receiver.fetch(callbackRequest('req_2'))).status).toBe(200)
    expect(api.gets).toHaveLength(3)
  })
})

describe('an API that throttles', () => {
  const throttled = { status: 429, headers: { 'retry-after': '60' }, body: {} }

  it('gets no GET for as long as it says, not from those waiting for their turn either', async () => {
    const { receiver, api, runs, events } = bench({ random: () => 0.5, polling: { requestsPerSecond: 2 } })
    const all = ids(40)
    await trackAll(receiver, all)
    await pass(60_000)
    let answer = (_id: string) => throttled as ReturnType<typeof approved>
    const times = timeGets(api, all, (id) => answer(id))
    await receiver.start()
    await pass(59_000)
    expect(times).toEqual([0, 0])
    expect(eventsOf(events, 'paused')).toEqual([{ type: 'paused', assistant: null, forMs: 60_000 }])
    expect(eventsOf(events, 'api-key-refused')).toEqual([])
    answer = approved
    await pass(61_000)
    expect(runs).toHaveLength(40)
    expect(Math.min(...times.slice(2))).toBeGreaterThanOrEqual(60_000)
    await receiver.close()
  })

  it('gets no GET for callbacks either, only for resolve()', async () => {
    const { receiver, api } = bench({ sweep: 'elsewhere' })
    await trackAll(receiver, ['req_0', 'req_1'])
    api.answer('req_0', throttled)
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_0'))).status).toBe(202)
    await pass(59_999)
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect(api.gets).toHaveLength(1)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled' })
    expect(api.gets).toHaveLength(2)
  })

  it('pauses 30 s without Retry-After', async () => {
    const { receiver, api, events } = bench()
    await receiver.track('req_0', refund)
    api.answer('req_0', { status: 429 })
    await receiver.resolve('req_0')
    expect(eventsOf(events, 'paused')).toEqual([{ type: 'paused', assistant: null, forMs: 30_000 }])
  })

  it('never counts as an attempt', async () => {
    const { receiver, api, runs } = bench({ runs: { maxAttempts: 1 } })
    await receiver.track('req_0', refund)
    api.answer('req_0', throttled)
    for (let time = 0; time < 5; time++) await receiver.resolve('req_0')
    api.approve('req_0')
    await receiver.resolve('req_0')
    expect(runs.map(({ run }) => run.attempt)).toEqual([1])
  })
})

describe('a key that the API refuses', () => {
  it('pauses its assistant for a minute at a time, with one event each, and recovers by itself', async () => {
    const { receiver, api, runs, events } = bench({ random: () => 0.5, polling })
    await receiver.start()
    const all = ids(30)
    let answer = (_id: string) => ({ status: 401 }) as ReturnType<typeof approved>
    const times = timeGets(api, all, (id) => answer(id))
    await trackAll(receiver, all)
    await pass(200_000)
    const refusals = eventsOf(events, 'api-key-refused')
    expect(refusals).toEqual(refusals.map(() => ({ type: 'api-key-refused', assistant: null })))
    // First asked after 15 s, then at most once a minute: 15, 75, 135, 195.
    expect(refusals).toHaveLength(4)
    // Those that were already on their way when the first was refused may go with it.
    expect(times.length).toBeLessThanOrEqual(4 * 10)
    answer = approved
    await pass(70_000)
    expect(runs).toHaveLength(30)
    expect(runs.every(({ run }) => run.attempt === 1)).toBe(true)
    await receiver.close()
  })

  it('does not pause the other assistants', async () => {
    const { receiver, api, runs } = bench({
      apiKey: undefined,
      apiKeys: { sales: 'cq_live_sales', support: 'cq_live_support' },
      random: () => 0.5,
    })
    await receiver.start()
    for (const assistant of ['sales', 'support']) await receiver.track(assistant, { ...refund, assistant })
    api.answer('sales', { status: 403 })
    api.approve('support')
    await pass(16_000)
    expect(runs.map(({ decision }) => decision.approvalId)).toEqual(['support'])
    await receiver.close()
  })
})

describe('decisions that are recorded', () => {
  it('are run again while the API is paused', async () => {
    let failing = true
    const { receiver, api, runs } = bench({
      random: () => 0,
      onDecision: () => {
        if (failing) throw new Error('ledger is down')
      },
    })
    await receiver.start()
    await trackAll(receiver, ['req_0', 'req_1'])
    api.approve('req_0')
    api.answer('req_1', { status: 429, headers: { 'retry-after': '900' } })
    await receiver.fetch(callbackRequest('req_0'))
    await receiver.fetch(callbackRequest('req_1'))
    failing = false
    await pass(3_000)
    expect(runs.map(({ run }) => run.attempt)).toEqual([1, 2])
    await receiver.close()
  })

  it('are run again while the API is down', async () => {
    let left = 3
    const { receiver, api, runs } = bench({
      random: () => 0,
      onDecision: () => {
        if (left-- > 0) throw new Error('ledger is down')
      },
    })
    await receiver.start()
    await receiver.track('req_0', refund)
    api.approve('req_0')
    await receiver.fetch(callbackRequest('req_0'))
    api.answer('req_0', { status: 503 })
    await pass(6_000)
    expect(runs.map(({ run }) => run.attempt)).toEqual([1, 2, 3, 4])
    expect(api.gets).toHaveLength(1)
    expect(await receiver.stats()).toMatchObject({ open: 0 })
    await receiver.close()
  })

  it('are run again at the API budget’s expense of nothing', async () => {
    let failing = true
    const { receiver, api, runs } = bench({
      random: () => 0,
      polling: { requestsPerSecond: 0.001 },
      confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
      onDecision: () => {
        if (failing) throw new Error('ledger is down')
      },
    })
    await receiver.start()
    const all = ids(50)
    await trackAll(receiver, all)
    for (const id of all) {
      api.approve(id)
      await receiver.fetch(callbackRequest(id))
    }
    failing = false
    await pass(3_000)
    expect(runs).toHaveLength(100)
    await receiver.close()
  })
})

describe('the places of the sweep', () => {
  it('bound how many requests are polled at a time', async () => {
    const { receiver, api } = bench({ polling: { concurrency: 3, requestsPerSecond: Number.POSITIVE_INFINITY } })
    const all = ids(10)
    await trackAll(receiver, all)
    await pass(60_000)
    let asking = 0
    let most = 0
    for (const id of all) {
      let asked = false
      api.answer(id, () => {
        if (asked) {
          asking--
          return approved(id)
        }
        asked = true
        most = Math.max(most, ++asking)
        return 'hang'
      })
    }
    await receiver.start()
    await pass(100)
    expect(asking).toBe(3)
    for (let round = 0; round < 10; round++) {
      api.resume()
      await pass(10)
    }
    expect(most).toBe(3)
    expect(api.gets).toHaveLength(10)
    await receiver.close()
  })

  it('are all filled at once where there are many', async () => {
    const { receiver, api } = bench({ polling: { concurrency: 100, requestsPerSecond: Number.POSITIVE_INFINITY } })
    const all = ids(200)
    for (const id of all) api.answer(id, () => 'hang')
    await trackAll(receiver, all)
    await pass(60_000)
    await receiver.start()
    await pass(100)
    expect(api.gets).toHaveLength(100)
    void receiver.close()
  })

  it('are not all taken by a slow handler', async () => {
    const work = gate()
    const { receiver, api, runs } = bench({
      random: () => 0.5,
      polling: { concurrency: 2, requestsPerSecond: Number.POSITIVE_INFINITY },
      onDecision: ({ approvalId }) => (approvalId === 'req_0' ? work.promise : undefined),
    })
    await receiver.start()
    const all = ids(50)
    for (const id of all) api.approve(id)
    await trackAll(receiver, all)
    await pass(16_000)
    expect(runs).toHaveLength(50)
    expect(await receiver.stats()).toMatchObject({ open: 1, working: 1 })
    work.open()
    await pass(0)
    await receiver.close()
  })

  it('of handlers are free again as soon as one of several slow ones returns', async () => {
    const work = gate()
    const { receiver, api, runs } = bench({
      random: () => 0.5,
      runs: { concurrency: 2 },
      onDecision: ({ approvalId }) => (approvalId === 'req_0' || approvalId === 'req_1' ? work.promise : undefined),
    })
    await receiver.start()
    const all = ids(3)
    for (const id of all) api.approve(id)
    await trackAll(receiver, all)
    await pass(60_000)
    expect(runs).toHaveLength(2)
    work.open()
    await pass(1_000)
    expect(runs).toHaveLength(3)
    expect(api.gets).toHaveLength(3)
    await receiver.close()
  })

  it('are not delayed by a decision that fails each time: 199 others run in time', async () => {
    const { receiver, api, runs } = bench({
      random: () => 0.5,
      polling: { requestsPerSecond: Number.POSITIVE_INFINITY },
      onDecision: ({ approvalId }) => {
        if (approvalId === 'req_100') throw new Error('poison')
      },
    })
    await receiver.start()
    const all = ids(200)
    for (const id of all) api.approve(id)
    await trackAll(receiver, all)
    await pass(16_000)
    expect(new Set(runs.map(({ decision }) => decision.approvalId)).size).toBe(200)
    await pass(3_600_000)
    expect(runs.filter(({ decision }) => decision.approvalId === 'req_100')).toHaveLength(8)
    expect(runs).toHaveLength(207)
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 1 })
    await receiver.close()
  })

  it('are not blocked by a schema that never responds: its attempts fail, and the others run', async () => {
    const validate = (): Promise<never> => new Promise(() => {})
    const details: StandardSchema<object> = { '~standard': { version: 1, vendor: 'test', validate } }
    const runs: string[] = []
    const { receiver, api, events } = bench({
      random: () => 0.5,
      polling: { requestsPerSecond: Number.POSITIVE_INFINITY },
      actions: { poison: { details, onDecision() {} } },
      onDecision: ({ approvalId }) => void runs.push(approvalId),
    })
    const all = ids(17)
    for (const id of all) {
      await receiver.track(id, { action: id === 'req_16' ? 'process_refund' : 'poison', details: refund.details })
      api.answer(id, approved(id))
    }
    await pass(20_000)
    await receiver.start()
    await pass(6_000)
    expect(runs).toEqual(['req_16'])
    const failed = eventsOf(events, 'run-failed')
    expect(new Set(failed.map(({ approvalId }) => approvalId))).toEqual(new Set(all.slice(0, 16)))
    expect(eventsOf(events, 'released').map(({ reason }) => reason)).toEqual(failed.map(() => 'handler-failed'))
    expect(eventsOf(events, 'parked')).toEqual([])
    const closed = receiver.close()
    await pass(11_000)
    await closed
  })
})

describe('a store that is down', () => {
  it.each(['takeDue', 'read', 'claim', 'record', 'release'] as const)(
    'stops nothing for good, %s failing: the sweep goes on once it is up',
    async (method) => {
      const faulty = new FaultyStore()
      const { receiver, api, runs, events } = bench({ store: faulty.store, random: () => 0.5 })
      await receiver.start()
      await receiver.track('req_0', refund)
      if (method === 'release') api.pend('req_0')
      else api.approve('req_0')
      faulty.fail(method)
      await pass(20_000)
      expect(eventsOf(events, 'store-failed').length).toBeGreaterThan(0)
      api.approve('req_0')
      faulty.mend()
      await pass(31_200)
      expect(runs).toHaveLength(1)
      await receiver.close()
    },
  )

  it('is polled once a second, without bursts', async () => {
    const faulty = new FaultyStore()
    const { receiver } = bench({ store: faulty.store })
    await receiver.start()
    faulty.fail()
    await pass(60_000)
    expect(faulty.calls.length).toBeLessThanOrEqual(2 * 75)
    await receiver.close()
  })
})

describe('reconcile()', () => {
  it('polls once all that is due, and resolves with counts and when the next is due', async () => {
    const { receiver, api, runs, events } = bench({
      sweep: 'elsewhere',
      random: () => 0.5,
      polling: { ...polling, requestsPerSecond: Number.POSITIVE_INFINITY },
      onDecision: ({ approvalId }) => {
        if (approvalId === 'req_3') throw new Error('no')
      },
    })
    const all = ids(6)
    await trackAll(receiver, all)
    for (const id of ['req_0', 'req_1', 'req_3']) api.approve(id)
    api.pend('req_2')
    api.answer('req_4', { status: 500 })
    api.approve('req_5', { modifiedDetails: { amount: 90 } })
    await pass(15_000)
    await receiver.track('later', refund)
    const report = await receiver.reconcile()
    expect(report).toEqual({ taken: 6, decided: 3, undecided: 1, failed: 2, nextDueInMs: 1_000 })
    expect(runs).toHaveLength(3)
    expect(eventsOf(events, 'swept')).toEqual([{ type: 'swept', taken: 6, decided: 3, undecided: 1, failed: 2 }])
    expect(await receiver.stats()).toMatchObject({ sweeping: false, working: 0 })
  })

  it('resolves with null where nothing is open, and polls nothing that is not due', async () => {
    const { receiver, api } = bench({ sweep: 'elsewhere', random: () => 0.5, polling })
    expect(await receiver.reconcile()).toEqual({ taken: 0, decided: 0, undecided: 0, failed: 0, nextDueInMs: null })
    await receiver.track('req_0', refund)
    expect(await receiver.reconcile()).toMatchObject({ taken: 0, nextDueInMs: 15_000 })
    expect(api.gets).toEqual([])
  })

  it.each([
    [1, 1],
    [20, 20],
    [51, 50],
  ])('takes no more than its limit: %d of 50, so %d', async (limit, taken) => {
    const { receiver, api } = bench({ polling: { requestsPerSecond: Number.POSITIVE_INFINITY } })
    const all = ids(50)
    for (const id of all) api.approve(id)
    await trackAll(receiver, all)
    await pass(20_000)
    expect(await receiver.reconcile({ limit })).toMatchObject({ taken, decided: taken })
    expect(api.gets).toHaveLength(taken)
  })

  it('takes 1,000 at the most where it is given no limit', async () => {
    const { receiver, api } = bench({ polling: { requestsPerSecond: Number.POSITIVE_INFINITY } })
    const all = ids(1_001)
    for (const id of all) api.approve(id)
    await trackAll(receiver, all)
    await pass(20_000)
    expect(await receiver.reconcile()).toMatchObject({ taken: 1_000, nextDueInMs: 0 })
  })

  it('takes nothing new after timeoutMs, and waits for what is in progress', async () => {
    const { receiver, api, runs } = bench({
      polling: { concurrency: 2, requestsPerSecond: Number.POSITIVE_INFINITY },
      confirm: { minIntervalMs: 0 },
    })
    const all = ids(20)
    const asked = new Set<string>()
    for (const id of all) api.answer(id, () => (asked.has(id) ? approved(id) : hang(asked.add(id))))
    await trackAll(receiver, all)
    await pass(20_000)
    const report = receiver.reconcile({ timeoutMs: 2_500 })
    for (let second = 0; second < 5; second++) {
      await pass(1_000)
      api.resume()
    }
    expect(await report).toMatchObject({ taken: 6, decided: 6, nextDueInMs: 0 })
    expect(runs).toHaveLength(6)
  })

  it('takes nothing new once its signal aborts', async () => {
    const stop = new AbortController()
    const { receiver, api } = bench({
      polling: { concurrency: 2, requestsPerSecond: Number.POSITIVE_INFINITY },
      confirm: { minIntervalMs: 0 },
    })
    const all = ids(20)
    const asked = new Set<string>()
    for (const id of all) api.answer(id, () => (asked.has(id) ? approved(id) : hang(asked.add(id))))
    await trackAll(receiver, all)
    await pass(20_000)
    const report = receiver.reconcile({ signal: stop.signal })
    await pass(1_000)
    api.resume()
    await pass(500)
    stop.abort()
    api.resume()
    await pass(1_000)
    expect(await report).toMatchObject({ taken: 4, decided: 4 })
    expect(await receiver.reconcile({ signal: stop.signal })).toMatchObject({ taken: 0 })
  })

  it('uses the budget of the sweep', async () => {
    const { receiver, api } = bench({ random: () => 0.5 })
    const all = ids(50)
    await trackAll(receiver, all)
    await pass(20_000)
    const times = timeGets(api, all, approved)
    const report = receiver.reconcile()
    await pass(5_000)
    expect(await report).toMatchObject({ taken: 50, decided: 50 })
    expect(withinBucket(times, 10)).toBe(true)
  })

  it('does not wait for the turn of those that callbacks completed meanwhile', async () => {
    const store = memoryStore()
    const { receiver, api } = bench({ store, polling: { firstMs: 1_000, requestsPerSecond: 0.5 } })
    const other = bench({ store, polling: { firstMs: 600_000 } })
    const all = ids(3)
    await trackAll(receiver, all)
    await pass(2_000)
    await other.receiver.track('later', refund)
    for (const id of all) api.approve(id)
    let endedAt = 0
    const startedAt = Date.now()
    const report = receiver.reconcile({ timeoutMs: 60_000 }).finally(() => {
      endedAt = Date.now()
    })
    await pass(100)
    for (const id of all) {
      other.api.approve(id)
      await other.receiver.fetch(callbackRequest(id))
    }
    await pass(60_000)
    expect(await report).toMatchObject({ decided: 1 })
    expect(endedAt - startedAt).toBeLessThan(2_000)
  })

  it('comes back for one whose turn comes while it takes nothing, since it cannot serve another', async () => {
    const faulty = new FaultyStore()
    const { store } = faulty
    const { receiver, api } = bench({ store, polling: { firstMs: 1_000 } })
    const all = ids(2)
    for (const id of all) api.approve(id)
    await trackAll(receiver, all)
    await receiver.track('other', { ...refund, action: 'ship' })
    const actions = { [refund.action]: { onDecision() {} } }
    const settings = { store, actions, dispatcher: api, polling: { requestsPerSecond: 1 } }
    const one = createReceiver({ ...settings, apiKey: 'cq_live_test' })
    await pass(2_000)
    const deferral = faulty.hold('defer')
    const report = one.reconcile()
    await pass(10)
    deferral.open()
    await pass(25_000)
    expect(await report).toMatchObject({ decided: 2 })
  })

  it('comes back for one that is given its turn while the store looks for others', async () => {
    const inner = memoryStore()
    const [deferral, answer] = [gate(), gate()]
    let takes = 0
    const store: Store = {
      ...inner,
      read: (key) => inner.read(key),
      write: async (key, expected, entry, options) => {
        if (entry.dueAt !== null && takes > 0 && entry.state['fence'] === undefined) await deferral.promise
        return inner.write(key, expected, entry, options)
      },
      takeDue: async (limit, hideMs) => {
        takes++
        const taken = await inner.takeDue(limit, hideMs)
        if (takes === 2) await answer.promise
        return taken
      },
    }
    const { receiver, api } = bench({ store, polling: { firstMs: 1_000, requestsPerSecond: 1 } })
    const all = ids(2)
    for (const id of all) api.approve(id)
    await trackAll(receiver, all)
    await pass(2_000)
    const report = receiver.reconcile()
    await pass(10)
    deferral.open()
    await pass(10)
    answer.open()
    await pass(25_000)
    expect(await report).toMatchObject({ decided: 2 })
  })

  it('rejects where the store does not respond', async () => {
    const faulty = new FaultyStore()
    const { receiver } = bench({ store: faulty.store })
    faulty.fail('takeDue')
    await expect(receiver.reconcile()).rejects.toMatchObject({ code: 'store-unavailable' })
  })
})

describe('events', () => {
  it('report once that nothing sweeps, at the first callback or track', async () => {
    const { receiver, events } = bench()
    await receiver.track('req_0', refund)
    await receiver.track('req_1', refund)
    await receiver.fetch(callbackRequest('req_2'))
    expect(eventsOf(events, 'not-sweeping')).toHaveLength(1)
    const second = bench()
    await second.receiver.fetch(callbackRequest('req_2'))
    expect(eventsOf(second.events, 'not-sweeping')).toHaveLength(1)
  })

  it.each(['elsewhere', 'here'] as const)('do not report it where the sweep is %s and started', async (sweep) => {
    const { receiver, events } = bench({ sweep })
    await receiver.start()
    await receiver.track('req_0', refund)
    await receiver.fetch(callbackRequest('req_1'))
    expect(eventsOf(events, 'not-sweeping')).toEqual([])
    await receiver.close()
  })

  it('report an unknown status word once, however often and for however many requests it is seen', async () => {
    const { receiver, api, runs, events } = bench()
    await trackAll(receiver, ['req_0', 'req_1'])
    for (const id of ['req_0', 'req_1']) api.answer(id, { body: { id, status: 'APPROVED_BY_AI' } })
    await receiver.resolve('req_0')
    await receiver.resolve('req_0')
    await receiver.resolve('req_1')
    expect(eventsOf(events, 'unknown-status')).toEqual([
      { type: 'unknown-status', approvalId: 'req_0', word: 'APPROVED_BY_AI' },
    ])
    expect(runs).toEqual([])
  })

  it.each([
    ['throws', () => raise()],
    ['rejects', () => Promise.reject(new Error('listener'))],
    ['never settles', () => new Promise(() => {})],
  ])('harm nothing where the listener %s', async (_words, onEvent) => {
    const heard: CheqpointEvent[] = []
    const { receiver, api, runs } = bench({
      random: () => 0.5,
      onEvent: (event) => {
        heard.push(event)
        return onEvent()
      },
    })
    await receiver.start()
    await trackAll(receiver, ['req_0', 'req_1'])
    api.approve('req_0')
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_0'))).status).toBe(200)
    await pass(16_000)
    expect(runs).toHaveLength(2)
    expect(heard.map(({ type }) => type)).toContain('swept')
    expect(await receiver.stats()).toMatchObject({ open: 0, working: 0 })
    await receiver.close()
  })

  it('count what was taken and how it ended, without events for empty rounds', async () => {
    const { receiver, api, events } = bench({ random: () => 0.5, polling })
    await receiver.start()
    await trackAll(receiver, ['req_0', 'req_1', 'req_2'])
    api.approve('req_0')
    api.pend('req_1')
    await pass(29_000)
    const swept = eventsOf(events, 'swept')
    const sum = (name: 'taken' | 'decided' | 'undecided' | 'failed') =>
      swept.reduce((total, event) => total + event[name], 0)
    expect([sum('taken'), sum('decided'), sum('undecided'), sum('failed')]).toEqual([3, 1, 1, 1])
    expect(swept.every(({ taken }) => taken > 0)).toBe(true)
    await receiver.close()
  })
})

/** No answer, yet. */
function hang(_noted: unknown): 'hang' {
  return 'hang'
}

function raise(): never {
  throw new Error('listener')
}
