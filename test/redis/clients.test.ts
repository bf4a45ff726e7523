import { randomUUID } from 'node:crypto'
import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isCheqpointError } from '../../src/model/errors.js'
import { redisStore, type SendCommand } from '../../src/stores/redis/redis-store.js'
import { storeContract } from '../../src/testing/index.js'
import { describeWith } from '../support/needs.js'
import { approved, draft } from '../support/redis-bench.js'
import { moveSlot, sharedRedis, startCluster } from '../support/redis-server.js'

/*
 * The lines that the documentation of redisStore gives, on real servers, against the whole contract.
 */

interface Connected {
  readonly sendCommand: SendCommand
  close(): Promise<unknown>
}

describeWith('redis-server', 'one server', () => {
  let server: Awaited<ReturnType<typeof sharedRedis>>
  beforeAll(async () => {
    server = await sharedRedis()
  })
  afterAll(() => server.stop())

  keepsTheContract('node-redis', 1, async () => {
    const client = await createClient({ url: server.url }).connect()
    return { sendCommand: (args) => client.sendCommand(args), close: () => client.close() }
  })

  keepsTheContract('node-redis that speaks RESP3', 1, async () => {
    const client = await createClient({ url: server.url, RESP: 3 }).connect()
    return { sendCommand: (args) => client.sendCommand(args), close: () => client.close() }
  })

  keepsTheContract('ioredis', 1, async () => {
    const redis = new Redis(server.url)
    return { sendCommand: (args) => redis.call(...args), close: () => redis.quit() }
  })

  keepsTheContract('ioredis that gives numbers as text, with several partitions', 5, async () => {
    const redis = new Redis(server.url, { stringNumbers: true })
    return { sendCommand: (args) => redis.call(...args), close: () => redis.quit() }
  })
})

describeWith('redis-server', 'a cluster of three', () => {
  let servers: Awaited<ReturnType<typeof startCluster>>
  beforeAll(async () => {
    servers = await startCluster()
  })
  afterAll(() => servers.stop())

  keepsTheContract('node-redis', 16, async () => {
    const cluster = await openNodeRedis()
    return { sendCommand: (args, key) => cluster.sendCommand(key, false, args), close: () => cluster.close() }
  })

  keepsTheContract('ioredis', 16, async () => {
    const cluster = openIoredis()
    return { sendCommand: (args) => cluster.call(...args), close: () => cluster.quit() }
  })

  it('is spread over all nodes by 16 partitions', async () => {
    const cluster = await openNodeRedis()
    const prefix = randomUUID()
    const store = redisStore({
      sendCommand: (args, key) => cluster.sendCommand(key, false, args),
      prefix,
      partitions: 16,
    })
    for (let index = 0; index < 100; index++) await store.add({ id: `apr-${index}`, ...draft() }, { dueInMs: 0 })
    for (const port of servers.ports) {
      const node = await createClient({ url: `redis://127.0.0.1:${port}` }).connect()
      expect((await node.keys(`{${prefix}:*`)).length, `keys at ${port}`).toBeGreaterThan(10)
      await node.close()
    }
    expect((await store.takeDue(1_000, 60_000)).length).toBe(100)
    await cluster.close()
  })

  it('tells a client for one server to become a cluster client', async () => {
    const client = await createClient({ url: `redis://127.0.0.1:${servers.ports[0]}` }).connect()
    const store = redisStore({ sendCommand: (args) => client.sendCommand(args), partitions: 16 })
    await expect(store.check()).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringContaining('use a cluster client'),
    })
    await client.close()
  })

  it('lets no client vouch for replicas whose WAIT goes to any node', async () => {
    const [routing, random] = [await openNodeRedis(), openIoredis()]
    const allowed = redisStore({
      sendCommand: (args, key) => routing.sendCommand(key, false, args),
      prefix: randomUUID(),
      partitions: 16,
      minReplicas: 1,
    })
    const refused = redisStore({
      sendCommand: (args) => random.call(...args),
      prefix: randomUUID(),
      partitions: 16,
      minReplicas: 1,
    })
    expect((await allowed.check()).join()).toContain('0 connected replicas')
    await expect(refused.check()).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringContaining('minReplicas'),
    })
    await routing.close()
    await random.quit()
  })

  it('goes on while the slot of its keys moves from node to node', async () => {
    const [first, second] = [await openNodeRedis(), openIoredis()]
    const prefix = randomUUID()
    const stores = [
      redisStore({ sendCommand: (args, key) => first.sendCommand(key, false, args), prefix }),
      redisStore({ sendCommand: (args) => second.call(...args), prefix }),
    ] as const
    let moving = true
    const moved = moveSlot(servers.ports, `{${prefix}:0}:due`).finally(() => {
      moving = false
    })
    let decided = 0
    while (moving || decided < 100) {
      const store = stores[decided % 2 === 0 ? 0 : 1]
      const id = `apr-${decided++}`
      await insist(() => store.add({ id, ...draft() }, { dueInMs: 60_000 }))
      const token = randomUUID()
      expect(await insist(() => store.claim(id, token, 60_000, {}))).toMatchObject({ kind: 'claimed', fence: 1 })
      expect(await insist(() => store.seal(id, token, approved))).toMatchObject({ kind: 'sealed', starts: 1 })
      const end = { outcome: 'approved', result: null } as const
      expect(await insist(() => store.complete(id, token, end, 60_000))).toBe('done')
    }
    expect(await moved).toBe(4)
    expect(await stores[0].stats()).toEqual({ open: 0, parked: 0, overdueMs: 0 })
    await first.close()
    await second.quit()
  })

  async function openNodeRedis() {
    const rootNodes = servers.ports.map((port) => ({ url: `redis://127.0.0.1:${port}` }))
    return await createCluster({ rootNodes }).connect()
  }

  function openIoredis(): Cluster {
    return new Cluster(servers.ports.map((port) => ({ host: '127.0.0.1', port })))
  }
})

function keepsTheContract(client: string, partitions: number, connect: () => Promise<Connected>): void {
  describe.concurrent(`${client} keeps the contract`, () => {
    let connected: Connected
    beforeAll(async () => {
      connected = await connect()
    })
    afterAll(() => connected.close())

    const cases = storeContract({
      create: async () => ({
        store: redisStore({ sendCommand: connected.sendCommand, prefix: randomUUID(), partitions }),
      }),
    })
    for (const { name, run } of cases) it(name, run, 30_000)
  })
}

/** Calls again what may pass, as the pipeline does. */
async function insist<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isCheqpointError(error, 'store-unavailable')) throw error
    }
  }
}
