import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { optionalCommands, redisStore, requiredCommands, type SendCommand } from '../../src/stores/redis/redis-store.js'
import type { Store } from '../../src/stores/store.js'
import { describeWith } from '../support/needs.js'
import { entry, hour, openBench, type RedisBench, throughEverything } from '../support/redis-bench.js'
import { startRedis, type TestServer } from '../support/redis-server.js'

describeWith('redis-server', 'check: requirements of the server', () => {
  let durable: RedisBench
  let server: TestServer
  beforeAll(async () => {
    server = await startRedis({ appendonly: 'yes', appendfsync: 'always' })
    durable = await openBench(server.url)
  })
  afterAll(async () => {
    await durable.close()
    await server.stop()
  })

  /** Changes the server's settings for one test. */
  async function withConfig(settings: Readonly<Record<string, string>>, body: () => Promise<void>): Promise<void> {
    const before: string[][] = []
    for (const [name, value] of Object.entries(settings)) {
      before.push((await durable.raw('CONFIG', 'GET', name)) as string[])
      await durable.raw('CONFIG', 'SET', name, value)
    }
    try {
      await body()
    } finally {
      for (const [name = '', value = ''] of before) await durable.raw('CONFIG', 'SET', name, value)
    }
  }

  it('has no warnings for a server that keeps acknowledged writes', async () => {
    expect(await check(durable.store({ partitions: 3 }))).toEqual([])
  })

  it('leaves only the number of partitions, which expires', async () => {
    const prefix = randomUUID()
    await check(durable.store({ prefix, partitions: 3 }))
    expect(await durable.raw('KEYS', `*${prefix}*`)).toEqual([`{${prefix}:0}:partitions`])
    expect(await durable.raw('PTTL', `{${prefix}:0}:partitions`)).toBeGreaterThan(24 * hour)
  })

  for (const policy of ['allkeys-lru', 'allkeys-lfu', 'allkeys-random']) {
    it(`refuses ${policy}, unless eviction is allowed, and then warns`, () =>
      withConfig({ 'maxmemory-policy': policy }, async () => {
        await expect(check(durable.store())).rejects.toMatchObject({
          code: 'store-unsuitable',
          message: expect.stringMatching(new RegExp(`${policy}.*set noeviction`)),
        })
        expect(await check(durable.store({ allowEviction: true }))).toEqual([
          expect.stringMatching(new RegExp(`${policy}.*set noeviction`)),
        ])
      }))
  }

  for (const policy of ['noeviction', 'volatile-lru', 'volatile-ttl']) {
    it(`accepts ${policy}`, () =>
      withConfig({ 'maxmemory-policy': policy }, async () => {
        expect(await check(durable.store())).toEqual([])
      }))
  }

  it('refuses an unknown policy', async () => {
    const sendCommand = changed(durable.send, /maxmemory_policy:.*/, 'maxmemory_policy:newest-first')
    await expect(check(durable.store({ sendCommand }))).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringContaining('newest-first'),
    })
  })

  it('warns if there is no append-only file', () =>
    withConfig({ appendonly: 'no' }, async () => {
      expect(await check(durable.store())).toEqual([expect.stringContaining('set appendonly yes')])
    }))

  it('warns if the file is synced once a second, or when the operating system decides', () =>
    withConfig({ appendfsync: 'everysec' }, async () => {
      expect(await check(durable.store({ partitions: 3 }))).toEqual([expect.stringContaining('set appendfsync always')])
      await durable.raw('CONFIG', 'SET', 'appendfsync', 'no')
      expect(await check(durable.store())).toEqual([expect.stringContaining('half a minute')])
    }))

  it('reads settings from an array, a Map and an object', () =>
    withConfig({ appendfsync: 'everysec' }, async () => {
      const shapes: Readonly<Record<string, (name: string, value: string) => unknown>> = {
        Map: (name, value) => new Map([[name, value]]),
        object: (name, value) => ({ [name]: value }),
        'object without a prototype': (name, value) => Object.assign(Object.create(null), { [name]: value }),
        'list of pairs': (name, value) => [{ key: name, value }],
      }
      for (const [shape, make] of Object.entries(shapes)) {
        const sendCommand: SendCommand = async (args, key) => {
          const reply = await durable.send(args, key)
          if (args[0] !== 'CONFIG') return reply
          const [name, value] = reply as [string, string]
          return make(name, value)
        }
        const warnings = await check(durable.store({ sendCommand }))
        expect(warnings, shape).toEqual([expect.stringContaining('set appendfsync always')])
      }
      const client = await createClient({ url: server.url, RESP: 3 }).connect()
      const store = durable.store({ sendCommand: (args) => client.sendCommand(args) })
      expect(await check(store)).toEqual([expect.stringContaining('set appendfsync always')])
      await client.close()
    }))

  it('refuses a server with fewer replicas than minReplicas', async () => {
    await expect(check(durable.store({ minReplicas: 2 }))).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringMatching(/0 connected replicas and minReplicas is 2/),
    })
  })

  it('refuses a replica, whether INFO shows it or only a write fails', async () => {
    const replica = await startRedis({ replicaof: `127.0.0.1 ${server.port}` })
    const reader = await openBench(replica.url)
    try {
      await expect(check(reader.store())).rejects.toMatchObject({
        code: 'store-unsuitable',
        message: expect.stringContaining('connect to its primary'),
      })
      const silent = reader.store({ sendCommand: changed(reader.send, /role:slave/, '') })
      await expect(check(silent)).rejects.toMatchObject({
        code: 'store-unavailable',
        message: expect.stringMatching(/READONLY.*connect to its primary/),
      })
    } finally {
      await reader.close()
      await replica.stop()
    }
  })

  for (const [version, fit] of [
    ['5.0.14', false],
    ['6.0.20', false],
    ['6.2.0', true],
    ['8.2.1', true],
  ] as const) {
    it(`${fit ? 'accepts' : 'refuses'} Redis ${version}`, async () => {
      const sendCommand = changed(durable.send, /redis_version:.*/, `redis_version:${version}`)
      const checked = check(durable.store({ sendCommand }))
      if (fit) expect(await checked).toEqual([])
      else {
        await expect(checked).rejects.toMatchObject({
          code: 'store-unsuitable',
          message: expect.stringMatching(new RegExp(`${version}.*6\\.2 or newer`)),
        })
      }
    })
  }

  it('refuses another number of partitions while entries are open or parked, and accepts it after that', async () => {
    for (const open of [entry({ dueAt: 2e12 }), entry({ parkedAt: 1 })]) {
      const prefix = randomUUID()
      const [sixteen, eight] = [durable.store({ prefix, partitions: 16 }), durable.store({ prefix, partitions: 8 })]
      await check(sixteen)
      expect(await check(sixteen)).toEqual([])
      await sixteen.write('a:apr-1', null, open)
      await expect(check(eight)).rejects.toMatchObject({
        code: 'store-unsuitable',
        message: expect.stringMatching(/partitions: 16, but the option is 8/),
      })
      await sixteen.write('a:apr-1', open.stamp, entry(), { keepMs: hour })
      expect(await check(eight)).toEqual([])
      await eight.write('a:apr-2', null, open)
      await expect(check(sixteen)).rejects.toMatchObject({ code: 'store-unsuitable' })
    }
  })

  it('keeps the number of partitions while a receiver takes due keys', async () => {
    const prefix = randomUUID()
    const store = durable.store({ prefix, partitions: 2 })
    await check(store)
    const key = `{${prefix}:0}:partitions`
    await durable.raw('PEXPIRE', key, '60000')
    await store.takeDue(1, hour)
    expect(await durable.raw('PTTL', key)).toBeGreaterThan(29 * 24 * hour)
  })

  it('passes on a full server', async () => {
    const prefix = randomUUID()
    await check(durable.store({ prefix, partitions: 16 }))
    await withConfig({ maxmemory: '1mb' }, async () => {
      expect(await check(durable.store({ prefix, partitions: 16 }))).toEqual([])
      expect(await check(durable.store())).toEqual([])
    })
  })

  /** A connection of a user with these rights. */
  async function as(name: string, ...rules: readonly string[]) {
    await durable.raw('ACL', 'SETUSER', name, 'reset', 'on', '>pw', ...rules)
    return createClient({ url: server.url, username: name, password: 'pw' })
      .on('error', () => {})
      .connect()
  }

  const every = [...requiredCommands, ...optionalCommands]

  it('needs only the commands that it lists', async () => {
    const client = await as('app', '~{*', ...every.map((name) => `+${name}`))
    const store = durable.store({ sendCommand: (args) => client.sendCommand(args), partitions: 2 })
    expect(await check(store)).toEqual([])
    await throughEverything(store, 'all')
    await client.close()
  })

  for (const command of requiredCommands) {
    it(`refuses a user who may not ${command}, and says which commands are needed`, async () => {
      const client = await as(`no-${command}`, '~*', '+@all', `-${command}`)
      const sendCommand: SendCommand = (args) => client.sendCommand(args)
      await durable.raw('SCRIPT', 'FLUSH')
      const refused: unknown = await check(durable.store({ sendCommand })).catch((error: unknown) => error)
      expect(refused).toMatchObject({ code: 'store-unsuitable', message: expect.stringContaining('NOPERM') })
      for (const name of every) expect(String(refused)).toContain(`+${name}`)
      await client.close()
    })
  }

  it('refuses a user without access to its keys', async () => {
    const client = await as('elsewhere', '~other*', '+@all')
    const store = durable.store({ sendCommand: (args) => client.sendCommand(args) })
    await expect(check(store)).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringMatching(/NOPERM.*keys/),
    })
    await client.close()
  })

  it('warns about settings that its user may not read', async () => {
    for (const [missing, warnings] of [
      [['config|get'], [/refuses CONFIG GET.*appendfsync/]],
      [['info'], [/refuses INFO/]],
      [
        ['info', 'config|get'],
        [/refuses INFO.*version/, /maxmemory-policy/, /appendfsync/],
      ],
    ] as const) {
      const rules = every.filter((name) => !missing.some((each) => each === name)).map((name) => `+${name}`)
      const client = await as('curious', '~{*', ...rules)
      const store = durable.store({ sendCommand: (args) => client.sendCommand(args) })
      expect(await check(store)).toEqual(warnings.map((pattern) => expect.stringMatching(pattern)))
      await client.close()
    }
  })

  it('finds an evicting policy by CONFIG GET if INFO is refused', () =>
    withConfig({ 'maxmemory-policy': 'allkeys-lru' }, async () => {
      const client = await as('no-info', '~*', '+@all', '-info')
      const store = durable.store({ sendCommand: (args) => client.sendCommand(args) })
      await expect(check(store)).rejects.toMatchObject({
        code: 'store-unsuitable',
        message: expect.stringContaining('allkeys-lru'),
      })
      await client.close()
    }))

  it('reports a missing and a wrong password', async () => {
    const locked = await startRedis({ requirepass: 'right' })
    try {
      for (const [password, word] of [
        [undefined, 'NOAUTH'],
        ['wrong', 'WRONGPASS'],
      ] as const) {
        const redis = new Redis(locked.url, { enableReadyCheck: false, ...(password !== undefined && { password }) })
        redis.on('error', () => {})
        await expect(check(redisStore({ sendCommand: (args) => redis.call(...args) }))).rejects.toMatchObject({
          code: 'store-unsuitable',
          message: expect.stringMatching(new RegExp(`${word}.*your Redis client`)),
        })
        redis.disconnect()
      }
    } finally {
      await locked.stop()
    }
  })
})

describeWith('redis-server', 'check: use of the client', () => {
  let bench: RedisBench
  let redis: Redis
  beforeAll(async () => {
    bench = await openBench()
    redis = new Redis(bench.url)
  })
  afterAll(async () => {
    await redis.quit()
    await bench.close()
  })

  it('refuses a client that changes keys, and points to the option prefix', async () => {
    const prefixing = new Redis(bench.url, { keyPrefix: 'app:' })
    await expect(check(bench.store({ sendCommand: (args) => prefixing.call(...args) }))).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringMatching(/keyPrefix.*option prefix/),
    })
    await prefixing.quit()
  })

  const mistakes: Readonly<Record<string, readonly [SendCommand, code: string, advice: RegExp]>> = {
    'a client that answers with bytes': [
      (args) => redis.callBuffer(...args),
      'store-response',
      /bytes \(use the client method that returns strings\)/,
    ],
    'a client that reads Latin-1': [
      async (args, key) => deep(await bench.send(args, key), String, (text) => Buffer.from(text).toString('latin1')),
      'store-response',
      /UTF-8/,
    ],
    'a promise that is not returned': [
      // Wrong on purpose: such a function does not compile.
      ((...call: Parameters<SendCommand>) => void bench.send(...call)) as unknown as SendCommand,
      'store-response',
      /nothing \(return the promise/,
    ],
    'a reply that was decoded': [
      async (args, key) => ({ result: await bench.send(args, key) }),
      'store-response',
      /decoded object \(return the raw reply/,
    ],
    'a reply in a list': [
      async (args, key) => [await bench.send(args, key)],
      'store-response',
      /an array \(return only the reply/,
    ],
    'a reply that was made text': [
      async (args, key) => JSON.stringify(await bench.send(args, key)),
      'store-response',
      /a string, but Redis replies with an array/,
    ],
    'empty values that were dropped': [
      async (args, key) => {
        const reply = await bench.send(args, key)
        return Array.isArray(reply) ? reply.filter((item) => item !== null) : reply
      },
      'store-response',
      /but Redis replies with/,
    ],
    'another number than Redis answers': [
      async (args, key) => deep(await bench.send(args, key), (integer) => (integer === 7 ? 8 : integer)),
      'store-response',
      /the integer 7/,
    ],
    'a command without its name': [
      (args) => redis.call(...(args.slice(1) as typeof args)),
      'store-unsuitable',
      /every element of args/,
    ],
    'a method that does not exist': [
      // Wrong on purpose: the client has no such method.
      (args) => (redis as unknown as { send: SendCommand }).send(args, ''),
      'store-unsuitable',
      /TypeError.*documentation of redisStore/,
    ],
    'a command that is not spread': [
      // Wrong on purpose: the types of ioredis forbid it.
      (args) => redis.call(args as unknown as string),
      'store-unsuitable',
      /TypeError.*documentation of redisStore/,
    ],
  }

  for (const [mistake, [sendCommand, code, advice]] of Object.entries(mistakes)) {
    it(`names ${mistake}`, async () => {
      await expect(check(bench.store({ sendCommand }))).rejects.toMatchObject({
        code,
        message: expect.stringMatching(advice),
      })
    })
  }

  it('accepts integers as text and bigint', async () => {
    for (const write of [String, BigInt]) {
      const store = bench.store({ sendCommand: async (args, key) => deep(await bench.send(args, key), write) })
      await check(store)
      await throughEverything(store, 'all')
    }
  })
})

async function check(store: Store): Promise<readonly string[]> {
  return (await store.check?.()) ?? ['no check']
}

/** A server whose INFO differs. */
function changed(send: SendCommand, pattern: RegExp, text: string): SendCommand {
  return async (args, key) => deep(await send(args, key), Number, (item) => item.replace(pattern, text))
}

function deep(reply: unknown, write: (integer: number) => unknown, text = (item: string): string => item): unknown {
  if (Array.isArray(reply)) return reply.map((item) => deep(item, write, text))
  if (typeof reply === 'string') return text(reply)
  return typeof reply === 'number' ? write(reply) : reply
}
