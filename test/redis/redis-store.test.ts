import { randomUUID } from 'node:crypto'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isCheqpointError } from '../../src/model/errors.js'
import type { SendCommand } from '../../src/stores/redis/redis-store.js'
import { describeWith } from '../support/needs.js'
import {
  dyingAfter,
  entry,
  hour,
  openBench,
  type RedisBench,
  recorder,
  scriptCalls,
  throughEverything,
} from '../support/redis-bench.js'
import { startRedis, type TestServer } from '../support/redis-server.js'

let bench: RedisBench

function setUp(): void {
  beforeAll(async () => {
    bench = await openBench()
  })
  afterAll(() => bench.close())
}

describeWith('redis-server', 'redisStore: cost', () => {
  setUp()

  it('needs one script call for each read, write and removal, and for takeDue on one partition', async () => {
    const { send, commands } = recorder(bench.send)
    const store = bench.store({ sendCommand: send })
    await throughEverything(store, randomUUID())
    const key = 'a:apr-1'
    const calls: readonly (() => Promise<unknown>)[] = [
      () => store.read(key),
      () => store.write(key, null, entry({ dueAt: 1 })),
      () => store.read(key),
      () => store.takeDue(32, hour),
      () => store.remove(key, 'other'),
    ]
    for (const call of calls) {
      commands.length = 0
      await call()
      expect(commands.map(([name]) => name)).toEqual(['EVALSHA'])
    }
  })

  it('uses at most 260 bytes for an open entry besides its stamp, key and state', async () => {
    const server = await startRedis()
    const own = await openBench(server.url)
    // Usual lengths: a cuid as id, a stamp of 128 bits.
    const key = (index: number) => `a:cmf${String(index).padStart(22, '0')}`
    const stamp = (index: number) => String(index).padStart(22, 's')
    const state = { details: 'd'.repeat(200), context: 'c'.repeat(100), fields: 'f'.repeat(240) }
    const given = key(0).length * 2 + stamp(0).length + JSON.stringify(state).length
    try {
      const store = own.store({ prefix: 'cheqpoint' })
      const used = async () => Number(/used_memory:(\d+)/.exec(String(await own.raw('INFO', 'memory')))?.[1])
      await throughEverything(store, 'warm')
      const before = await used()
      const entries = 20_000
      for (let from = 0; from < entries; from += 1_000) {
        const numbers = Array.from({ length: 1_000 }, (_, index) => from + index)
        await Promise.all(
          numbers.map((index) =>
            store.write(key(index), null, { stamp: stamp(index), dueAt: 2e12 + index, parkedAt: null, state }),
          ),
        )
      }
      const each = ((await used()) - before) / entries
      expect(each).toBeLessThanOrEqual(given + 260)
      expect(each).toBeLessThanOrEqual(900)
      expect(each).toBeGreaterThan(given)
    } finally {
      await own.close()
      await server.stop()
    }
  })

  it('writes less than 100 bytes to the append-only file for reads and refused writes', async () => {
    const store = bench.store()
    const kept = entry({ dueAt: 2e12, state: { text: 'x'.repeat(10_000) } })
    await store.write('a:apr-1', null, kept)
    const offset = async () =>
      Number(/master_repl_offset:(\d+)/.exec(String(await bench.raw('INFO', 'replication')))?.[1])
    const dirty = async () => Number(/rdb_changes_since_last_save:(\d+)/.exec(String(await bench.raw('INFO')))?.[1])
    const before = [await offset(), await dirty()]
    for (let times = 0; times < 20; times++) {
      await store.read('a:apr-1')
      expect(await store.write('a:apr-1', 'other', entry())).toBe(false)
      expect(await store.write('a:apr-1', null, entry())).toBe(false)
      expect(await store.write('a:apr-1', 'other', kept)).toBe(true)
    }
    expect([await offset(), await dirty()]).toEqual(before)
  })
})

describeWith('redis-server', 'redisStore: keys', () => {
  setUp()

  it('keeps the keys of each call under one hash tag, and every key under the prefix', async () => {
    const { send, commands } = recorder(bench.send)
    const prefix = randomUUID()
    const store = bench.store({ sendCommand: send, prefix, partitions: 16 })
    await store.check?.()
    await throughEverything(store, 'all')
    const calls = commands.filter(([name]) => name === 'EVALSHA' || name === 'EVAL')
    expect(calls.length).toBeGreaterThan(40)
    for (const [, , count, ...rest] of calls) {
      const keys = rest.slice(0, Number(count))
      const tags = new Set(keys.map((key) => /^\{[^{}]+:\d+\}/.exec(key)?.[0]))
      expect([...tags].length, keys.join()).toBe(1)
    }
    const stored = (await bench.raw('KEYS', '*')) as string[]
    const ours = stored.filter((key) => key.includes(prefix))
    expect(ours.length).toBeGreaterThan(4)
    expect(ours.filter((key) => !key.startsWith(`{${prefix}`))).toEqual([])
  })

  it('always maps a key to the same partition', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix, partitions: 16 })
    // The first four bytes of the SHA-1 of the key, modulo 16, by sha1sum.
    const places = { 'a:apr-1': 4, 'a:apr-2': 2, 'r:Ωmega': 15 }
    for (const [key, partition] of Object.entries(places)) {
      await store.write(key, null, entry({ dueAt: 2e12 }))
      expect(await bench.raw('EXISTS', `{${prefix}:${partition}}:${key}`), key).toBe(1)
    }
  })

  it('leaves no key without a time to live once nothing is open', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix, partitions: 4 })
    await store.check?.()
    await throughEverything(store, 'all')
    const stored = (await bench.raw('KEYS', `*${prefix}*`)) as string[]
    expect(stored.length).toBeGreaterThan(4)
    for (const key of stored) expect(await bench.raw('PTTL', key), key).toBeGreaterThan(0)
  })

  it('gives no time to live to open or parked entries', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix })
    await store.write('a:open', null, entry({ dueAt: 1 }), { intake: true })
    await store.write('a:parked', null, entry({ parkedAt: 1 }))
    await store.takeDue(1, hour)
    const stored = ((await bench.raw('KEYS', `*${prefix}*`)) as string[]).sort()
    expect(stored).toEqual(['a:open', 'a:parked', 'due', 'parked'].map((name) => `{${prefix}:0}:${name}`))
    for (const key of stored) expect(await bench.raw('PTTL', key), key).toBe(-1)
  })
})

describeWith('redis-server', 'redisStore: repeated commands', () => {
  setUp()

  it('gives the same result if every command is sent twice', async () => {
    const store = bench.store({
      sendCommand: async (args, key) => {
        await bench.send(args, key)
        return bench.send(args, key)
      },
    })
    const [open, done] = [entry({ dueAt: 1 }), entry()]
    expect(await store.write('a:apr-1', null, open)).toBe(true)
    expect((await store.read('a:apr-1')).entry).toEqual(open)
    expect(await store.write('a:apr-1', open.stamp, done, { keepMs: hour })).toBe(true)
    expect(await store.write('a:apr-1', open.stamp, entry())).toBe(false)
    expect((await store.read('a:apr-1')).entry).toEqual(done)
  })

  it('works while the script cache is flushed constantly', async () => {
    const { send, commands } = recorder(async (args, key) => {
      if (args[0] === 'EVALSHA') await bench.raw('SCRIPT', 'FLUSH')
      return bench.send(args, key)
    })
    const store = bench.store({ sendCommand: send })
    await store.write('a:apr-1', null, entry({ dueAt: 1 }))
    expect((await store.takeDue(1, hour)).keys).toEqual(['a:apr-1'])
    expect(commands.map(([name]) => name)).toEqual(['EVALSHA', 'EVAL', 'EVALSHA', 'EVAL'])
  })

  it('recognizes a missing script in the error text of each client', async () => {
    for (const message of [
      'NOSCRIPT No matching script. Please use EVAL.',
      '-NOSCRIPT No matching script.',
      'An error was signalled by the server: - NoScriptError: No matching script. Please use EVAL.',
    ]) {
      const { send, commands } = recorder(async (args, key) => {
        if (args[0] === 'EVALSHA') throw new Error(message)
        return bench.send(args, key)
      })
      expect((await bench.store({ sendCommand: send }).read('a:apr-1')).entry).toBeNull()
      expect(commands.map(([name]) => name)).toEqual(['EVALSHA', 'EVAL'])
    }
  })

  it('repeats no command after any other error', async () => {
    for (const message of ['READONLY no', 'LOADING wait', 'TRYAGAIN', 'read ECONNRESET', 'ERR NOSCRIPT inside']) {
      const { send, commands } = recorder(() => Promise.reject(new Error(message)))
      await expect(bench.store({ sendCommand: send }).read('a:apr-1')).rejects.toMatchObject({
        code: 'store-unavailable',
      })
      expect(commands.length, message).toBe(1)
    }
  })
})

describeWith('redis-server', 'redisStore: scripts that fail halfway', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startRedis()
    bench = await openBench(server.url)
  })
  afterAll(async () => {
    await bench.close()
    await server.stop()
  })

  /** Makes one command fail in scripts of one user. */
  async function without(command: string): Promise<{ readonly send: SendCommand; close(): Promise<unknown> }> {
    await bench.raw('ACL', 'SETUSER', command, 'reset', 'on', '>pw', '~*', '+@all', `-${command}`)
    const client = await createClient({ url: server.url, username: command, password: 'pw' }).connect()
    return { send: (args) => client.sendCommand(args), close: () => client.close() }
  }

  it('leave at most an extra index entry, which the next read removes', async () => {
    const prefix = randomUUID()
    const [store, broken] = [bench.store({ prefix }), await without('set')]
    const open = entry({ dueAt: 1 })
    await expect(bench.store({ prefix, sendCommand: broken.send }).write('a:apr-1', null, open)).rejects.toMatchObject({
      code: 'store-unsuitable',
      message: expect.stringContaining('+set '),
    })
    expect((await store.count()).open).toBe(1)
    expect((await store.list('due', { limit: 10 })).items).toEqual([])
    expect((await store.count()).open).toBe(0)
    expect(await store.write('a:apr-1', null, open)).toBe(true)
    await broken.close()
  })

  for (const command of ['set', 'zrem', 'zadd', 'getrange']) {
    it(`leave an open entry in the due index, where ${command} fails`, async () => {
      const prefix = randomUUID()
      const [store, broken] = [bench.store({ prefix }), await without(command)]
      const half = bench.store({ prefix, sendCommand: broken.send })
      const open = entry({ dueAt: 1 })
      await store.write('a:apr-1', null, open)
      for (const [next, options] of [
        [entry({ parkedAt: 2 }), {}],
        [entry({ dueAt: 2e12 }), {}],
        [entry(), { keepMs: hour }],
        [entry(), { intake: true }],
      ] as const) {
        await half.write('a:apr-1', open.stamp, next, options).catch(() => {})
        const { entry: found } = await store.read('a:apr-1')
        // Only list finds and removes an extra key in the parked index.
        await store.list('parked', { limit: 10 })
        const { open: due, parked } = await store.count()
        expect(due).toBe(found?.dueAt === null ? 0 : 1)
        expect(parked).toBe(found?.parkedAt === null ? 0 : 1)
        if (found?.stamp !== open.stamp) break
      }
      await broken.close()
    })
  }

  it('can be repeated safely', async () => {
    const prefix = randomUUID()
    const [store, broken] = [bench.store({ prefix }), await without('zrem')]
    const [open, parked] = [entry({ dueAt: 1 }), entry({ parkedAt: 2 })]
    await store.write('a:apr-1', null, open)
    const half = bench.store({ prefix, sendCommand: broken.send })
    await expect(half.write('a:apr-1', open.stamp, parked, { intake: true })).rejects.toThrow()
    expect(await store.write('a:apr-1', open.stamp, parked)).toBe(true)
    expect((await store.read('a:apr-1')).entry).toEqual(parked)
    expect((await store.takeDue(10, hour)).keys).toEqual([])
    await broken.close()
  })

  it('restore an open entry to a lost due index', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix })
    const [open, parked] = [entry({ dueAt: 1 }), entry({ parkedAt: 2 })]
    await store.write('a:open', null, open)
    await store.write('a:parked', null, parked)
    await bench.raw('DEL', `{${prefix}:0}:due`, `{${prefix}:0}:parked`)
    expect((await store.read('a:open')).entry).toEqual(open)
    expect((await store.read('a:parked')).entry).toEqual(parked)
    expect((await store.takeDue(10, hour)).keys).toEqual(['a:open'])
    expect((await store.list('parked', { limit: 1 })).items).toEqual([{ key: 'a:parked', entry: parked }])
  })
})

describeWith('redis-server', 'redisStore: partitions', () => {
  setUp()

  it('takes due keys of all partitions in the order of their times', async () => {
    const { send, commands } = recorder(bench.send)
    const store = bench.store({ sendCommand: send, partitions: 8 })
    const keys = Array.from({ length: 40 }, (_, index) => `a:apr-${index}`)
    await store.takeDue(1, hour)
    for (const [at, key] of keys.entries()) await store.write(key, null, entry({ dueAt: at + 1 }))
    commands.length = 0
    expect(await store.takeDue(2, hour)).toEqual({ keys: keys.slice(0, 2), nextDueInMs: 0 })
    expect(scriptCalls(commands)).toBeLessThanOrEqual(8 + 2)
    const { keys: rest, nextDueInMs } = await store.takeDue(100, hour)
    expect(rest).toEqual(keys.slice(2))
    expect(nextDueInMs).toBeGreaterThan(hour / 2)
    commands.length = 0
    expect((await store.takeDue(100, hour)).keys).toEqual([])
    expect(scriptCalls(commands)).toBe(8)
  })

  it('gives each key to one of many parallel takers', async () => {
    const prefix = randomUUID()
    const stores = Array.from({ length: 8 }, () => bench.store({ prefix, partitions: 4 }))
    const keys = Array.from({ length: 200 }, (_, index) => `a:apr-${index}`)
    await Promise.all(keys.map((key) => stores[0]?.write(key, null, entry({ dueAt: 1 }))))
    const taken: string[] = []
    await Promise.all(
      stores.map(async (store) => {
        for (;;) {
          const { keys: mine, nextDueInMs } = await store.takeDue(7, hour)
          taken.push(...mine)
          if (nextDueInMs !== 0) return
        }
      }),
    )
    expect(taken.sort()).toEqual(keys.sort())
  })

  it('takes keys of the other partitions while one fails, and reports that more are due', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix, partitions: 4 })
    const keys = Array.from({ length: 40 }, (_, index) => `a:apr-${index}`)
    for (const key of keys) await store.write(key, null, entry({ dueAt: 1 }))
    const sendCommand: SendCommand = (args, key) =>
      key.startsWith(`{${prefix}:1}`) ? Promise.reject(new Error('LOADING')) : bench.send(args, key)
    const failing = bench.store({ prefix, partitions: 4, sendCommand })
    const { keys: taken, nextDueInMs } = await failing.takeDue(100, hour)
    expect(taken.length).toBeGreaterThan(10)
    expect(nextDueInMs).toBe(0)
    await expect(failing.takeDue(100, hour)).rejects.toMatchObject({ code: 'store-unavailable' })
    expect([...taken, ...(await store.takeDue(100, hour)).keys].sort()).toEqual(keys.sort())
  })

  it('refuses a cursor of another number of partitions', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix, partitions: 2 })
    for (let index = 0; index < 4; index++) await store.write(`a:${index}`, null, entry({ dueAt: 1 }))
    const { cursor } = await store.list('due', { limit: 1 })
    const other = bench.store({ prefix, partitions: 3 })
    await expect(other.list('due', { limit: 1, cursor: cursor ?? '' })).rejects.toMatchObject({
      code: 'argument-invalid',
    })
  })
})

describeWith('redis-server', 'redisStore: entries that cannot be read', () => {
  setUp()
  const damages: Readonly<Record<string, string>> = {
    'is text of another program': `redis.call('SET', KEYS[1], 'hello')`,
    'is empty': `redis.call('SET', KEYS[1], '')`,
    'was cut off': `redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, -3))`,
    'was cut off in its header': `redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, 10))`,
    'is of another type': `redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 'hello')`,
    'is of a newer version': `redis.call('SETRANGE', KEYS[1], 0, '2')`,
    'has bytes that are no UTF-8': `redis.call('SETRANGE', KEYS[1], redis.call('STRLEN', KEYS[1]) - 4, '\\255')`,
    'is a list where an object belongs': `redis.call('SET', KEYS[1], '1 stamp\\n 1\\n[]')`,
  }

  it('do not include entries with a genuine replacement character', async () => {
    const store = bench.store({ prefix: randomUUID() })
    const given = entry({ state: { text: 'a \ufffd b' } })
    await store.write('a:apr-1', null, given)
    expect((await store.read('a:apr-1')).entry).toEqual(given)
  })

  for (const [damage, script] of Object.entries(damages)) {
    it(`leaves alone what ${damage}, and removes it only by its digest`, async () => {
      const prefix = randomUUID()
      const store = bench.store({ prefix })
      const bad = entry({ dueAt: 1, state: { text: 'abcdef' } })
      await store.write('a:bad', null, bad)
      await store.write('a:good', null, entry({ dueAt: 2 }))
      const key = `{${prefix}:0}:a:bad`
      await bench.raw('EVAL', script, '1', key)
      const before = await bench.raw('DUMP', key)

      const { entry: found, unreadable = '' } = await store.read('a:bad')
      expect(found).toBeNull()
      expect(unreadable).toMatch(/^[0-9a-f]{40}$/)
      expect((await store.read('a:bad')).unreadable).toBe(unreadable)
      for (const expected of [null, 'other', '']) {
        expect(await store.write('a:bad', expected, entry())).toBe(false)
      }
      const { items } = await store.list('due', { limit: 10 })
      expect(items.map((item) => [item.key, item.entry === null])).toEqual([
        ['a:bad', true],
        ['a:good', false],
      ])
      expect((await store.takeDue(10, hour)).keys).toEqual(['a:bad', 'a:good'])
      expect(await store.remove('a:bad', 'other')).toBe(false)
      expect(await bench.raw('DUMP', key)).toBe(before)

      expect(await store.remove('a:bad', unreadable)).toBe(true)
      expect(await store.read('a:bad')).toEqual({ now: expect.any(Number), entry: null })
      expect((await store.count()).open).toBe(1)
    })
  }
})

describeWith('redis-server', 'redisStore: a server that is out of memory', () => {
  it('that evicts keys with a time to live passes check with a warning', async () => {
    const server = await startRedis({ 'maxmemory-policy': 'volatile-lru', appendonly: 'yes', appendfsync: 'always' })
    const own = await openBench(server.url)
    const store = own.store()
    try {
      await store.write('a:held', null, entry({ dueAt: 1 }), { intake: true })
      await own.raw('CONFIG', 'SET', 'maxmemory', '1mb')
      expect(await store.check?.()).toEqual([expect.stringMatching(/evicted.*raise maxmemory/)])
      expect((await store.takeDue(1, hour)).keys).toEqual(['a:held'])
    } finally {
      await own.close()
      await server.stop()
    }
  })

  it('refuses new entries, and lets open ones complete', async () => {
    const server = await startRedis({ maxmemory: '8mb', 'maxmemory-policy': 'noeviction' })
    const own = await openBench(server.url)
    const store = own.store()
    try {
      const open = entry({ dueAt: 1 })
      await store.write('a:held', null, open, { intake: true })
      await store.check?.()
      const state = { details: 'x'.repeat(1_000) }
      let refused: unknown
      for (let kept = 0; refused === undefined; kept++) {
        const added = await Promise.allSettled(
          Array.from({ length: 200 }, (_, index) =>
            store.write(`a:${kept}-${index}`, null, entry({ dueAt: 2e12, state }), { intake: true }),
          ),
        )
        refused = added.find((each) => each.status === 'rejected')?.reason
      }
      expect(refused).toMatchObject({ code: 'store-full' })
      // Memory that is freed from now on does not help.
      await own.raw('CONFIG', 'SET', 'maxmemory', '1mb')
      const { open: before } = await store.count()
      await expect(store.write('a:new', null, entry({ dueAt: 1 }), { intake: true })).rejects.toMatchObject({
        code: 'store-full',
      })
      expect((await store.read('a:new')).entry).toBeNull()
      expect((await store.count()).open).toBe(before)

      expect((await store.takeDue(1, hour)).keys).toEqual(['a:held'])
      const bound = entry({ dueAt: 2e12, state })
      expect(await store.write('a:bound', null, bound)).toBe(true)
      const larger = entry({ dueAt: 2e12, state: { details: 'x'.repeat(2_000) } })
      expect(await store.write('a:held', open.stamp, larger)).toBe(true)
      const parked = entry({ parkedAt: 1 })
      expect(await store.write('a:held', larger.stamp, parked)).toBe(true)
      expect(await store.write('a:held', parked.stamp, entry(), { keepMs: hour })).toBe(true)
      expect((await store.check?.())?.join()).not.toContain('memory')
    } finally {
      await own.close()
      await server.stop()
    }
  })
})

describeWith('redis-server', 'redisStore: replicas', () => {
  let primary: TestServer
  let replica: TestServer
  let own: RedisBench
  beforeAll(async () => {
    primary = await startRedis()
    replica = await startRedis({ replicaof: `127.0.0.1 ${primary.port}` })
    own = await openBench(primary.url)
    // WAIT counts no replica before the first synchronization has ended.
    while ((await own.raw('WAIT', '1', '100')) !== 1);
  })
  afterAll(async () => {
    replica.thaw()
    await own.close()
    await Promise.all([primary.stop(), replica.stop()])
  })

  it('waits for them after each successful write, and after no other call', async () => {
    const { send, commands } = recorder(own.send)
    const store = own.store({ sendCommand: send, minReplicas: 1 })
    const open = entry({ dueAt: 1 })
    const waits = async (call: () => Promise<unknown>) => {
      commands.length = 0
      await call()
      return commands.filter(([name]) => name === 'WAIT').map((args) => args.join(' '))
    }
    expect(await waits(() => store.write('a:apr-1', null, open))).toEqual(['WAIT 1 1000'])
    expect(await waits(() => store.write('a:apr-1', null, open))).toEqual(['WAIT 1 1000'])
    expect(await waits(() => store.write('a:apr-1', null, entry()))).toEqual([])
    for (const call of [() => store.read('a:apr-1'), () => store.takeDue(1, hour), () => store.count()]) {
      expect(await waits(call)).toEqual([])
    }
  })

  it('rejects a write that too few of them have, until a repeat reaches them', async () => {
    const prefix = randomUUID()
    const store = own.store({ prefix, minReplicas: 1, replicaTimeoutMs: 50 })
    const open = entry({ dueAt: 1 })
    const lacking = { code: 'store-unavailable', message: expect.stringContaining('0 of 1 replicas') }
    replica.freeze()
    await expect(store.write('a:apr-1', null, open)).rejects.toMatchObject(lacking)
    await expect(store.write('a:apr-1', null, open)).rejects.toMatchObject(lacking)
    // A new connection has written nothing itself.
    const other = await openBench(primary.url)
    const again = other.store({ prefix, minReplicas: 1, replicaTimeoutMs: 50 })
    await expect(again.write('a:apr-1', null, open)).rejects.toMatchObject(lacking)
    replica.thaw()
    expect(await own.store({ prefix, minReplicas: 1, replicaTimeoutMs: 10_000 }).write('a:apr-1', null, open)).toBe(
      true,
    )
    expect((await store.read('a:apr-1')).entry).toEqual(open)
    await other.close()
  })

  it('never reads from them by mistake', async () => {
    const reader = await openBench(replica.url)
    const prefix = randomUUID()
    await own.store({ prefix, minReplicas: 1 }).write('a:apr-1', null, entry({ dueAt: 1 }))
    const store = reader.store({ prefix })
    for (const call of [
      () => store.read('a:apr-1'),
      () => store.read('a:none'),
      () => store.takeDue(1, hour),
      () => store.write('a:none', null, entry()),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'store-unavailable',
        message: expect.stringContaining('connect to its primary'),
      })
    }
    await reader.close()
  })
})

describe('redisStore: arguments', () => {
  it('refuses stamps, times and durations that it could not return unchanged, before it sends anything', async () => {
    let sent = 0
    const { redisStore } = await import('../../src/stores/redis/redis-store.js')
    const store = redisStore({ sendCommand: async () => sent++ })
    const refused = { code: 'argument-invalid' }
    for (const stamp of ['', 'x'.repeat(65), 'line\nbreak', 'ä']) {
      await expect(store.write('a:1', null, entry({ stamp }))).rejects.toMatchObject(refused)
    }
    for (const time of [0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(store.write('a:1', null, entry({ dueAt: time }))).rejects.toMatchObject(refused)
      await expect(store.write('a:1', null, entry({ parkedAt: time }))).rejects.toMatchObject(refused)
    }
    for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(store.write('a:1', null, entry(), { keepMs: ms })).rejects.toMatchObject(refused)
      await expect(store.takeDue(1, ms)).rejects.toMatchObject(refused)
    }
    expect(sent).toBe(0)
  })

  it('reports an outage as store-unavailable, and works again after it', async () => {
    const own = await openBench()
    const prefix = randomUUID()
    const dying = own.store({ prefix, sendCommand: dyingAfter(1, own.send) })
    await dying.read('a:apr-1')
    const failure: unknown = await dying.read('a:apr-1').catch((error: unknown) => error)
    expect(isCheqpointError(failure, 'store-unavailable')).toBe(true)
    await own.close()
  })
})
