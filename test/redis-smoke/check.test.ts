import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isCheqpointError } from '../../src/model/errors.js'
import { redisStore, type SendCommand } from '../../src/stores/redis/redis-store.js'
import { describeWith } from '../support/needs.js'
import { hour, openBench, type RedisBench, record, throughEverything } from '../support/redis-bench.js'
import { startRedis, type TestServer } from '../support/redis-server.js'

describeWith('redis-server', 'check: what the server must be', () => {
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

  /** Sets the server up otherwise for one test. */
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

  it('is content with a server that keeps what it acknowledged', async () => {
    expect(await durable.store({ partitions: 3 }).check()).toEqual([])
  })

  for (const policy of ['allkeys-lru', 'allkeys-lfu', 'allkeys-random']) {
    it(`refuses ${policy}, unless eviction is allowed, and then warns`, () =>
      withConfig({ 'maxmemory-policy': policy }, async () => {
        await expect(durable.store().check()).rejects.toMatchObject({
          code: 'store-unsuitable',
          message: expect.stringMatching(new RegExp(`${policy}.*set it to noeviction`)),
        })
        expect(await durable.store({ allowEviction: true }).check()).toEqual([
          expect.stringMatching(new RegExp(`${policy}; set noeviction`)),
        ])
      }))
  }

  it('accepts a policy that evicts only what expires, which open approvals never do', () =>
    withConfig({ 'maxmemory-policy': 'volatile-lru' }, async () => {
      expect(await durable.store().check()).toEqual([])
    }))

  it('warns where nothing is appended to a file', () =>
    withConfig({ appendonly: 'no' }, async () => {
      expect(await durable.store().check()).toEqual([expect.stringContaining('set appendonly yes')])
    }))

  it('warns where the file is written once a second, or when the system likes', () =>
    withConfig({ appendfsync: 'everysec' }, async () => {
      expect(await durable.store({ partitions: 3 }).check()).toEqual([
        expect.stringContaining('set appendfsync always'),
      ])
      await durable.raw('CONFIG', 'SET', 'appendfsync', 'no')
      expect(await durable.store().check()).toEqual([expect.stringContaining('half a minute')])
    }))

  it('warns where there are fewer replicas than writes are to wait for', async () => {
    expect(await durable.store({ minReplicas: 2 }).check()).toEqual([
      expect.stringMatching(/0 connected replicas and minReplicas is 2/),
    ])
  })

  it('refuses a replica, whether it says so itself or only refuses a write', async () => {
    const replica = await startRedis({ replicaof: `127.0.0.1 ${server.port}` })
    const reader = await openBench(replica.url)
    try {
      await expect(reader.store().check()).rejects.toMatchObject({
        code: 'store-unsuitable',
        message: expect.stringContaining('connect to its primary'),
      })
      await expect(reader.store({ sendCommand: changed(reader.send, /role:slave/, '') }).check()).rejects.toMatchObject(
        {
          code: 'store-unavailable',
          message: expect.stringMatching(/READONLY.*connect to its primary/),
        },
      )
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
      const store = durable.store({
        sendCommand: changed(durable.send, /redis_version:.*/, `redis_version:${version}`),
      })
      if (fit) expect(await store.check()).toEqual([])
      else {
        await expect(store.check()).rejects.toMatchObject({
          code: 'store-unsuitable',
          message: expect.stringMatching(new RegExp(`${version}.*6\\.2 or newer`)),
        })
      }
    })
  }

  it('refuses another number of partitions than the prefix was set up with', async () => {
    const prefix = randomUUID()
    await durable.store({ prefix, partitions: 16 }).check()
    expect(await durable.store({ prefix, partitions: 16 }).check()).toEqual([])
    await expect(durable.store({ prefix, partitions: 8 }).check()).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringMatching(/partitions: 16, and now it is 8/),
    })
    expect(await durable.store({ partitions: 8 }).check()).toEqual([])
  })

  it('is content with a full server that was set up before, and not with one that was not', async () => {
    const prefix = randomUUID()
    await durable.store({ prefix, partitions: 16 }).check()
    await withConfig({ maxmemory: '1mb' }, async () => {
      expect(await durable.store({ prefix, partitions: 16 }).check()).toEqual([])
      await expect(durable.store({ prefix, partitions: 8 }).check()).rejects.toMatchObject({ code: 'store-unsuitable' })
      await expect(durable.store({ prefix: randomUUID() }).check()).rejects.toMatchObject({ code: 'store-full' })
    })
  })

  it('warns about what its user may not ask, and names what a user lacks', async () => {
    const names =
      'eval evalsha time get set del pttl pexpire zadd zrem zscore zrank zcard zcount zrange wait config|get info'
    const allowed = names.split(' ').map((name) => `+${name}`)
    const curious = allowed.filter((rule) => rule !== '+config|get')
    const incurious = curious.filter((rule) => rule !== '+info')
    await durable.raw('ACL', 'SETUSER', 'app', 'reset', 'on', '>pw', '~{*', ...allowed)
    await durable.raw('ACL', 'SETUSER', 'incurious', 'reset', 'on', '>pw', '~{*', ...incurious)
    await durable.raw('ACL', 'SETUSER', 'curious', 'reset', 'on', '>pw', '~{*', ...curious)
    await durable.raw('ACL', 'SETUSER', 'poor', 'reset', 'on', '>pw', '~{*', '+get')
    const check = async (username: string) => {
      const client = await createClient({ url: server.url, username, password: 'pw' }).connect()
      try {
        const store = durable.store({ sendCommand: (args) => client.sendCommand(args) })
        const warnings = await store.check()
        await throughEverything(store, 'all')
        return warnings
      } finally {
        await client.close()
      }
    }
    expect(await check('app')).toEqual([])
    expect(await check('incurious')).toEqual([expect.stringMatching(/refuses INFO.*allow INFO/)])
    expect(await check('curious')).toEqual([expect.stringMatching(/refuses CONFIG GET.*appendfsync/)])
    const refused: unknown = await check('poor').catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'store-unsuitable', message: expect.stringMatching(/NOPERM.*allow/) })
    for (const rule of allowed) expect(String(refused)).toContain(rule)
  })

  it('names a missing and a wrong password', async () => {
    const locked = await startRedis({ requirepass: 'right' })
    try {
      for (const [password, word] of [
        [undefined, 'NOAUTH'],
        ['wrong', 'WRONGPASS'],
      ] as const) {
        const redis = new Redis(locked.url, { enableReadyCheck: false, ...(password !== undefined && { password }) })
        redis.on('error', () => {})
        await expect(redisStore({ sendCommand: (args) => redis.call(...args) }).check()).rejects.toMatchObject({
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

describeWith('redis-server', 'check: how the client is called', () => {
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

  const mistakes: Readonly<Record<string, readonly [SendCommand, code: string, advice: RegExp]>> = {
    'a client that answers with bytes': [
      (args) => redis.callBuffer(...args),
      'store-answer',
      /bytes \(use the method of your client that answers with strings\)/,
    ],
    'a promise that is not returned': [
      // The mistake is what is tested: such a function does not type-check.
      ((...call: Parameters<SendCommand>) => void bench.send(...call)) as unknown as SendCommand,
      'store-answer',
      /nothing \(return the promise/,
    ],
    'a reply that was decoded': [
      async (args, key) => ({ result: await bench.send(args, key) }),
      'store-answer',
      /decoded object \(return the raw reply/,
    ],
    'a reply in a list': [
      async (args, key) => [await bench.send(args, key)],
      'store-answer',
      /an array \(return the reply alone/,
    ],
    'a reply that was made text': [
      async (args, key) => JSON.stringify(await bench.send(args, key)),
      'store-answer',
      /a string where Redis answers an array/,
    ],
    'empty values that were dropped': [
      async (args, key) => {
        const reply = await bench.send(args, key)
        return Array.isArray(reply) ? reply.filter((item) => item !== null) : reply
      },
      'store-answer',
      /where Redis answers/,
    ],
    'numbers that were rounded into text': [
      async (args, key) => {
        const reply = await bench.send(args, key)
        return Array.isArray(reply) ? reply.map((item) => (item === 7 ? '7.0' : item)) : reply
      },
      'store-answer',
      /an integer/,
    ],
    'another number than Redis answers': [
      async (args, key) => {
        const reply = await bench.send(args, key)
        return Array.isArray(reply) ? reply.map((item) => (item === 7 ? 8 : item)) : reply
      },
      'store-answer',
      /the integer 7/,
    ],
    'a command without its name': [
      (args) => redis.call(...(args.slice(1) as typeof args)),
      'store-unsuitable',
      /every element of args/,
    ],
    'a method that does not exist': [
      // As above: a client that has no such method.
      (args) => (redis as unknown as { send: SendCommand }).send(args, ''),
      'store-unsuitable',
      /TypeError.*documentation of redisStore/,
    ],
    'a command that is not spread': [
      // As above: the type of ioredis forbids it.
      (args) => redis.call(args as unknown as string),
      'store-unsuitable',
      /TypeError.*documentation of redisStore/,
    ],
  }

  for (const [mistake, [sendCommand, code, advice]] of Object.entries(mistakes)) {
    it(`names ${mistake}`, async () => {
      await expect(bench.store({ sendCommand }).check()).rejects.toMatchObject({
        code,
        message: expect.stringMatching(advice),
      })
    })
  }

  it('accepts integers as text and as bigint', async () => {
    for (const write of [String, BigInt]) {
      const sendCommand: SendCommand = async (args, key) => deep(await bench.send(args, key), write)
      const store = bench.store({ sendCommand })
      await store.add(record('id'), { dueInMs: 0 })
      expect(await store.claim('id', 'worker', hour, {})).toMatchObject({ kind: 'claimed', fence: 1, starts: 0 })
    }
  })
})

describe('errors of Redis and of clients', () => {
  const transient = [
    "READONLY You can't write against a read only replica.",
    'LOADING Redis is loading the dataset in memory',
    'BUSY Redis is busy running a script.',
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    'CLUSTERDOWN The cluster is down',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'NOREPLICAS Not enough good replicas to write.',
    'MISCONF Redis is configured to save RDB snapshots',
    'UNKILLABLE Sorry the script already executed write commands',
    'ERR max number of clients reached',
    'ERR Error running script (call to f_6b1b): @user_script:12: @user_script: 12: -READONLY You can’t write',
    'read ECONNRESET',
    'Connection is closed.',
    'Command timed out',
    'Too many Cluster redirections. Last error: MOVED 1 127.0.0.1:1',
  ]
  for (const message of transient) {
    it(`takes for a failure that may pass: ${message.slice(0, 40)}`, async () => {
      const store = failing(new Error(message))
      const transientError = { code: 'store-unavailable' }
      await expect(store.claim('id', 'token', hour, {})).rejects.toMatchObject(transientError)
      await expect(store.get('id')).rejects.toMatchObject(transientError)
      await expect(store.knock('id', { withinMs: 0 })).rejects.toMatchObject(transientError)
      await expect(store.hold('ref', 'id')).rejects.toMatchObject(transientError)
      await expect(store.reservation('ref')).rejects.toMatchObject(transientError)
      await expect(store.takeDue(1, hour)).rejects.toMatchObject(transientError)
      await expect(store.list({ state: 'open', limit: 1 })).rejects.toMatchObject(transientError)
    })
  }

  for (const [message, code] of [
    ["OOM command not allowed when used memory > 'maxmemory'.", 'store-full'],
    ["OOM command not allowed when used memory > 'maxmemory'. script: 6b1b, on @user_script:3.", 'store-full'],
    [
      'ERR Error running script (call to f_6b1b): @user_script:5: @user_script: 5: -OOM command not allowed',
      'store-full',
    ],
    ['NOAUTH Authentication required.', 'store-unsuitable'],
    ['WRONGPASS invalid username-password pair or user is disabled.', 'store-unsuitable'],
    ["NOPERM this user has no permissions to run the 'evalsha' command", 'store-unsuitable'],
    ['MOVED 3999 127.0.0.1:6381', 'store-unsuitable'],
    ['ASK 3999 127.0.0.1:6381', 'store-unsuitable'],
    ["CROSSSLOT Keys in request don't hash to the same slot", 'store-unsuitable'],
    ["ERR unknown command 'EVALSHA'", 'store-unsuitable'],
    ["ERR wrong number of arguments for 'evalsha' command", 'store-unsuitable'],
  ] as const) {
    it(`takes for ${code}: ${message.slice(0, 60)}`, async () => {
      await expect(failing(new Error(message)).add(record('id'), { dueInMs: 0 })).rejects.toMatchObject({ code })
    })
  }

  it('says the word of Redis, or the code or class of the client’s error', async () => {
    class ClientClosedError extends Error {}
    for (const [error, text] of [
      [new Error('LOADING Redis is loading'), 'LOADING'],
      [Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
      [new ClientClosedError('The client is closed'), 'ClientClosedError'],
    ] as const) {
      await expect(failing(error).get('id')).rejects.toThrow(text)
    }
  })

  it('never passes on what a client’s error quotes', async () => {
    const secrets = ['the-token', 'the-payload', 'the-id']
    const quoting = (message: string) =>
      Object.assign(new Error(`${message} ${secrets.join()}`), {
        command: { name: 'evalsha', args: secrets },
        code: secrets.join(),
      })
    for (const word of [
      'OOM',
      'READONLY',
      'ERR',
      'ERR unknown command',
      'NOPERM',
      'WRONGTYPE',
      'MOVED',
      'write failed:',
    ]) {
      const error: unknown = await failing(quoting(word))
        .seal('the-id', 'the-token', 'the-payload')
        .catch((reason: unknown) => reason)
      if (!isCheqpointError(error)) {
        expect(error, word).toEqual({ kind: 'lost' })
        continue
      }
      for (const secret of secrets) expect(`${error.stack}${JSON.stringify(error)}${error.cause}`).not.toContain(secret)
    }
  })

  it('treats an error that a client hands over as a value like one that it throws', async () => {
    const store = redisStore({ sendCommand: () => Promise.resolve(new Error('LOADING')) })
    await expect(store.get('id')).rejects.toMatchObject({ code: 'store-unavailable' })
  })

  it('rejects what a script never says', async () => {
    for (const reply of [['surprise'], [], [null], ['claimed'], ['claimed', 1, 0, null, 5, null], ['held', 'soon']]) {
      const store = redisStore({ sendCommand: async () => reply })
      await expect(store.claim('id', 'token', hour, {})).rejects.toMatchObject({ code: 'store-answer' })
    }
  })

  it('refuses a duration that is none, before anything is sent', async () => {
    const store = redisStore({ sendCommand: () => Promise.reject(new Error('sent')) })
    for (const duration of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const refused = { code: 'argument-invalid' }
      await expect(store.claim('id', 'token', duration, {})).rejects.toMatchObject(refused)
      await expect(store.add(record('id'), { dueInMs: duration })).rejects.toMatchObject(refused)
      await expect(store.takeDue(1, duration)).rejects.toMatchObject(refused)
    }
  })
})

describe('options of redisStore', () => {
  const sendCommand: SendCommand = () => Promise.reject(new Error('nothing is sent'))

  it('sends nothing before it is used', () => {
    let sent = 0
    redisStore({ sendCommand: async () => sent++ })
    expect(sent).toBe(0)
  })

  it('accepts the bounds of each option', () => {
    for (const options of [
      { prefix: 'a', partitions: 1, minReplicas: 0, replicaTimeoutMs: 1 },
      { prefix: 'a'.repeat(64), partitions: 1_024, minReplicas: 64, replicaTimeoutMs: 600_000 },
      { tombstone: 'outcome-only', allowEviction: true },
      { tombstone: 'full', allowEviction: false, prefix: undefined },
    ] as const) {
      expect(() => redisStore({ sendCommand, ...options })).not.toThrow()
    }
  })

  const wrong: readonly (readonly [given: unknown, code: string, name: string])[] = [
    [undefined, 'option-missing', 'sendCommand'],
    [{}, 'option-missing', 'sendCommand'],
    [{ sendCommand: 'x' }, 'option-invalid', 'sendCommand'],
    [{ sendCommand, client: 1 }, 'option-unknown', 'client'],
    [{ sendCommand, prefix: '' }, 'option-invalid', 'prefix'],
    [{ sendCommand, prefix: '{a}' }, 'option-invalid', 'prefix'],
    [{ sendCommand, prefix: 'a'.repeat(65) }, 'option-invalid', 'prefix'],
    [{ sendCommand, prefix: 7 }, 'option-invalid', 'prefix'],
    [{ sendCommand, partitions: 0 }, 'option-invalid', 'partitions'],
    [{ sendCommand, partitions: 1_025 }, 'option-invalid', 'partitions'],
    [{ sendCommand, partitions: 1.5 }, 'option-invalid', 'partitions'],
    [{ sendCommand, minReplicas: -1 }, 'option-invalid', 'minReplicas'],
    [{ sendCommand, minReplicas: 65 }, 'option-invalid', 'minReplicas'],
    [{ sendCommand, replicaTimeoutMs: 0 }, 'option-invalid', 'replicaTimeoutMs'],
    [{ sendCommand, tombstone: 'none' }, 'option-invalid', 'tombstone'],
    [{ sendCommand, allowEviction: 'yes' }, 'option-invalid', 'allowEviction'],
  ]
  for (const [given, code, name] of wrong) {
    it(`refuses ${JSON.stringify(given)} as ${code}, naming ${name}`, () => {
      // Callers without types can give anything.
      const create = () => redisStore(given as Parameters<typeof redisStore>[0])
      expect(create).toThrow(expect.objectContaining({ code, message: expect.stringContaining(name) }))
    })
  }
})

function failing(error: Error) {
  return redisStore({ sendCommand: () => Promise.reject(error) })
}

/** A server that says something else of itself. */
function changed(send: SendCommand, pattern: RegExp, text: string): SendCommand {
  return async (args, key) => {
    const reply = await send(args, key)
    return Array.isArray(reply)
      ? reply.map((item) => (typeof item === 'string' ? item.replace(pattern, text) : item))
      : reply
  }
}

function deep(reply: unknown, write: (integer: number) => unknown): unknown {
  if (Array.isArray(reply)) return reply.map((item) => deep(item, write))
  return typeof reply === 'number' ? write(reply) : reply
}
