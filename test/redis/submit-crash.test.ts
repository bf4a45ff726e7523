import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { createReceiver, memoryStore } from '../../src/index.js'
import { createSimulator, type Simulator } from '../../src/simulator/index.js'
import { callbackRequest } from '../support/callback.js'
import { kept } from '../support/kept.js'
import { describeWith } from '../support/needs.js'
import { openBench, type RedisBench } from '../support/redis-bench.js'
import { until } from '../support/redis-server.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { pass } from '../support/runs-time.js'
import {
  callbackSecret,
  decidedPost,
  pendingPost,
  refund,
  SubmitApi,
  submitBench,
  webhook,
} from '../support/submit-bench.js'
import type { Plan, Step } from '../support/submit-child.js'

const options = { callbackUrl: webhook, callbackSecret } as const

describe('a process that dies while it submits, on a store that survives', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  interface Crash {
    /** The process dies at its nth store call; 0: at its call to Cheqpoint. */
    readonly nth: number
    /** Whether the store executes that last call. */
    readonly written: boolean
    readonly answer: 'pending' | 'approved'
    readonly callback: 'arrives' | 'is lost'
  }

  /** One process submits and dies, another survives, and the request is approved. Resolves with the state after two hours. */
  async function afterCrash({ nth, written, answer, callback }: Crash) {
    const inner = memoryStore()
    const mortal = new FaultyStore(inner)
    const api = new SubmitApi()
    const dying = submitBench({ ...options, store: mortal.store }, api)
    const living = submitBench({ ...options, store: inner, sweep: 'here' }, api)
    await living.receiver.start()
    if (nth === 0) api.onPost = () => 'hang'
    else {
      mortal.crashAt(nth, { written })
      api.onPost = (_post, id) => (answer === 'pending' ? pendingPost(id) : decidedPost(id, answer))
    }
    // It may resolve, reject or never settle: the process is dead.
    void dying.receiver.submit(refund).catch(() => {})
    await pass(1_000)
    const url = String(api.posts[0]?.body['callbackUrl'])
    if (api.posts.length > 0) {
      api.approve('req_1', { decidedAt: new Date().toISOString() })
      if (callback === 'arrives') await living.receiver.fetch(callbackRequest('req_1', { url }))
    }
    // A dead process does not notice the time-out of its call.
    if (nth === 0) mortal.hang()
    await pass(2 * 3_600_000)
    const end = {
      died: nth === 0 || mortal.crashed,
      posts: api.posts.length,
      runs: [...dying.runs, ...living.runs].map(({ decision }) => decision.originalDetails),
      done: (await kept(inner, 'req_1'))?.state === 'completed',
      adopted: (await living.receiver.parked()).items.map(({ reason }) => reason),
      listed: (await living.receiver.unconfirmed()).items.map(({ details }) => details),
      reported: eventsOf(living.events, 'submission-unknown').length > 0,
    }
    await living.receiver.close()
    return end
  }

  const ways = [true, false].flatMap((written) =>
    (['pending', 'approved'] as const).flatMap((answer) =>
      (['arrives', 'is lost'] as const).map((callback) => ({ written, answer, callback })),
    ),
  )

  it.each(ways)('is made good at every step: %o', async (way) => {
    const ends: string[] = []
    for (let nth = 0; ; nth++) {
      const end = await afterCrash({ ...way, nth })
      expect(end.posts).toBeLessThanOrEqual(1)
      expect(end.runs).toEqual(end.runs.map(() => refund.details))
      if (end.done) ends.push('decision arrived')
      else if (end.adopted.length > 0) ends.push('parked for a person')
      else if (end.listed.length > 0) ends.push('reported and listed')
      else ends.push('nothing was kept')
      if (end.done) expect(end.runs.length).toBeGreaterThan(0)
      expect(end.adopted).toEqual(end.adopted.map(() => 'adopted'))
      expect(end.listed).toEqual(end.listed.map(() => refund.details))
      if (end.listed.length > 0) expect(end.reported).toBe(true)
      // Every sent request is kept.
      if (end.posts > 0) expect(ends.at(-1)).not.toBe('nothing was kept')
      if (!end.died) break
    }
    const lost = way.callback === 'arrives' ? 'parked for a person' : 'reported and listed'
    expect(ends[0]).toBe(lost)
    expect(ends.at(-1)).toBe('decision arrived')
    // Marked as sent but never sent: only if the store executed the dead process's last call.
    const unsent = way.written ? ['reported and listed'] : []
    expect(new Set(ends)).toEqual(new Set(['nothing was kept', ...unsent, lost, 'decision arrived']))
  })
})

describeWith('redis-server', 'a process that is killed while it submits, on Redis', () => {
  let redis: RedisBench
  let simulator: Simulator

  beforeAll(async () => {
    redis = await openBench()
  })
  afterAll(() => redis.close())
  beforeEach(async () => {
    simulator = await createSimulator({ apiKey: 'cq_live_test' })
  })
  afterEach(() => simulator.close())

  const ends: readonly (readonly [Step, 'pending' | 'approved', string])[] = [
    ['before reserve', 'pending', 'nothing was kept'],
    ['after reserve', 'pending', 'nothing was kept'],
    ['after it was marked as sent', 'pending', 'reported and listed'],
    ['before bind', 'pending', 'parked for a person'],
    ['before bind', 'approved', 'reported and listed'],
    ['after bind', 'pending', 'decision arrived'],
    ['after bind', 'approved', 'decision arrived'],
    ['in the handler', 'approved', 'decision arrived'],
  ]

  it.each(ends)('%s, with an answer that says %s: %s', async (dieAt, answer, expected) => {
    const { url } = await simulator.listen()
    if (answer === 'approved') simulator.rule(() => ({ status: 'approved' }))
    const prefix = randomUUID()
    const leases = { submitTimeoutMs: 2_000, runs: { leaseMs: 600 }, confirm: { timeoutMs: 200, minIntervalMs: 50 } }
    const plan: Plan = { dieAt, redisUrl: redis.url, prefix, baseUrl: url, options: { ...options, ...leases } }
    const child = fork('dist/test/support/submit-child.js', [JSON.stringify(plan)])
    const [, signal] = await once(child, 'exit')
    expect(signal).toBe('SIGKILL')

    const runs: unknown[] = []
    const reported: string[] = []
    const receiver = createReceiver({
      ...options,
      ...leases,
      apiKey: 'cq_live_test',
      baseUrl: url,
      store: redis.store({ prefix }),
      polling: { firstMs: 200 },
      onDecision: ({ originalDetails }) => runs.push(originalDetails),
      onEvent: (event) => reported.push(event.type),
    })
    await receiver.start()
    for (const { id, callbackUrl } of simulator.list({ status: 'pending' })) {
      simulator.decide(id, { status: 'approved' })
      await receiver.fetch(callbackRequest(id, { url: callbackUrl ?? '' }))
    }
    const look = async (): Promise<string> => {
      const { open } = await receiver.stats()
      if ((await receiver.parked()).items.length > 0) return 'parked for a person'
      if ((await receiver.unconfirmed()).items.length > 0 && reported.includes('submission-unknown'))
        return 'reported and listed'
      if (runs.length > 0 && open === 0) return 'decision arrived'
      return open === 0 ? 'nothing was kept' : 'open'
    }
    await until(async () => (await look()) !== 'open')
    expect(await look()).toBe(expected)
    expect(runs).toEqual(expected === 'decision arrived' ? [refund.details] : [])
    expect(simulator.list()).toHaveLength(/reserve|marked/.test(dieAt) ? 0 : 1)
    await receiver.close()
  })
})
