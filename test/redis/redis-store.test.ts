import { randomUUID } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Store } from '../../src/stores/store.js'
import { describeWith } from '../support/needs.js'
import {
  approved,
  decide,
  draft,
  dyingAfter,
  hour,
  openBench,
  type RedisBench,
  record,
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

  it('costs three script calls for a decision and one for its duplicate', async () => {
    const { send, commands } = recorder(bench.send)
    const store = bench.store({ sendCommand: send, partitions: 16 })
    await throughEverything(store, randomUUID())
    await store.reserve('ref', draft({ ref: 'ref' }), { dueInMs: hour })
    await store.bind('ref', 'id', { dueInMs: hour })
    commands.length = 0
    await decide(store, 'id', 'worker')
    expect(scriptCalls(commands)).toBe(3)
    commands.length = 0
    expect((await store.claim('id', 'late', hour, { ref: 'ref' })).kind).toBe('done')
    expect(commands.length).toBe(1)
  })

  it('takes at most 700 bytes for an open record with 300 bytes of details and context, and 180 for its reference', async () => {
    const server = await startRedis()
    const own = await openBench(server.url)
    const store = own.store({ prefix: 'cheqpoint' })
    const [details, context] = [JSON.stringify('d'.repeat(198)), JSON.stringify('c'.repeat(98))]
    // Ids and references of usual length: a cuid, and 128 bits.
    const id = (index: number) => `cmf${String(index).padStart(22, '0')}`
    const ref = (index: number) => String(index).padStart(22, 'r')
    try {
      expect(details.length + context.length).toBe(300)
      const added = await growth(own, async (index) => {
        await store.add(record(id(index), { ref: ref(index), details, context }), { dueInMs: hour + index })
        // Looked at once, as every record is that waits for long.
        await store.claim(id(index), ref(index), hour, {})
        await store.release(id(index), ref(index), { dueInMs: hour + index, notBeforeMs: 2_000 })
      })
      expect(added).toBeLessThanOrEqual(700)
      expect(added).toBeGreaterThan(300)
      await own.raw('FLUSHALL')
      const bound = await growth(own, async (index) => {
        await store.reserve(ref(index), draft({ details, context }), { dueInMs: hour + index })
        await store.bind(ref(index), id(index), { dueInMs: hour + index })
      })
      expect(bound).toBeLessThanOrEqual(880)
      expect(bound).toBeGreaterThan(added)
    } finally {
      await own.close()
      await server.stop()
    }
  })
})

describeWith('redis-server', 'redisStore: layout', () => {
  setUp()

  it('keeps the keys of each call under one hash tag, and every key under the prefix', async () => {
    const { send, commands } = recorder(bench.send)
    const prefix = randomUUID()
    const store = bench.store({ sendCommand: send, prefix, partitions: 16 })
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
    expect(ours.length).toBeGreaterThan(5)
    expect(ours.filter((key) => !key.startsWith(`{${prefix}`))).toEqual([])
  })

  it('finds a record in the same partition for ever', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix, partitions: 16 })
    // The first four bytes of their SHA-1, modulo 16.
    const places = { 'apr-1': 5, 'apr-2': 0, Ωmega: 12 }
    for (const [id, partition] of Object.entries(places)) {
      await store.add(record(id), { dueInMs: hour })
      expect(await bench.raw('EXISTS', `{${prefix}:${partition}}:a:${id}`), id).toBe(1)
    }
  })

  it('reads what the first version wrote', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix })
    const open = `{1, 'open', 1763900000000, 'refund', '1795478400000', '{}', '[]', 'bot', 'ref', 3}`
    const done = `{1, 'done', false, 'refund', false, false, false, false, 'ref', false, false, 'one', false, false, false,
      false, '{"s":1}', false, false, 'approved', '7'}`
    const reserved = `{1, 'open', false, 1763900000000, 'refund', false, '{}', '[]', false, {'candidate'}}`
    for (const [key, entry] of [
      ['a:open', open],
      ['a:done', done],
      ['r:reserved', reserved],
    ]) {
      await bench.raw('EVAL', `redis.call('SET', KEYS[1], cmsgpack.pack(${entry}))`, '1', `{${prefix}:0}:${key}`)
    }
    expect(await store.reservation('reserved')).toMatchObject({ candidates: ['candidate'] })
    expect(await store.bind('reserved', 'bound', { dueInMs: hour })).toBe('bound')
    const bound = await store.claim('bound', 'three', hour, { ref: 'reserved' })
    expect(bound).toMatchObject({ kind: 'claimed', record: { action: 'refund', ref: 'reserved' } })
    // The age counts from the reservation, which is long ago.
    expect(bound.kind === 'claimed' && bound.ageMs).toBeGreaterThan(hour)
    expect(await store.claim('open', 'two', hour, { ref: 'ref' })).toMatchObject({
      kind: 'claimed',
      record: {
        id: 'open',
        version: 1,
        ref: 'ref',
        action: 'refund',
        assistant: 'bot',
        expiresAt: 1_795_478_400_000,
        details: '{}',
        context: '[]',
      },
      fence: 4,
    })
    expect(await store.complete('done', 'one', { outcome: 'approved', result: null }, hour)).toBe('done')
    expect(await store.get('done')).toEqual({
      state: 'done',
      tombstone: {
        id: 'done',
        ref: 'ref',
        action: 'refund',
        assistant: null,
        outcome: 'approved',
        sealed: '{"s":1}',
        result: '7',
      },
    })
  })

  it('lets nothing that is open expire, and everything of a finished record', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix })
    await store.add(record('pending'), { dueInMs: 0 })
    await store.add(record('parked'), { dueInMs: 0 })
    await store.claim('parked', 'worker', hour, {})
    await store.park('parked', 'worker', 'edit-invalid', '')
    await store.reserve('open', draft(), { dueInMs: 0 })
    await store.reserve('bound', draft(), { dueInMs: 0 })
    await store.bind('bound', 'claimed', { dueInMs: 0 })
    await store.claim('claimed', 'worker', hour, {})
    const stored = ((await bench.raw('KEYS', `*${prefix}*`)) as string[]).sort()
    expect(stored).toEqual(
      ['a:claimed', 'a:parked', 'a:pending', 'due', 'parked', 'r:bound', 'r:open'].map(
        (name) => `{${prefix}:0}:${name}`,
      ),
    )
    for (const key of stored) expect(await bench.raw('PTTL', key), key).toBe(-1)

    await store.complete('claimed', 'worker', { outcome: 'rejected', result: null }, 60_000)
    for (const name of ['a:claimed', 'r:bound']) {
      const left = await bench.raw('PTTL', `{${prefix}:0}:${name}`)
      expect(left, name).toBeGreaterThan(50_000)
      expect(left, name).toBeLessThanOrEqual(60_000)
    }
  })

  it('forgets the reference of a cancelled record with its tombstone', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix })
    await store.reserve('ref', draft(), { dueInMs: hour })
    await store.bind('ref', 'id', { dueInMs: hour })
    await store.cancel('id', 60_000)
    expect(await bench.raw('PTTL', `{${prefix}:0}:r:ref`)).toBeGreaterThan(50_000)
  })

  it('erases details and context of a record that is finished or cancelled, at its reference too', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix })
    const stored = async (): Promise<string> => {
      const keys = (await bench.raw('KEYS', `*${prefix}*:?:*`)) as string[]
      return (await Promise.all(keys.map((key) => bench.raw('GET', key)))).join()
    }
    const secret = { ...draft(), details: '{"to":"canary"}', context: '"canary"' }
    for (const name of ['finished', 'cancelled']) {
      await store.reserve(`ref-${name}`, secret, { dueInMs: hour })
      expect(await stored()).toContain('canary')
      await store.bind(`ref-${name}`, name, { dueInMs: hour })
      expect(await stored()).toContain('canary')
      if (name === 'finished') await decide(store, name, 'worker')
      else await store.cancel(name, hour)
      expect(await stored()).not.toContain('canary')
    }
    expect(await stored()).toContain('finished')
  })

  it('shows receivers with different prefixes nothing of each other', async () => {
    const [staging, production] = [bench.store(), bench.store()]
    await staging.add(record('id'), { dueInMs: 0 })
    expect(await production.claim('id', 'worker', hour, {})).toEqual({ kind: 'unknown' })
    expect(await production.takeDue(10, hour)).toEqual([])
  })

  it('keeps neither decision nor result where only the outcome is wanted', async () => {
    const store = bench.store({ tombstone: 'outcome-only' })
    await store.add(record('id'), { dueInMs: 0 })
    await decide(store, 'id', 'worker')
    const answer = await store.claim('id', 'late', hour, {})
    expect(answer).toMatchObject({ kind: 'done', tombstone: { outcome: 'approved', sealed: null, result: null } })
  })
})

describeWith('redis-server', 'redisStore: calls sent again', () => {
  setUp()

  it('gives each answer of a token a second time when the first one was lost', async () => {
    const twice = bench.store({
      sendCommand: async (args, key) => {
        await bench.send(args, key)
        return bench.send(args, key)
      },
    })
    await twice.add(record('id'), { dueInMs: 0 })
    const first = await twice.claim('id', 'one', hour, {})
    expect(first).toMatchObject({ kind: 'claimed', fence: 1, starts: 0 })
    expect(await twice.extend('id', 'one', hour)).toBe('extended')
    expect(await twice.seal('id', 'one', approved)).toEqual({ kind: 'sealed', sealed: approved, starts: 1 })
    const back = { dueInMs: 0, notBeforeMs: 0, giveAttemptBack: true }
    expect(await twice.release('id', 'one', back)).toBe('released')
    expect(await twice.claim('id', 'two', hour, {})).toMatchObject({ fence: 2, starts: 0 })
    expect(await twice.park('id', 'two', 'adopted', '')).toBe('parked')
    await twice.retry('id')
    expect(await twice.claim('id', 'three', hour, {})).toMatchObject({ kind: 'claimed', fence: 3 })
    expect(await twice.complete('id', 'three', { outcome: 'approved', result: '1' }, hour)).toBe('done')
  })

  it('goes on while the script cache is flushed all the time', async () => {
    const { send, commands } = recorder(async (args, key) => {
      if (args[0] === 'EVALSHA') await bench.raw('SCRIPT', 'FLUSH')
      return bench.send(args, key)
    })
    const store = bench.store({ sendCommand: send })
    await store.add(record('id'), { dueInMs: 0 })
    await decide(store, 'id', 'worker')
    expect(commands.map(([name]) => name)).toEqual(Array(4).fill(['EVALSHA', 'EVAL']).flat())
  })

  it('sends nothing again after any other error', async () => {
    for (const message of [
      'READONLY no',
      'LOADING wait',
      'TRYAGAIN',
      'read ECONNRESET',
      'ERR NOSCRIPT in the middle',
    ]) {
      const { send, commands } = recorder(() => Promise.reject(new Error(message)))
      await expect(bench.store({ sendCommand: send }).get('id')).rejects.toMatchObject({ code: 'store-unavailable' })
      expect(commands.length, message).toBe(1)
    }
  })
})

describeWith('redis-server', 'redisStore: parked records', () => {
  setUp()

  it('knows no token any more when a person has let one run again', async () => {
    const store = bench.store()
    await store.add(record('id'), { dueInMs: hour })
    await store.claim('id', 'old', hour, {})
    await store.park('id', 'old', 'edit-invalid', '')
    expect(await store.retry('id')).toBe('pending')
    expect(await store.park('id', 'old', 'edit-invalid', '')).toBe('lost')
    expect(await store.release('id', 'old', { dueInMs: hour, notBeforeMs: hour })).toBe('lost')
    expect(await store.stats()).toMatchObject({ open: 1, parked: 0 })
    expect(await store.takeDue(1, hour)).toHaveLength(1)
  })
})

describeWith('redis-server', 'redisStore: binding over two partitions', () => {
  setUp()
  // With 16 partitions these two live in different ones.
  const [ref, id] = ['ref-1', 'apr-1']
  const partitions = 16

  /** A binding whose process died after so many of its three writes. */
  async function broken(writes: number): Promise<{ readonly store: Store; readonly prefix: string }> {
    const prefix = randomUUID()
    const store = bench.store({ prefix, partitions })
    await throughEverything(store, randomUUID())
    await store.reserve(ref, draft({ ref, details: '[1]' }), { dueInMs: hour })
    const dying = bench.store({ prefix, partitions, sendCommand: dyingAfter(writes, bench.send) })
    await expect(dying.bind(ref, id, { dueInMs: hour, sealed: approved })).rejects.toMatchObject({
      code: 'store-unavailable',
    })
    return { store, prefix }
  }

  async function expectBound(store: Store): Promise<void> {
    expect(await store.get(id)).toMatchObject({ record: { id, ref, details: '[1]' }, sealed: approved, fence: 0 })
    expect(await store.reservation(ref)).toBeNull()
    expect(await store.reserve(ref, draft(), { dueInMs: hour })).toEqual({ kind: 'bound', id })
    expect(await store.stats()).toMatchObject({ open: 1 })
    expect((await store.reservations({ limit: 10 })).items).toEqual([])
  }

  for (const writes of [1, 2]) {
    it(`is finished by the next sweep when the process died after write ${writes}`, async () => {
      const { store, prefix } = await broken(writes)
      expect(await store.nextDueInMs()).toBeLessThanOrEqual(1_000)
      await makeDue(prefix, `b:${ref}`)
      expect(await store.takeDue(10, hour)).toEqual([{ kind: 'approval', id }])
      await expectBound(store)
      expect(await store.takeDue(10, hour)).toEqual([])
    })

    it(`is finished by the same call sent again when the process died after write ${writes}`, async () => {
      const { store } = await broken(writes)
      expect(await store.bind(ref, id, { dueInMs: 0 })).toBe('bound')
      await expectBound(store)
    })

    it(`loses against the first id when another one comes after write ${writes}`, async () => {
      const { store } = await broken(writes)
      expect(await store.bind(ref, 'other', { dueInMs: 0 })).toBe('conflict')
      await expectBound(store)
      expect(await store.get('other')).toBeNull()
    })

    it(`is bound to whoever looks after write ${writes}`, async () => {
      const looks: readonly ((store: Store) => Promise<unknown>)[] = [
        (store) => store.hold(ref, 'other'),
        (store) => store.discard(ref),
        (store) => store.postpone(ref, 0),
        async (store) => (await store.reserve(ref, draft(), { dueInMs: 0 })).kind,
      ]
      for (const look of looks) {
        const { store } = await broken(writes)
        expect(await look(store)).toBe('bound')
        await expectBound(store)
      }
    })
  }

  for (const writes of [1, 2]) {
    it(`is parked all the same when its process died after write ${writes}`, async () => {
      const prefix = randomUUID()
      const store = bench.store({ prefix, partitions })
      await store.reserve(ref, draft({ ref }), { dueInMs: hour })
      const dying = bench.store({ prefix, partitions, sendCommand: dyingAfter(writes, bench.send) })
      const options = { dueInMs: 0, sealed: approved, parked: 'adopted' } as const
      await expect(dying.bind(ref, id, options)).rejects.toMatchObject({ code: 'store-unavailable' })
      await makeDue(prefix, `b:${ref}`)
      expect(await store.takeDue(10, hour)).toEqual([])
      expect(await store.get(id)).toMatchObject({ state: 'parked', reason: 'adopted', note: '', sealed: approved })
      expect(await store.stats()).toMatchObject({ open: 0, parked: 1 })
    })
  }

  it('keeps a half-bound reference due when the sweep fails to finish it', async () => {
    const { store, prefix } = await broken(1)
    await makeDue(prefix, `b:${ref}`)
    const failing = bench.store({
      prefix,
      partitions,
      sendCommand: (args, key) =>
        args.some((arg) => arg.endsWith(`:a:${id}`)) ? Promise.reject(new Error('LOADING')) : bench.send(args, key),
    })
    expect(await failing.takeDue(10, 5)).toEqual([])
    expect(await store.get(id)).toBeNull()
    await makeDue(prefix, `b:${ref}`)
    expect(await store.takeDue(10, hour)).toEqual([{ kind: 'approval', id }])
    await expectBound(store)
  })

  for (const writes of [1, 2]) {
    it(`leaves the reservation as it was when the id belongs to another record, even after a crash at write ${writes}`, async () => {
      const prefix = randomUUID()
      const store = bench.store({ prefix, partitions })
      await store.add(record(id), { dueInMs: hour })
      await store.reserve(ref, draft({ ref }), { dueInMs: 2 * hour })
      await store.hold(ref, 'candidate')
      const dying = bench.store({ prefix, partitions, sendCommand: dyingAfter(writes, bench.send) })
      await expect(dying.bind(ref, id, { dueInMs: 0, sealed: approved })).rejects.toThrow()
      await makeDue(prefix, `b:${ref}`)
      expect(await store.takeDue(10, hour)).toEqual([])
      expect(await store.reservation(ref)).toMatchObject({ ref, candidates: ['candidate'] })
      expect(await store.nextDueInMs()).toBeGreaterThan(hour / 2)
      expect(await store.stats()).toMatchObject({ open: 2 })
      expect(await store.get(id)).toMatchObject({ record: { ref: null }, sealed: null })
      expect(await store.bind(ref, 'other', { dueInMs: hour })).toBe('bound')
      expect(await store.get('other')).toMatchObject({ record: { ref }, sealed: null })
    })
  }

  it('is not undone by a slow caller whose own binding was a conflict', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix, partitions })
    await throughEverything(store, randomUUID())
    await store.add(record('taken'), { dueInMs: hour })
    await store.reserve(ref, draft({ ref }), { dueInMs: hour })
    const steps = new EventEmitter()
    const waiting = once(steps, 'waiting')
    let calls = 0
    const slow = bench.store({
      prefix,
      partitions,
      async sendCommand(args, key) {
        if (++calls === 3) {
          steps.emit('waiting')
          await once(steps, 'go on')
        }
        return bench.send(args, key)
      },
    })
    const slowly = slow.bind(ref, 'taken', { dueInMs: hour })
    await waiting
    expect(await store.reservation(ref)).toMatchObject({ ref })
    const dying = bench.store({ prefix, partitions, sendCommand: dyingAfter(1, bench.send) })
    await expect(dying.bind(ref, id, { dueInMs: hour })).rejects.toMatchObject({ code: 'store-unavailable' })
    steps.emit('go on')
    expect(await slowly).toBe('conflict')
    expect(await store.reserve(ref, draft(), { dueInMs: hour })).toEqual({ kind: 'bound', id })
  })

  it('lets the reference go with the tombstone when the record was finished before its binding', async () => {
    const { store, prefix } = await broken(2)
    await decide(store, id, 'worker')
    expect(await store.bind(ref, id, { dueInMs: 0 })).toBe('bound')
    const [key] = (await bench.raw('KEYS', `*${prefix}*:r:${ref}`)) as [string]
    expect(await bench.raw('PTTL', key)).toBeGreaterThan(hour / 2)
    expect(await bench.raw('PTTL', key)).toBeLessThanOrEqual(hour)
  })

  async function makeDue(prefix: string, member: string): Promise<void> {
    const indexes = (await bench.raw('KEYS', `*${prefix}*:due`)) as string[]
    const changed = await Promise.all(indexes.map((key) => bench.raw('ZADD', key, 'XX', 'CH', '1', member)))
    expect(changed.filter((count) => count === 1).length).toBe(1)
  }
})

describeWith('redis-server', 'redisStore: sweeping partitions', () => {
  setUp()

  it('looks for what is due in all partitions, and takes only from those that have the oldest', async () => {
    const { send, commands } = recorder(bench.send)
    const store = bench.store({ sendCommand: send, partitions: 8 })
    await throughEverything(store, randomUUID())
    for (let index = 0; index < 40; index++) await store.add(record(`apr-${index}`), { dueInMs: 0 })
    commands.length = 0
    expect((await store.takeDue(2, hour)).length).toBe(2)
    expect(scriptCalls(commands)).toBeLessThanOrEqual(8 + 2)
    expect((await store.takeDue(100, hour)).length).toBe(38)
    commands.length = 0
    expect(await store.takeDue(100, hour)).toEqual([])
    expect(scriptCalls(commands)).toBe(8)
  })

  it('hands out what is due in the order of its time, whichever partition it is in', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix, partitions: 4 })
    const expected: string[] = []
    for (let index = 0; index < 40; index++) {
      const id = `apr-${index}`
      expected.push(id)
      await store.add(record(id), { dueInMs: hour })
      for (let partition = 0; partition < 4; partition++) {
        await bench.raw('ZADD', `{${prefix}:${partition}}:due`, 'XX', String(1_763_900_000_000 + index), `a:${id}`)
      }
    }
    const taken = [...(await store.takeDue(7, hour)), ...(await store.takeDue(100, hour))]
    expect(taken.map((key) => key.kind === 'approval' && key.id)).toEqual(expected)
  })

  it('asks one partition once', async () => {
    const { send, commands } = recorder(bench.send)
    const store = bench.store({ sendCommand: send })
    await throughEverything(store, randomUUID())
    commands.length = 0
    await store.takeDue(100, hour)
    expect(commands.length).toBe(1)
  })

  it('hands out what other partitions hold while one fails, and fails only where nothing was taken', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix, partitions: 2 })
    for (let index = 0; index < 20; index++) await store.add(record(`apr-${index}`), { dueInMs: 0 })
    const failing = bench.store({
      prefix,
      partitions: 2,
      sendCommand: (args, key) =>
        key.startsWith(`{${prefix}:1}`) ? Promise.reject(new Error('CLUSTERDOWN')) : bench.send(args, key),
    })
    const taken = await failing.takeDue(32, hour)
    expect(taken.length).toBeGreaterThan(0)
    expect(taken.length).toBeLessThan(20)
    await expect(failing.takeDue(32, hour)).rejects.toMatchObject({ code: 'store-unavailable' })
    expect((await store.takeDue(32, hour)).length).toBe(20 - taken.length)
  })

  it('drops what stands in the due index and nowhere else', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix })
    await bench.raw('ZADD', `{${prefix}:0}:due`, '1', 'a:gone', '1', 'r:gone', '1', 'b:gone')
    await store.takeDue(10, 0)
    expect(await store.claim('gone', 'worker', hour, {})).toEqual({ kind: 'unknown' })
    expect(await store.reservation('gone')).toBeNull()
    expect(await store.stats()).toMatchObject({ open: 0 })
  })

  it('puts a record that the due index lost back with the next claim', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix })
    await store.add(record('id'), { dueInMs: 0 })
    await bench.raw('DEL', `{${prefix}:0}:due`)
    await store.claim('id', 'worker', 0, {})
    expect(await store.takeDue(10, hour)).toEqual([{ kind: 'approval', id: 'id' }])
  })

  it('refuses a cursor that it did not give', async () => {
    const store = bench.store({ partitions: 2 })
    for (const cursor of ['', 'x', 'W10', Buffer.from('[["1"],null]').toString('base64url')]) {
      await expect(store.list({ state: 'open', limit: 1, cursor })).rejects.toMatchObject({ code: 'argument-invalid' })
    }
  })
})

describeWith('redis-server', 'redisStore: entries that cannot be read', () => {
  setUp()
  const change = (what: string): string =>
    `local values = cmsgpack.unpack(redis.call('GET', KEYS[1])) ${what} redis.call('SET', KEYS[1], cmsgpack.pack(values))`
  // Nothing else about it is odd: only its version tells that it may mean something else.
  const newer = change('values[1] = 2')
  const damages: Readonly<Record<string, string>> = {
    'is text of somebody else': `redis.call('SET', KEYS[1], 'hello')`,
    'is empty': `redis.call('SET', KEYS[1], '')`,
    'was cut off': `redis.call('SET', KEYS[1], redis.call('GETRANGE', KEYS[1], 0, 40))`,
    'is of another type': `redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], 'hello')`,
    'is of a newer version': newer,
    'has no more than a state': `redis.call('SET', KEYS[1], cmsgpack.pack({ 1, 'open' }))`,
    'is finished, and nobody wrote how': `redis.call('SET', KEYS[1], cmsgpack.pack({ 1, 'done' }))`,
    'has lost its details': change(`values[6] = false`),
    'has a table for its context': change(`values[7] = { 'null' }`),
    'has a text for the time it was made': change(`values[3] = 'yesterday'`),
    'has a text for its fence': change(`values[10] = 'many'`),
    'is in a state that nobody knows': change(`values[2] = 'lost'`),
  }

  for (const [damage, script] of Object.entries(damages)) {
    it(`leaves alone what ${damage}, and goes on with the rest`, async () => {
      const prefix = randomUUID()
      const store = bench.store({ prefix })
      await store.add(record('bad'), { dueInMs: 0 })
      await store.add(record('good'), { dueInMs: 0 })
      const key = `{${prefix}:0}:a:bad`
      await bench.raw('EVAL', script, '1', key)
      const before = await bench.raw('DUMP', key)

      expect(await store.claim('bad', 'worker', hour, {})).toEqual({ kind: 'unreadable' })
      expect(await store.complete('bad', 'worker', { outcome: 'approved', result: null }, hour)).toBe('lost')
      const answer = { code: 'store-answer' }
      await expect(store.add(record('bad'), { dueInMs: 0 })).rejects.toMatchObject(answer)
      await expect(store.knock('bad', { withinMs: 0 })).rejects.toMatchObject(answer)
      await expect(store.cancel('bad', hour)).rejects.toMatchObject(answer)
      await expect(store.retry('bad')).rejects.toMatchObject(answer)
      await expect(store.get('bad')).rejects.toMatchObject(answer)
      const { items } = await store.list({ state: 'open', limit: 10 })
      expect(items.map((item) => item.state === 'pending' && item.record.id)).toEqual(['good'])
      expect(await store.takeDue(10, hour)).toHaveLength(2)
      expect(await bench.raw('DUMP', key)).toBe(before)
    })
  }

  it('leaves a reservation of a newer version alone, and goes on with the rest', async () => {
    const prefix = randomUUID()
    const store = bench.store({ prefix })
    await store.reserve('bad', draft(), { dueInMs: 0 })
    await store.reserve('good', draft(), { dueInMs: 0 })
    await bench.raw('EVAL', newer, '1', `{${prefix}:0}:r:bad`)
    const answer = { code: 'store-answer' }
    await expect(store.reserve('bad', draft(), { dueInMs: 0 })).rejects.toMatchObject(answer)
    await expect(store.bind('bad', 'id', { dueInMs: 0 })).rejects.toMatchObject(answer)
    await expect(store.hold('bad', 'id')).rejects.toMatchObject(answer)
    await expect(store.discard('bad')).rejects.toMatchObject(answer)
    await expect(store.postpone('bad', 0)).rejects.toMatchObject(answer)
    await expect(store.reservation('bad')).rejects.toMatchObject(answer)
    expect((await store.reservations({ limit: 10 })).items.map(({ ref }) => ref)).toEqual(['good'])
    expect(await store.takeDue(10, hour)).toHaveLength(2)
  })
})

describeWith('redis-server', 'redisStore: a server without memory', () => {
  it('takes nothing new, and lets everything that it holds end', async () => {
    const server = await startRedis({ maxmemory: '8mb', 'maxmemory-policy': 'noeviction' })
    const own = await openBench(server.url)
    const store = own.store()
    try {
      await store.add(record('runs'), { dueInMs: 0 })
      await store.add(record('parks'), { dueInMs: 0 })
      await store.add(record('cancelled'), { dueInMs: 0 })
      await store.claim('parks', 'worker', hour, {})
      await store.reserve('ref', draft(), { dueInMs: 0 })
      let kept = 0
      const details = JSON.stringify('x'.repeat(1_000))
      for (;;) {
        const added = await Promise.allSettled(
          Array.from({ length: 200 }, (_, index) => store.add(record(`${kept}-${index}`, { details }), { dueInMs: 0 })),
        )
        kept += added.filter(({ status }) => status === 'fulfilled').length
        const refused = added.find((each) => each.status === 'rejected')
        if (refused === undefined) continue
        expect(refused.reason).toMatchObject({ code: 'store-full' })
        break
      }
      expect(kept).toBeGreaterThan(1_000)
      expect((await store.stats()).open).toBe(kept + 4)
      // Nothing that is freed from now on makes room.
      await own.raw('CONFIG', 'SET', 'maxmemory', '1mb')
      await expect(store.reserve('new', draft(), { dueInMs: 0 })).rejects.toMatchObject({ code: 'store-full' })
      await expect(store.hold('ref', 'candidate')).rejects.toMatchObject({ code: 'store-full' })

      expect(await store.postpone('ref', 0)).toBe('postponed')
      expect(await store.bind('ref', 'bound', { dueInMs: 0 })).toBe('bound')
      expect(await store.knock('runs', { withinMs: 0 })).toBe('knocked')
      expect(await store.claim('runs', 'one', hour, {})).toMatchObject({ kind: 'claimed' })
      expect(await store.extend('runs', 'one', hour)).toBe('extended')
      expect(await store.release('runs', 'one', { dueInMs: 0, notBeforeMs: 0 })).toBe('released')
      await decide(store, 'runs', 'two')
      expect(await store.park('parks', 'worker', 'edit-invalid', '')).toBe('parked')
      expect(await store.retry('parks')).toBe('pending')
      expect(await store.cancel('cancelled', hour)).toBe('cancelled')
      expect((await store.takeDue(3, hour)).length).toBe(3)
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
    // Until the first synchronization is over, WAIT counts nobody.
    while ((await own.raw('WAIT', '1', '100')) !== 1);
  })
  afterAll(async () => {
    replica.thaw()
    await own.close()
    await Promise.all([primary.stop(), replica.stop()])
  })

  it('waits for them after each write that is acknowledged', async () => {
    const { send, commands } = recorder(own.send)
    const store = own.store({ sendCommand: send, minReplicas: 1 })
    await throughEverything(store, 'all')
    expect(commands.filter(([name]) => name === 'WAIT').length).toBeGreaterThan(10)
    expect(new Set(commands.filter(([name]) => name === 'WAIT').map((args) => args.join(' ')))).toEqual(
      new Set(['WAIT 1 1000']),
    )
  })

  it('rejects a write that too few of them have, and takes it when it is repeated', async () => {
    const store = own.store({ minReplicas: 1, replicaTimeoutMs: 50 })
    replica.freeze()
    await expect(store.add(record('id'), { dueInMs: 0 })).rejects.toMatchObject({ code: 'store-unavailable' })
    replica.thaw()
    expect(await own.store({ minReplicas: 1 }).add(record('id'), { dueInMs: 0 })).toBe('added')
    expect(await store.add(record('id'), { dueInMs: 0 })).toBe('exists')
  })
})

/** Bytes of memory for each of many entries. */
async function growth(own: RedisBench, write: (index: number) => Promise<unknown>): Promise<number> {
  const used = async () => Number(/used_memory:(\d+)/.exec(String(await own.raw('INFO', 'memory')))?.[1])
  const before = await used()
  const entries = 25_000
  for (let from = 0; from < entries; from += 1_000) {
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => write(from + index)))
  }
  return ((await used()) - before) / entries
}
