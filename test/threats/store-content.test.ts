import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { memoryStore } from '../../src/index.js'
import { redisStore, type SendCommand } from '../../src/stores/redis/redis-store.js'
import { addApproval, addReservation } from '../support/approval-snapshot.js'
import { callbackRequest } from '../support/callback.js'
import { describeWith } from '../support/needs.js'
import { type Bench, bench, refund } from '../support/receiver.js'
import { hour, openBench, type RedisBench } from '../support/redis-bench.js'
import { startRedis, until } from '../support/redis-server.js'
import { eventsOf } from '../support/runs-events.js'
import { gate } from '../support/runs-time.js'
import { failure, refund as submission, submitBench } from '../support/submit-bench.js'

let redis: RedisBench

function setUp(): void {
  beforeAll(async () => {
    redis = await openBench()
  })
  afterAll(() => redis.close())
}

/** A server of its own with these settings, gone when the test ends. */
async function ownRedis(settings: Readonly<Record<string, string>>): Promise<RedisBench> {
  const server = await startRedis(settings)
  const own = await openBench(server.url)
  onTestFinished(async () => {
    await own.close()
    await server.stop()
  })
  return own
}

async function follow(made: Bench, id: string): Promise<void> {
  await made.receiver.track(id, refund)
  made.api.approve(id)
}

describeWith('redis-server', 'a Redis that would drop what it was given', () => {
  it('T85: is not used by any method until it is set up to keep its keys', async () => {
    const own = await ownRedis({ maxmemory: '8mb', 'maxmemory-policy': 'allkeys-lru' })
    const { receiver, api, runs } = submitBench({ store: own.store(), sweep: 'here' })
    const unfit = expect.objectContaining({ code: 'store-unsuitable', message: expect.stringContaining('allkeys-lru') })
    await expect(receiver.start()).rejects.toEqual(unfit)
    await expect(receiver.submit(submission)).rejects.toEqual(unfit)
    await expect(receiver.track('req_9', refund)).rejects.toEqual(unfit)
    expect((await receiver.fetch(callbackRequest('req_9'))).status).toBe(503)
    expect([api.posts, api.gets, await own.raw('DBSIZE')]).toEqual([[], [], 0])

    await own.raw('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await receiver.start()
    const { approvalId } = await receiver.submit(submission)
    api.approve(approvalId)
    expect((await receiver.fetch(callbackRequest(approvalId))).status).toBe(200)
    expect(runs).toHaveLength(1)
    await receiver.close()
  })
})

describeWith('redis-server', 'a Redis that is full', () => {
  it('T86: prevents new submissions, and completes the open ones', async () => {
    const own = await ownRedis({ 'maxmemory-policy': 'noeviction' })
    const { receiver, api, runs } = submitBench({ store: own.store() })
    const { approvalId } = await receiver.submit(submission)
    await own.raw('CONFIG', 'SET', 'maxmemory', '1mb')
    const error = await failure(receiver.submit(submission))
    expect(error.code).toBe('store-full')
    expect((await failure(receiver.track('req_9', refund))).code).toBe('store-full')
    expect(api.posts).toHaveLength(1)
    api.approve(approvalId)
    expect((await receiver.fetch(callbackRequest(approvalId))).status).toBe(200)
    expect(runs).toHaveLength(1)
    await own.raw('CONFIG', 'SET', 'maxmemory', '0')
    expect(await receiver.submit(submission)).toMatchObject({ approvalId: 'req_2' })
  })
})

describe('a memory store that is full', () => {
  it('T93: prevents new submissions, forgets nothing, and accepts the next one when there is room', async () => {
    const { receiver, api, runs } = submitBench({ store: memoryStore({ maxPending: 3 }) })
    for (let each = 0; each < 3; each++) await receiver.submit(submission)
    expect((await failure(receiver.submit(submission))).code).toBe('store-full')
    expect(api.posts).toHaveLength(3)
    for (const id of ['req_1', 'req_2', 'req_3']) {
      api.approve(id)
      expect((await receiver.fetch(callbackRequest(id))).status).toBe(200)
    }
    expect(runs).toHaveLength(3)
    expect(await receiver.submit(submission)).toMatchObject({ approvalId: 'req_4' })
  })
})

describeWith('redis-server', 'a Redis whose clock jumps', () => {
  setUp()

  /** Sends every script by its source, with a clock that can be set. */
  function jumping(): { readonly sendCommand: SendCommand; setHours(hours: number): void } {
    let seconds = 0
    return {
      setHours(hours) {
        seconds = hours * 3_600
      },
      sendCommand(args, key) {
        if (args[0] === 'EVALSHA') return Promise.reject(new Error('NOSCRIPT No matching script.'))
        const [name, source = '', ...rest] = args
        if (name !== 'EVAL') return redis.send(args, key)
        const jumped = `(function() local t = redis.call('TIME') return {tostring(t[1] + ${seconds}), t[2]} end)()`
        return redis.send([name, source.replaceAll(`redis.call('TIME')`, jumped), ...rest], key)
      },
    }
  }

  it('T90: an hour ahead, costs one early takeover at the most: the fence rises, and the older completion is refused', async () => {
    const { sendCommand, setHours } = jumping()
    const prefix = randomUUID()
    const work = gate()
    const store = () => redisStore({ sendCommand, prefix })
    const first = bench({ sweep: 'elsewhere', store: store(), onDecision: () => work.promise })
    const second = bench({ sweep: 'elsewhere', store: store() })
    await follow(first, 'req_1')
    const started = first.receiver.fetch(callbackRequest('req_1'))
    await until(() => first.runs.length === 1)
    setHours(1)
    expect((await second.receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    work.open()
    expect((await started).status).toBe(200)
    const [older, newer] = [first.runs[0]?.run, second.runs[0]?.run]
    expect([older?.fence, newer?.fence]).toEqual([1, 2])
    expect(older?.idempotencyKey).toBe(newer?.idempotencyKey)
    expect(eventsOf(first.events, 'completed-after-takeover')).toHaveLength(1)
    expect(eventsOf(second.events, 'completed')).toHaveLength(1)
    expect(second.api.gets).toEqual([]) // the decision was recorded before
  })

  it('T90: an hour back, runs nothing twice and loses nothing: waits take an hour longer, callbacks work', async () => {
    const { sendCommand, setHours } = jumping()
    const made = bench({ sweep: 'elsewhere', store: redisStore({ sendCommand, prefix: randomUUID() }) })
    await follow(made, 'req_1')
    await follow(made, 'req_2')
    made.api.pend('req_2')
    await made.receiver.fetch(callbackRequest('req_2'))
    setHours(-1)
    expect((await made.receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect((await made.receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect((await made.receiver.fetch(callbackRequest('req_2'))).status).toBe(202)
    made.api.approve('req_2')
    expect(await made.receiver.reconcile()).toMatchObject({ taken: 0 })
    // By hand it need not be waited for; by itself it comes when the clock is where it was.
    setHours(1)
    expect(await made.receiver.reconcile()).toMatchObject({ taken: 1, decided: 1 })
    expect(made.runs.map(({ decision }) => decision.approvalId)).toEqual(['req_1', 'req_2'])
  })

  it('T90: of a process that jumps an hour ahead or back, changes nothing of a current lease', async () => {
    const work = gate()
    let jump = 0
    const clock = { now: () => Date.now() + jump, elapsed: () => performance.now() }
    const prefix = randomUUID()
    const first = bench({ sweep: 'elsewhere', clock, store: redis.store({ prefix }), onDecision: () => work.promise })
    const second = bench({ sweep: 'elsewhere', clock, store: redis.store({ prefix }) })
    await follow(first, 'req_1')
    const started = first.receiver.fetch(callbackRequest('req_1'))
    await until(() => first.runs.length === 1)
    for (const hours of [1, -1]) {
      jump = hours * hour
      expect((await second.receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
      expect(await second.receiver.reconcile()).toMatchObject({ taken: 0 })
    }
    work.open()
    expect((await started).status).toBe(200)
    expect([first.runs.length, second.runs.length]).toEqual([1, 0])
    expect(eventsOf(first.events, 'completed-after-takeover')).toEqual([])
  })
})

describeWith('redis-server', 'a damaged entry', () => {
  setUp()
  /** Rewrites the JSON of the state, which is the third line of an entry. */
  const change = (what: string): string =>
    `local head, state = string.match(redis.call('GET', KEYS[1]), '^(.-\\n.-\\n)(.*)$')
     state = cjson.decode(state) ${what} redis.call('SET', KEYS[1], head .. cjson.encode(state))`

  /** Follows a good request and a bad one, which a script then damages, and sweeps. */
  async function damaged(script: string) {
    const prefix = randomUUID()
    const made = bench({ sweep: 'elsewhere', random: () => 0, polling: { firstMs: 1 }, store: redis.store({ prefix }) })
    await follow(made, 'bad')
    await follow(made, 'good')
    const key = `{${prefix}:0}:a:bad`
    await redis.raw('EVAL', script, '1', key)
    const before = await redis.raw('DUMP', key)
    const answer = await made.receiver.fetch(callbackRequest('bad'))
    await until(async () => (await made.receiver.reconcile()).taken === 0 && made.runs.length === 1)
    expect([answer.status, await answer.json()]).toEqual([202, { result: 'parked' }])
    expect(made.runs.map(({ decision }) => decision.approvalId)).toEqual(['good'])
    return { ...made, untouched: (await redis.raw('DUMP', key)) === before }
  }

  it.each([
    ['is text of somebody else', `redis.call('SET', KEYS[1], 'hello')`],
    ['is of another type', `redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 'hello')`],
    ['was cut off', `redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, 40))`],
    ['lacks its details', change('state.details = nil')],
    ['has a time that is none', change(`state.since = 'yesterday'`)],
  ])('T91: and that %s is left alone and reported; it does not run, and others do', async (_, script) => {
    const { events, untouched, api } = await damaged(script)
    expect(untouched).toBe(true)
    const [failed] = eventsOf(events, 'store-failed')
    expect(String(failed?.error)).toContain('cannot read')
    expect(api.gets).toEqual(['/api/approvals/good'])
  })

  it.each([
    ['details', change(`state.details = '{"orderId":'`)],
    ['context', change(`state.context = 'nul'`)],
    ['recorded decision', change(`state.decision = { status = 'APPROVE' }`)],
  ])('T91: and whose %s cannot be read is parked for a person, and listed', async (_, script) => {
    const { receiver, events } = await damaged(script)
    expect(eventsOf(events, 'parked')).toMatchObject([{ approvalId: 'bad', reason: 'corrupt' }])
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'bad', reason: 'corrupt' }])
  })

  it('T92: or that a newer version wrote is left unchanged by callbacks, sweeps and operators; older ones continue', async () => {
    const { receiver, events, untouched } = await damaged(change('state.v = 2'))
    expect(await receiver.resolve('bad')).toMatchObject({ kind: 'parked' })
    expect(await receiver.cancel('bad')).toBe('unknown')
    expect(await receiver.retry('bad')).toBe('not-parked')
    expect(await receiver.track('bad', refund)).toBe(false)
    expect(untouched).toBe(true)
    expect(eventsOf(events, 'store-failed').length).toBeGreaterThan(0)
    expect((await receiver.parked()).items).toEqual([])
  })

  it('T94: has a due index with stale and missing members: a callback repairs it', async () => {
    const prefix = randomUUID()
    const made = bench({ sweep: 'elsewhere', store: redis.store({ prefix }) })
    await follow(made, 'req_1')
    const due = `{${prefix}:0}:due`
    await redis.raw('DEL', due)
    await redis.raw('ZADD', due, '0', 'a:gone', '0', 'r:gone', '0', 'b:gone', '0', 'nonsense', '0', '')
    await made.receiver.reconcile()
    expect((await made.receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(made.runs).toHaveLength(1)
    expect(await redis.raw('ZRANGE', due, '0', '-1')).not.toContain('a:gone')
  })
})

describeWith('redis-server', 'staging and production on one Redis', () => {
  setUp()
  const callbackUrl = 'https://app.test/webhooks/cheqpoint'

  it.each([
    ['with a secret each', 'secret of staging..', 'secret of production', 401],
    ['with the same secret', 'one secret for both', 'one secret for both', 404],
    ['without a secret', undefined, undefined, 404],
  ])(
    'T96: %s and a prefix each handle their own, though both follow the same id, and refuse the other’s callbacks',
    async (_, left, right, refused) => {
      const made = [left, right].map((callbackSecret) =>
        submitBench({ store: redis.store(), callbackUrl, callbackSecret }),
      )
      const [staging, production] = made
      if (staging === undefined || production === undefined) throw new Error('there are two')
      await staging.receiver.submit({ ...submission, details: { of: 'staging' } })
      await production.receiver.submit({ ...submission, details: { of: 'production' } })
      await production.receiver.submit({ ...submission, details: { of: 'production only' } })
      for (const { api } of made) api.approve('req_1')
      const url = ({ api }: typeof staging, nth: number): string => String(api.posts[nth]?.body['callbackUrl'])
      // A callback of production that reaches staging, by a route that was set up wrongly.
      const lost = await staging.receiver.fetch(callbackRequest('req_2', { url: url(production, 1) }))
      expect(lost.status).toBe(refused)
      expect([staging.api.asked, staging.runs]).toEqual([[], []])
      for (const { receiver, runs, api } of made) {
        const own = made.find((each) => each.receiver === receiver)
        const answer = await receiver.fetch(callbackRequest('req_1', { url: own === undefined ? '' : url(own, 0) }))
        expect(answer.status).toBe(200)
        expect(runs).toMatchObject([
          { decision: { details: { of: receiver === staging.receiver ? 'staging' : 'production' } } },
        ])
        expect(api.asked).toEqual(['req_1'])
      }
      expect([(await staging.receiver.stats()).open, (await production.receiver.stats()).open]).toEqual([0, 1])
    },
  )

  it('T96: with similar prefixes share no key', async () => {
    const start = randomUUID()
    const prefixes = ['', ':0', ':0:due', '*', ':'].map((end) => `${start}${end}`)
    const keys: string[][] = []
    for (const prefix of prefixes) {
      const before = (await redis.raw('KEYS', '*')) as readonly string[] // so Redis answers KEYS
      const store = redis.store({ prefix })
      await store.check?.()
      await addApproval(store, 'req_1')
      await addReservation(store, 'ref', 0)
      const after = (await redis.raw('KEYS', '*')) as readonly string[]
      keys.push(after.filter((key) => !before.includes(key)))
    }
    expect(keys.map(({ length }) => length)).toEqual([4, 4, 4, 4, 4])
  })
})
