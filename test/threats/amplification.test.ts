import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ReceiverOptions } from '../../src/index.js'
import { type AnswersBench, answersBench, id, tracked } from '../support/answers-bench.js'
import { addApproval } from '../support/approval-snapshot.js'
import { describeWith } from '../support/needs.js'
import { openBench, type RedisBench, recorder, scriptCalls } from '../support/redis-bench.js'
import { approved, ids, pending, withinBucket } from '../support/runs-sweep.js'
import { gate, pass } from '../support/runs-time.js'

/*
 * One small request of a stranger who has learnt ids, and no secret is configured: how much work for us and for the
 * API, and what a decision that is genuine has to wait meanwhile.
 */

describe('one known id', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('T02: a thousand forged callbacks in five seconds cost three GETs, each a read of the store, and nine writes', async () => {
    const { receiver, api, faulty, runs, events, send, snapshot } = answersBench({ sweep: 'elsewhere' })
    await receiver.track(id, tracked)
    api.pend(id)
    faulty.calls.length = 0
    const statuses = new Set<number>()
    for (let second = 0; second < 5; second++) {
      for (let each = 0; each < 200; each++) statuses.add((await send()).status)
      await pass(1_000)
    }
    expect([...statuses]).toEqual([202])
    expect(api.gets).toHaveLength(3)
    // A claim, its release and a nudge for each GET.
    const calls = (method: string): number => faulty.calls.filter((each) => each.method === method).length
    expect([calls('read'), calls('write'), faulty.calls.length]).toEqual([1_000, 9, 1_009])
    expect(runs).toEqual([])
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['released']))
    expect(await snapshot()).toMatchObject({ state: 'pending', attempts: 0, decision: null })
  })

  it.each([0, 500, 1_000, 1_990])(
    'T38: forged callbacks every tenth of a second keep a decision, made %i ms after a poll, for the minimum interval and a tick at most',
    async (afterMs) => {
      const polling = { firstMs: 600_000, maxMs: 600_000 }
      const ran = gate<number>()
      const bench = answersBench({ polling, onDecision: () => ran.open(performance.now()) })
      const { receiver, api, send } = bench
      await receiver.track(id, tracked)
      api.pend(id)
      await receiver.start()
      const spoof = setInterval(() => void send(), 100)
      await pass(20_000)
      const gets = api.gets.length
      while (api.gets.length === gets) await pass(10)
      await pass(afterMs)
      const decidedAt = performance.now()
      api.approve(id)
      // Worst for us: the genuine one meets the minimum interval, and it was the last.
      clearInterval(spoof)
      void send()
      await pass(5_000)
      // The interval of two seconds, and a second of rest between two sweeps, spread by a fifth.
      expect((await ran.promise) - decidedAt).toBeLessThanOrEqual(2_000 + 1_200)
      expect(bench.runs).toHaveLength(1)
      await receiver.close()
    },
  )

  it('T38: where nothing sweeps, a genuine callback that meets the minimum interval waits it out, and no longer', async () => {
    const { receiver, api, runs, send } = answersBench({ sweep: 'off' })
    await receiver.track(id, tracked)
    api.pend(id)
    await send()
    await pass(1)
    api.approve(id)
    const genuine = send()
    await pass(1_998)
    expect(runs).toEqual([])
    await pass(3)
    expect((await genuine).status).toBe(200)
    expect(runs).toHaveLength(1)
  })
})

describe('many known ids', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('T37: a flood on forty known ids spends its own budget, and ten decisions meanwhile arrive in time', async () => {
    const all = ids(40)
    const [genuine, times] = [all.slice(0, 10), [] as number[]]
    const made = new Map<string, number>()
    const delays: number[] = []
    const words: string[] = []
    const { receiver, api, send } = answersBench({
      polling: { firstMs: 15_000, requestsPerSecond: 4 },
      confirm: { requestsPerSecond: 10 },
      onDecision: ({ approvalId }) => void delays.push(performance.now() - (made.get(approvalId) ?? Number.NaN)),
    })
    for (const each of all) {
      await receiver.track(each, tracked)
      api.answer(each, () => {
        times.push(performance.now())
        return made.has(each) ? approved(each) : pending(each)
      })
    }
    await receiver.start()
    for (let tenth = 0; tenth < 300; tenth++) {
      for (let each = 0; each < 3; each++)
        void send({}, all[(tenth * 3 + each * 7) % all.length]).then(async (response) =>
          words.push(await response.text()),
        )
      const decided = tenth % 10 === 0 ? genuine[tenth / 10] : undefined
      if (decided !== undefined) {
        made.set(decided, performance.now())
        void send({}, decided)
      }
      await pass(100)
    }
    expect(delays).toHaveLength(10)
    // Fifteen seconds: what a callback over the budget has to wait for the sweep at most, and the sweep's own turn.
    expect(Math.max(...delays)).toBeLessThanOrEqual(15_000 + 5_000)
    expect(withinBucket(times, 14)).toBe(true)
    expect(words.filter((text) => text.includes('over-budget')).length).toBeGreaterThan(20)
    const closed = receiver.close()
    await pass(15_000)
    await closed
  })

  it('T37: a flood on known ids leaves the budget of the sweep alone', async () => {
    const { receiver, api, send, runs, forget } = answersBench({
      ...{ sweep: 'elsewhere', polling: { firstMs: 60_000, requestsPerSecond: 1 } },
      confirm: { requestsPerSecond: 2 },
    })
    await receiver.track(id, tracked)
    await pass(59_000)
    for (const each of ids(50)) {
      api.pend(`known_${each}`)
      await receiver.track(`known_${each}`, tracked)
      await send({}, `known_${each}`)
    }
    expect(api.gets).toHaveLength(2)
    await pass(15_000)
    forget()
    api.approve(id)
    await receiver.reconcile({ limit: 1 })
    // Behind what was due already: the one that was to be looked for before the flood comes first.
    expect(api.gets).toEqual([`/api/approvals/${id}`])
    expect(runs).toHaveLength(1)
  })
})

describeWith('redis-server', 'several receivers on one Redis', () => {
  let redis: RedisBench
  beforeAll(async () => {
    redis = await openBench()
  })
  afterAll(() => redis.close())

  /** Receivers that share nothing but the Redis: each with an API of its own, all of which are counted together. */
  function fleet(size: number, options: Partial<ReceiverOptions>): readonly AnswersBench[] {
    const prefix = randomUUID()
    return Array.from({ length: size }, () => answersBench(options, redis.store({ prefix })))
  }
  const gets = (benches: readonly AnswersBench[]): number => benches.reduce((sum, { api }) => sum + api.gets.length, 0)

  it('T36: send one GET in the minimum interval, however many forged callbacks for one id reach them', async () => {
    const benches = fleet(4, { sweep: 'elsewhere', confirm: { minIntervalMs: 600_000 } })
    for (const { api } of benches) api.pend(id)
    await benches[0]?.receiver.track(id, tracked)
    const statuses = new Set<number>()
    for (let round = 0; round < 5; round++) {
      const sent = benches.flatMap(({ send }) => Array.from({ length: 50 }, () => send()))
      for (const { status } of await Promise.all(sent)) statuses.add(status)
    }
    expect([...statuses]).toEqual([202])
    expect(gets(benches)).toBe(1)
    expect(benches.flatMap(({ runs }) => runs)).toEqual([])
    await Promise.all(benches.map(({ receiver }) => receiver.close()))
  })

  it.each(['elsewhere', 'off'] as const)(
    'T36: never send two GETs within the minimum interval, with sweep: %s',
    async (sweep) => {
      const minIntervalMs = 150
      const benches = fleet(3, { sweep, confirm: { minIntervalMs } })
      const times: number[] = []
      const enough = gate()
      for (const { api } of benches) {
        api.answer(id, () => {
          if (times.push(performance.now()) === 5) enough.open()
          return pending(id)
        })
      }
      await benches[0]?.receiver.track(id, tracked)
      let going = true
      const flood = benches.map(async ({ send }) => {
        while (going) await Promise.all(Array.from({ length: 5 }, () => send()))
      })
      await enough.promise
      going = false
      await Promise.all(flood)
      // Redis counts whole milliseconds.
      for (const [at, time] of times.slice(1).entries())
        expect(time - (times[at] ?? 0)).toBeGreaterThan(minIntervalMs - 2)
      await Promise.all(benches.map(({ receiver }) => receiver.close()))
    },
  )

  it('T37: send no more GETs together than the sum of their budgets, and the sweep still has its own', async () => {
    // A clock that stands still refills no budget.
    const clock = { now: () => Date.now(), elapsed: () => 1_000 }
    const options = {
      ...({ sweep: 'elsewhere', clock } as const),
      confirm: { requestsPerSecond: 4, minIntervalMs: 600_000 },
    }
    const benches = fleet(3, options)
    const known = ids(40)
    for (const { api } of benches) for (const each of known) api.pend(each)
    const [first] = benches
    if (first === undefined) throw new Error('there is no receiver')
    for (const each of known) await first.receiver.track(each, tracked)
    for (let round = 0; round < 5; round++) {
      await Promise.all(benches.flatMap(({ send }) => known.map((each) => send({}, each))))
    }
    for (const { send } of benches) for (const each of known) await send({}, each)
    expect(gets(benches)).toBe(12)
    await addApproval(first.store, 'genuine')
    first.api.approve('genuine')
    await first.receiver.reconcile({ limit: 1 })
    expect(first.runs).toMatchObject([{ approvalId: 'genuine', status: 'approved' }])
    await Promise.all(benches.map(({ receiver }) => receiver.close()))
  })

  it('T01: five hundred unknown ids leave no key in Redis, and cost one call each', async () => {
    const { send: sendCommand, commands } = recorder(redis.send)
    const prefix = randomUUID()
    const { receiver, api, send } = answersBench({ sweep: 'elsewhere' }, redis.store({ prefix, sendCommand }))
    await receiver.track(id, tracked)
    const keys = async (): Promise<number> => Number(await redis.raw('DBSIZE'))
    const before = await keys()
    commands.length = 0
    for (const each of ids(500)) expect((await send({}, `unknown_${each}`)).status).toBe(404)
    expect(await keys()).toBe(before)
    expect(scriptCalls(commands)).toBe(500)
    expect(api.gets).toEqual([])
    await receiver.close()
  })
})

describe('unknown ids', () => {
  it('T01: are remembered up to a thousand, so that a flood of them fills no memory', async () => {
    const { receiver, api, store, faulty, send, snapshot } = answersBench({
      ...{ sweep: 'elsewhere', polling: { firstMs: 60_000 } },
    })
    const flood = ids(2_000)
    faulty.calls.length = 0
    for (const each of flood) await send({}, each)
    expect(faulty.calls.map(({ method }) => method).filter((method) => method !== 'check')).toEqual(
      flood.map(() => 'read'),
    )
    expect(await store.count()).toMatchObject({ open: 0, parked: 0 })
    // Due at once is a request whose callback is remembered; the rest are looked for in their time.
    const dueAtOnce = async (each: string): Promise<boolean> => {
      await receiver.track(each, tracked)
      const found = await snapshot(each)
      return typeof found?.dueInMs === 'number' && found.dueInMs <= 0
    }
    const remembered = await Promise.all(flood.map(dueAtOnce))
    expect(remembered.filter(Boolean)).toHaveLength(1_000)
    expect(remembered.lastIndexOf(false)).toBe(999)
    expect(api.gets).toEqual([])
    await receiver.close()
  })
})
