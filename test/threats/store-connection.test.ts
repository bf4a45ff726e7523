import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { ReceiverOptions } from '../../src/index.js'
import { redisStore, type SendCommand } from '../../src/stores/redis/redis-store.js'
import { callbackRequest } from '../support/callback.js'
import { type CuttingProxy, type Direction, startCuttingProxy } from '../support/cutting-proxy.js'
import { closedPort } from '../support/misbehaving-server.js'
import { describeWith } from '../support/needs.js'
import { type Bench, bench, refund } from '../support/receiver.js'
import { openBench, type RedisBench, recorder } from '../support/redis-bench.js'
import { startRedis, type TestServer, until } from '../support/redis-server.js'
import { eventsOf } from '../support/runs-events.js'
import { failure, refund as submission, submitBench } from '../support/submit-bench.js'

/*
 * Redis and the way to it fail in the middle of things. What a callback must never be told then is that its approval is
 * unknown: only a store that answers knows that.
 */

let server: TestServer
let redis: RedisBench

function setUp(): void {
  beforeAll(async () => {
    server = await startRedis({ 'enable-debug-command': 'yes', 'loading-process-events-interval-bytes': '1024' })
    redis = await openBench(server.url)
  })
  afterAll(async () => {
    await redis.close()
    await server.stop()
  })
}

const clients: Readonly<Record<string, (port: number) => Promise<SendCommand>>> = {
  'node-redis': (port) => nodeRedis(port, false),
  'node-redis that does not queue': (port) => nodeRedis(port, true),
  async ioredis(port) {
    const client = new Redis(port, '127.0.0.1', { retryStrategy: () => 10, maxRetriesPerRequest: null })
    client.on('error', () => {})
    onTestFinished(() => client.disconnect())
    return (args) => client.call(...args)
  },
}

async function nodeRedis(port: number, disableOfflineQueue: boolean): Promise<SendCommand> {
  const url = `redis://127.0.0.1:${port}`
  const client = createClient({ url, disableOfflineQueue, socket: { reconnectStrategy: 10 } })
  client.on('error', () => {}) // that there are errors is what this is about
  await client.connect()
  onTestFinished(() => client.destroy())
  return (args) => client.sendCommand(args)
}

/** A proxy in front of the server, and what a client sends through it. */
async function through(client: string): Promise<{ readonly proxy: CuttingProxy; readonly send: SendCommand }> {
  const proxy = await startCuttingProxy(server.port)
  onTestFinished(() => proxy.close())
  const connect = clients[client]
  if (connect === undefined) throw new Error(`there is no client ${client}`)
  return { proxy, send: await connect(proxy.port) }
}

/** Leases so short that a test can wait for their end. */
const quick: Partial<ReceiverOptions> = {
  sweep: 'elsewhere',
  runs: { leaseMs: 300 },
  confirm: { timeoutMs: 100, minIntervalMs: 0 },
}

async function track(made: Bench, id: string): Promise<void> {
  await made.receiver.track(id, refund)
  made.api.approve(id)
}

describeWith('redis-server', 'a connection that is cut', () => {
  setUp()
  const fractions = [0, 0.05, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 0.97]

  describe.each(['node-redis', 'ioredis'])('of %s', (client) => {
    it.each<Direction>(['to the server', 'from the server'])(
      'T83: anywhere in a decision, on the way %s, runs it once; its sender gets 503 at the worst',
      async (direction) => {
        const statuses = new Set<number>()
        const one = async (fraction: number): Promise<void> => {
          const { proxy, send } = await through(client)
          const made = bench({ ...quick, store: redisStore({ sendCommand: send, prefix: randomUUID() }) })
          // The first one fills the server's script cache, the others show how many bytes a decision is: where the machine
          // is slow, a renewal of the lease may come on top.
          await track(made, 'req_1')
          await made.receiver.fetch(callbackRequest('req_1'))
          let size = Number.POSITIVE_INFINITY
          for (const id of ['req_2', 'req_3', 'req_4']) {
            await track(made, id)
            proxy.cutAfter(direction, Number.POSITIVE_INFINITY)
            await made.receiver.fetch(callbackRequest(id))
            size = Math.min(size, proxy.passed[direction])
          }
          await track(made, 'req_5')
          proxy.cutAfter(direction, Math.floor(size * fraction))
          await until(async () => {
            const { status } = await made.receiver.fetch(callbackRequest('req_5'))
            statuses.add(status)
            return status === 200
          })
          expect(size).toBeGreaterThan(100)
          expect(proxy.connections, `cut after ${fraction}`).toBeGreaterThan(1)
          expect(made.runs.map(({ decision }) => decision.approvalId)).toEqual([
            'req_1',
            'req_2',
            'req_3',
            'req_4',
            'req_5',
          ])
          expect((await made.receiver.stats()).open).toBe(0)
          await made.receiver.close()
        }
        await Promise.all(fractions.map(one))
        for (const status of statuses) expect([200, 202, 503]).toContain(status)
      },
    )
  })

  it('T83: in the reply to a reservation does not prevent the request, where the client repeats the call', async () => {
    const { proxy, send } = await through('ioredis')
    const { send: noting, commands } = recorder(send)
    const { receiver, api } = submitBench({ store: redisStore({ sendCommand: noting, prefix: randomUUID() }) })
    await receiver.submit(submission)
    commands.length = 0
    proxy.cutAfter('from the server', 0)
    expect(await receiver.submit(submission)).toMatchObject({ status: 'pending', approvalId: 'req_2' })
    expect(proxy.connections).toBe(2)
    expect(api.posts).toHaveLength(2)
    expect((await receiver.unconfirmed()).items).toEqual([])
  })

  it('T83: in the reply to a reservation prevents the request, where the client reports it', async () => {
    const { proxy, send } = await through('node-redis')
    const { receiver, api } = submitBench({ store: redisStore({ sendCommand: send, prefix: randomUUID() }) })
    await receiver.submit(submission)
    proxy.cutAfter('from the server', 0)
    expect((await failure(receiver.submit(submission))).code).toBe('store-unavailable')
    expect(api.posts).toHaveLength(1)
    expect(await receiver.submit(submission)).toMatchObject({ approvalId: 'req_2' })
  })
})

describeWith('redis-server', 'a Redis that is gone', () => {
  setUp()

  it.each(['elsewhere', 'off'] as const)(
    'T81: when a callback comes causes 503 and no GET; the next one is handled (sweep: %s)',
    async (sweep) => {
      const { proxy, send } = await through('node-redis that does not queue')
      const made = bench({ ...quick, sweep, store: redisStore({ sendCommand: send, prefix: randomUUID() }) })
      await track(made, 'req_1')
      proxy.down()
      for (const id of ['req_1', 'req_9']) {
        const answer = await made.receiver.fetch(callbackRequest(id))
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5'])
        expect(await answer.json()).toMatchObject({ code: 'store-unavailable' })
      }
      expect([made.runs, made.api.gets]).toEqual([[], []])
      proxy.up()
      await until(async () => (await made.receiver.fetch(callbackRequest('req_1'))).status === 200)
      expect(made.runs).toHaveLength(1)
      expect((await made.receiver.fetch(callbackRequest('req_9'))).status).toBe(404)
      await made.receiver.close()
    },
  )
})

describeWith('redis-server', 'a Redis that forgets its scripts before each call', () => {
  setUp()

  it('T84: gets them again, from submission to decision without a failure', async () => {
    const { send, commands } = recorder(async (args, key) => {
      if (args[0] === 'EVALSHA') await redis.raw('SCRIPT', 'FLUSH')
      return redis.send(args, key)
    })
    const { receiver, api, runs, types } = submitBench({
      store: redisStore({ sendCommand: send, prefix: randomUUID() }),
      callbackUrl: 'https://app.test/webhooks/cheqpoint',
      callbackSecret: 'a secret of this very test',
    })
    const { approvalId } = await receiver.submit(submission)
    api.approve(approvalId)
    const url = String(api.posts[0]?.body['callbackUrl'])
    expect((await receiver.fetch(callbackRequest(approvalId, { url }))).status).toBe(200)
    expect((await receiver.fetch(callbackRequest(approvalId, { url }))).status).toBe(200)
    expect(await receiver.reconcile()).toMatchObject({ taken: 0 })
    expect(runs).toHaveLength(1)
    expect(types()).not.toContain('store-failed')
    const count = (name: string): number => commands.filter(([each]) => each === name).length
    expect(count('EVAL')).toBeGreaterThan(8)
    // The check before first use sends one script by its source.
    expect(count('EVAL')).toBe(count('EVALSHA') + 1)
  })
})

describeWith('redis-server', 'a Redis that cannot do it now', () => {
  setUp()

  /** Makes the server answer with this error, and gives back how to end that. */
  const troubles: Readonly<Record<string, () => Promise<() => Promise<unknown>>>> = {
    async READONLY() {
      await redis.raw('CONFIG', 'SET', 'replica-serve-stale-data', 'yes')
      await redis.raw('REPLICAOF', '127.0.0.1', String(await closedPort()))
      return () => redis.raw('REPLICAOF', 'NO', 'ONE')
    },
    async MASTERDOWN() {
      await redis.raw('CONFIG', 'SET', 'replica-serve-stale-data', 'no')
      await redis.raw('REPLICAOF', '127.0.0.1', String(await closedPort()))
      return () => redis.raw('REPLICAOF', 'NO', 'ONE')
    },
    async BUSY() {
      await redis.raw('CONFIG', 'SET', 'busy-reply-threshold', '1')
      const other = await openBench(server.url)
      const loop = other.raw('EVAL', 'while true do end', '0').catch(() => {}) // killed below
      await untilItSays('BUSY')
      return async () => {
        await redis.raw('SCRIPT', 'KILL')
        await loop
        await other.close()
      }
    },
    async LOADING() {
      await redis.raw('EVAL', `for at = 1, 2000 do redis.call('SET', 'filler' .. at, string.rep('x', 100)) end`, '0')
      await redis.raw('CONFIG', 'SET', 'key-load-delay', '500')
      const other = await openBench(server.url)
      const reload = other.raw('DEBUG', 'RELOAD')
      await untilItSays('LOADING')
      return async () => {
        await reload
        await other.close()
      }
    },
  }

  async function untilItSays(word: string): Promise<void> {
    await until(async () => {
      const answer = await redis.raw('GET', 'anything').catch((error: unknown) => String(error))
      return String(answer).includes(word)
    })
  }

  it.each(Object.entries(troubles))(
    'T89: %s is 503 for known and unknown ids alike, without a GET, until it passes',
    async (word, begin) => {
      const made = bench({ ...quick, sweep: 'off', store: redis.store() })
      await track(made, 'req_1')
      const end = await begin()
      for (const id of ['req_1', 'req_9']) {
        const answer = await made.receiver.fetch(callbackRequest(id))
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5'])
      }
      expect([made.runs, made.api.gets]).toEqual([[], []])
      const errors = eventsOf(made.events, 'store-failed').map(({ error }) => String(error))
      expect(errors.length).toBe(2)
      for (const error of errors) expect(error).toContain(`Redis answered ${word}`)
      await end()
      await until(async () => (await made.receiver.fetch(callbackRequest('req_1'))).status === 200)
      expect(made.runs).toHaveLength(1)
      expect((await made.receiver.fetch(callbackRequest('req_9'))).status).toBe(404)
    },
  )
})
