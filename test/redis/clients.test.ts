import { randomUUID } from 'node:crypto'
import { Cluster, Redis } from 'ioredis'
import { createClient, createCluster } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isCheqpointError } from '../../src/model/errors.js'
import { redisStore, type SendCommand } from '../../src/stores/redis/redis-store.js'
import type { Store } from '../../src/stores/store.js'
import { storeContract } from '../../src/testing/store-contract.js'
import { describeWith } from '../support/needs.js'
import { entry, hour } from '../support/redis-bench.js'
import { moveSlot, sharedRedis, startCluster } from '../support/redis-server.js'

/*
 * The documented lines of redisStore, tested on real servers with the whole contract.
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

  keepsTheContract('ioredis that pipelines by itself', 1, async () => {
    const redis = new Redis(server.url, { enableAutoPipelining: true })
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

  keepsTheContract('ioredis that pipelines by itself', 16, async () => {
    const cluster = openIoredis({ enableAutoPipelining: true })
    return { sendCommand: (args) => cluster.call(...args), close: () => cluster.quit() }
  })

  it('holds 16 partitions on all of its nodes', async () => {
    const cluster = await openNodeRedis()
    const prefix = randomUUID()
    const sendCommand: SendCommand = (args, key) => cluster.sendCommand(key, false, args)
    const store = redisStore({ sendCommand, prefix, partitions: 16 })
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => store.write(`a:apr-${index}`, null, entry({ dueAt: 1 }))),
    )
    for (const port of servers.ports) {
      const node = await createClient({ url: `redis://127.0.0.1:${port}` }).connect()
      expect((await node.keys(`{${prefix}:*`)).length, `keys at ${port}`).toBeGreaterThan(10)
      await node.close()
    }
    expect((await store.takeDue(1_000, hour)).keys.length).toBe(100)
    await cluster.close()
  })

  it('tells the user of a single-server client to use a cluster client', async () => {
    const client = await createClient({ url: `redis://127.0.0.1:${servers.ports[0]}` }).connect()
    const store = redisStore({ sendCommand: (args) => client.sendCommand(args), partitions: 16 })
    await expect(store.check?.()).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringContaining('use a cluster client'),
    })
    await client.close()
  })

  it('refuses minReplicas with a client whose WAIT goes to any node', async () => {
    const random = openIoredis()
    // The nodes have no replicas, which this test does not need.
    const sendCommand: SendCommand = async (args) => {
      const reply = await random.call(...args)
      return args[0] === 'EVAL' && Array.isArray(reply)
        ? reply.map((item) =>
            typeof item === 'string' ? item.replace('connected_slaves:0', 'connected_slaves:1') : item,
          )
        : reply
    }
    const store = redisStore({ sendCommand, prefix: randomUUID(), partitions: 16, minReplicas: 1 })
    await expect(store.check?.()).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringContaining('routes commands without keys'),
    })
    await random.quit()
  })

  it('works while the slot of its keys moves from node to node', async () => {
    const [first, second] = [await openNodeRedis(), openIoredis()]
    const prefix = randomUUID()
    const stores: readonly [Store, Store] = [
      redisStore({ sendCommand: (args, key) => first.sendCommand(key, false, args), prefix }),
      redisStore({ sendCommand: (args) => second.call(...args), prefix }),
    ]
    let moving = true
    const moved = moveSlot(servers.ports, `{${prefix}:0}:due`).finally(() => {
      moving = false
    })
    let decided = 0
    while (moving || decided < 100) {
      const store = stores[decided % 2 === 0 ? 0 : 1]
      const key = `a:apr-${decided++}`
      const [open, done] = [entry({ dueAt: 8e12 }), entry()]
      expect(await insist(() => store.write(key, null, open))).toBe(true)
      expect((await insist(() => store.read(key))).entry).toEqual(open)
      expect(await insist(() => store.write(key, open.stamp, done, { keepMs: hour }))).toBe(true)
      expect((await insist(() => store.read(key))).entry).toEqual(done)
    }
    expect(await moved).toBe(4)
    expect(await stores[0].count()).toEqual({ open: 0, parked: 0, overdueMs: 0 })
    await first.close()
    await second.quit()
  })

  async function openNodeRedis() {
    const rootNodes = servers.ports.map((port) => ({ url: `redis://127.0.0.1:${port}` }))
    return await createCluster({ rootNodes }).connect()
  }

  function openIoredis(options: { readonly enableAutoPipelining?: boolean } = {}): Cluster {
    return new Cluster(
      servers.ports.map((port) => ({ host: '127.0.0.1', port })),
      options,
    )
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
      async create() {
        const { sendCommand } = connected
        const prefix = randomUUID()
        return {
          store: redisStore({ sendCommand, prefix, partitions }),
          async damage(key) {
            const script = `redis.call('SET', KEYS[1], 'hello')`
            const name = await entryKey(sendCommand, prefix, partitions, key)
            await sendCommand(['EVAL', script, '1', name], name)
          },
        }
      },
    })
    for (const { name, run } of cases) it(name, run)
  })
}

/** The Redis key of an entry, computed without the store's code. */
async function entryKey(send: SendCommand, prefix: string, partitions: number, key: string): Promise<string> {
  for (let partition = 0; partition < partitions; partition++) {
    const name = `{${prefix}:${partition}}:${key}`
    if (String(await send(['EVAL', `return redis.call('EXISTS', KEYS[1])`, '1', name], name)) === '1') return name
  }
  throw new Error('nothing is stored under this key')
}

/** Retries temporary errors, as the pipeline does. */
async function insist<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isCheqpointError(error, 'store-unavailable')) throw error
    }
  }
}
