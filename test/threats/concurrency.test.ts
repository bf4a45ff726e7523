import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { memoryStore, type ReceiverOptions } from '../../src/index.js'
import { snapshotOf } from '../support/approval-snapshot.js'
import { callbackRequest } from '../support/callback.js'
import type { DrainPlan } from '../support/drain-child.js'
import { FakeApi } from '../support/fake-api.js'
import { misbehave } from '../support/misbehaving-server.js'
import { describeWith } from '../support/needs.js'
import { type Bench, bench, refund } from '../support/receiver.js'
import { openBench, type RedisBench } from '../support/redis-bench.js'
import { until } from '../support/redis-server.js'
import { gate } from '../support/runs-time.js'
import { answerBody } from '../support/upstream-bench.js'

const copies = 1_000

/** Sends so many copies of one genuine callback at once, to the receivers in turn, and counts the answers. */
async function sendCopies(
  receivers: readonly Bench[],
  onAnswer: (answered: number) => void = () => {},
): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>()
  let answered = 0
  await Promise.all(
    Array.from({ length: copies }, async (_each, index) => {
      const answer = await receivers[index % receivers.length]?.receiver.fetch(callbackRequest('req_1'))
      const status = answer?.status ?? 0
      counts.set(status, (counts.get(status) ?? 0) + 1)
      onAnswer(++answered)
    }),
  )
  return counts
}

const columns = [
  ['elsewhere', 202],
  ['off', 409],
] as const

describe('a thousand copies of a callback at once', () => {
  it.each(columns)(
    'T68: run a decision once in one process; copies during the run get in-progress (sweep: %s)',
    async (sweep, inProgress) => {
      const work = gate()
      const made = bench({ sweep, store: memoryStore(), onDecision: () => work.promise })
      await made.receiver.track('req_1', refund)
      made.api.approve('req_1')
      const counts = await sendCopies([made], (answered) => {
        if (answered === copies - 1) work.open()
      })
      expect([...counts].toSorted(([a], [b]) => a - b)).toEqual([
        [200, 1],
        [inProgress, copies - 1],
      ])
      expect([made.runs.length, made.api.gets.length]).toEqual([1, 1])
      expect([...(await sendCopies([made]))]).toEqual([[200, copies]])
      expect(made.runs).toHaveLength(1)
    },
  )
})

describeWith('redis-server', 'several processes on one Redis', () => {
  let redis: RedisBench
  beforeAll(async () => {
    redis = await openBench()
  })
  afterAll(() => redis.close())

  /** Receivers that share a prefix and nothing else, each with a connection of its own. */
  async function receivers(count: number, options: Partial<ReceiverOptions> = {}): Promise<readonly Bench[]> {
    const prefix = randomUUID()
    return Promise.all(
      Array.from({ length: count }, async () => {
        const own = await openBench(redis.url)
        onTestFinished(() => own.close())
        return bench({ ...options, store: own.store({ prefix }) })
      }),
    )
  }

  it.each(columns)(
    'T68: run a decision once, though each gets 250 of a thousand copies at once (sweep: %s)',
    async (sweep, inProgress) => {
      const work = gate()
      const all = await receivers(4, { sweep, onDecision: () => work.promise })
      await all[0]?.receiver.track('req_1', refund)
      for (const { api } of all) api.approve('req_1')
      // The handler ends when every other copy has met its lease.
      const counts = await sendCopies(all, (answered) => {
        if (answered === copies - 1) work.open()
      })
      expect([...counts].toSorted(([a], [b]) => a - b)).toEqual([
        [200, 1],
        [inProgress, copies - 1],
      ])
      expect(all.flatMap(({ runs }) => runs)).toHaveLength(1)
      expect(all.flatMap(({ api }) => api.gets)).toHaveLength(1)
      expect([...(await sendCopies(all))]).toEqual([[200, copies]])
      expect(all.flatMap(({ runs }) => runs)).toHaveLength(1)
    },
  )

  it('T78: on SIGTERM during a hundred runs, a process waits for those that end, gives the rest back, and exits by itself', async () => {
    const open = 100
    const server = await misbehave((request, response) =>
      response.end(answerBody({ id: request.url?.split('/').at(-1) })),
    )
    const prefix = randomUUID()
    const store = redis.store({ prefix })
    const runs: [string, number][] = []
    const api = new FakeApi()
    const heir = bench({
      dispatcher: api,
      store,
      polling: { requestsPerSecond: Number.POSITIVE_INFINITY },
      onDecision: ({ approvalId }, { attempt }) => void runs.push([approvalId, attempt]),
    })
    for (let each = 0; each < open; each++) await heir.receiver.track(`req_${each}`, refund)
    const redisDueNow = async (): Promise<number> => Number(await redis.raw('ZCARD', `{${prefix}:0}:due`))
    expect(await redisDueNow()).toBe(open)
    await redis.raw(
      'EVAL',
      `for _, each in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 0, each) end`,
      '1',
      `{${prefix}:0}:due`,
    )

    const plan: DrainPlan = { redisUrl: redis.url, prefix, baseUrl: server.url, open }
    const child = fork('dist/test/support/drain-child.js', [JSON.stringify(plan)])
    onTestFinished(() => void child.kill('SIGKILL'))
    expect((await once(child, 'message'))[0]).toBe('all at work')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])

    expect(server.requests).toHaveLength(open)
    for (let each = 0; each < open; each++) {
      expect(await snapshotOf(store, `req_${each}`)).toMatchObject(
        each % 2 === 0 ? { state: 'completed' } : { state: 'pending', attempts: 0 },
      )
    }
    // Due at once, and recorded: the next process runs them as a first attempt, without a GET.
    // Due at once by the other process's notion of the store's time, which may be a little ahead.
    await until(async () => {
      await heir.receiver.reconcile()
      return runs.length >= open / 2
    })
    expect(runs.map(([id]) => id).toSorted()).toEqual(
      Array.from({ length: open }, (_, each) => `req_${each}`)
        .filter((_, each) => each % 2 === 1)
        .toSorted(),
    )
    expect(runs.every(([, attempt]) => attempt === 1)).toBe(true)
    expect(api.gets).toEqual([])
  })
})
