import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { isCheqpointError } from '../../src/model/errors.js'
import { isMemoryStore, memoryStore } from '../../src/stores/memory/memory-store.js'
import type { Entry, Store } from '../../src/stores/store.js'
import { storeContract } from '../../src/testing/store-contract.js'
import { bytesInUse } from '../support/heap.js'
import { overlayStore } from '../support/overlay-store.js'

const epoch = 1_767_225_600_000
const far = epoch + 3_600_000

/** A store whose clock only the test moves. */
function createTimed(maxPending?: number) {
  let now = epoch
  return {
    store: memoryStore({ maxPending, clock: { now: () => now, elapsed: () => now } }),
    advance: async (ms: number): Promise<void> => {
      now += ms
    },
  }
}

const entry = (stamp: string, change: Partial<Entry> = {}): Entry => ({
  stamp,
  dueAt: null,
  parkedAt: null,
  state: {},
  ...change,
})

const add = (store: Store, key: string): Promise<boolean> => store.write(key, null, entry(key), { intake: true })

const isFull = (error: unknown): boolean => isCheqpointError(error, 'store-full')

describe('the store contract', () => {
  for (const { name, run } of storeContract({ create: async () => createTimed() })) test(name, run)
})

describe('the store contract in real time', () => {
  for (const { name, run } of storeContract({ create: async () => ({ store: memoryStore() }) })) {
    test.concurrent(name, run)
  }
})

test('store time follows elapsed time and ignores jumps of the wall clock', async () => {
  let [now, elapsed] = [epoch, 0]
  const store = memoryStore({ clock: { now: () => now, elapsed: () => elapsed } })
  ;[now, elapsed] = [far, 250]
  expect(await store.read('a:one')).toEqual({ now: epoch + 250, entry: null })
})

test('the store contract passes in real time on a store that is sometimes slow', async () => {
  const pause = (): Promise<void> => sleep(Math.random() < 0.1 ? 60 : Math.random() * 6)
  const slowed = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return async (...args: unknown[]) => {
          await pause()
          const answer: unknown = await value(...args)
          await pause()
          return answer
        }
      },
    })
  const rules = storeContract({ create: async () => ({ store: slowed(memoryStore()) }) })
  await Promise.all(rules.map(({ run }) => run()))
})

describe('maxPending', () => {
  test('limits the number of open entries exactly', async () => {
    const { store } = createTimed(2)
    await add(store, 'a:1')
    await add(store, 'r:1')
    await expect(add(store, 'a:2')).rejects.toSatisfy(isFull)
    expect((await store.read('a:1')).entry).not.toBeNull()
    expect((await store.read('a:2')).entry).toBeNull()
  })

  test('a full store serves its keys, and accepts writes that are not new work', async () => {
    const { store } = createTimed(1)
    await add(store, 'a:1')
    expect(await add(store, 'a:1')).toBe(true)
    expect(await store.write('a:1', null, entry('other'), { intake: true })).toBe(false)
    expect(await store.write('a:2', 'missing', entry('s'), { intake: true })).toBe(false)
    expect(await store.write('a:1', 'a:1', entry('next', { dueAt: far }), { intake: true })).toBe(true)
    expect(await store.write('a:2', null, entry('a:2'))).toBe(true)
  })

  test('a parked entry counts, a tombstone does not', async () => {
    const { store } = createTimed(1)
    await add(store, 'a:1')
    await store.write('a:1', 'a:1', entry('parked', { parkedAt: epoch }))
    await expect(add(store, 'a:2')).rejects.toSatisfy(isFull)
    await store.write('a:1', 'parked', entry('done'), { keepMs: 1_000 })
    expect(await add(store, 'a:2')).toBe(true)
  })
})

describe('tombstones', () => {
  test('expire under a clock that begins at zero', async () => {
    let now = 0
    const store = memoryStore({ clock: { now: () => now, elapsed: () => now } })
    await store.write('a:1', null, entry('s'), { keepMs: 1_000 })
    now = 1_001
    expect((await store.read('a:1')).entry).toBeNull()
  })

  test('large ones evict the least recently used, from the indexes too, but never an open entry', async () => {
    const { store } = createTimed()
    await add(store, 'a:open')
    const state = { result: 'x'.repeat(1_000_000) }
    for (let index = 0; index < 70; index++)
      await store.write(`a:${index}`, null, entry('s', { state, dueAt: far + index }), { keepMs: 60_000 })
    expect((await store.read('a:0')).entry).toBeNull()
    expect((await store.read('a:69')).entry).not.toBeNull()
    expect((await store.read('a:open')).entry).not.toBeNull()
    const { items } = await store.list('due', { limit: 100 })
    expect(items.map(({ key }) => key)).not.toContain('a:0')
    expect(items.length).toBeLessThan(68)
  })

  test('an expired one is neither taken nor counted as the next due key', async () => {
    const { store, advance } = createTimed()
    await store.write('a:1', null, entry('s', { dueAt: epoch + 10 }), { keepMs: 5 })
    await store.write('a:2', null, entry('s', { dueAt: epoch + 100 }))
    await advance(20)
    expect(await store.takeDue(10, 1_000)).toEqual({ keys: [], nextDueInMs: 80 })
  })
})

test('entries are deeply frozen', async () => {
  const { store } = createTimed()
  await store.write('a:1', null, entry('s', { state: { list: [{ deep: 1 }] } }))
  const { entry: stored } = await store.read('a:1')
  const list = stored?.state['list']
  expect([stored, stored?.state, list, Array.isArray(list) && list[0]].map(Object.isFrozen)).toEqual(
    Array(4).fill(true),
  )
})

test('each method does its work before it returns its promise', async () => {
  const { store } = createTimed()
  const written = store.write('a:1', null, entry('s', { dueAt: 1 }))
  const taken = store.takeDue(1, 1_000)
  expect([await written, (await taken).keys]).toEqual([true, ['a:1']])
})

test('store time starts at the wall clock, and stands still while the clock runs backwards', async () => {
  let elapsed = 5_000.7
  const store = memoryStore({ clock: { now: () => epoch + 0.4, elapsed: () => elapsed } })
  expect((await store.read('a:1')).now).toBe(epoch)
  elapsed -= 3_000
  expect((await store.read('a:1')).now).toBe(epoch)
})

test('a memory store is recognized, and a wrapper around it is not', () => {
  expect(isMemoryStore(memoryStore())).toBe(true)
  expect(isMemoryStore(overlayStore(memoryStore(), {}))).toBe(false)
})

describe('options', () => {
  test.each([
    [{ maxPending: 0 }, 'option-invalid'],
    [{ maxPending: 1.5 }, 'option-invalid'],
    [{ maxPending: Number.POSITIVE_INFINITY }, 'option-invalid'],
    [{ maxPending: '10' }, 'option-invalid'],
    [{ clock: {} }, 'option-invalid'],
    [{ clock: null }, 'option-invalid'],
    [{ max: 10 }, 'option-unknown'],
  ] as const)('%o is refused as %s', (options, code) => {
    // Wrong types on purpose, as callers without a compiler pass them.
    expect(() => memoryStore(options as never)).toThrow(expect.objectContaining({ code }))
  })

  test('undefined means the default', () => {
    expect(() => memoryStore({ maxPending: undefined, clock: undefined })).not.toThrow()
  })
})

describe('in production', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
  })

  test('each store warns once that it loses entries on restart, with the line that fixes it', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const store = memoryStore()
    await add(store, 'a:1')
    expect(warn).toHaveBeenCalledTimes(1)
    const fix = "sqliteStore('approvals.db') from 'cheqpoint-callback/sqlite'"
    expect(warn).toHaveBeenCalledWith(expect.stringContaining(fix), { code: 'CHEQPOINT_MEMORY_STORE' })
  })

  test('no store warns outside of production', () => {
    vi.stubEnv('NODE_ENV', 'test')
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    memoryStore()
    expect(warn).not.toHaveBeenCalled()
  })
})

test('an open entry with 300 bytes of details and context takes less than 1 KB', async () => {
  const entries = 50_000
  const { store } = createTimed(entries)
  // From a buffer: the engine's concatenated strings may share memory or hold more than they show.
  const text = (length: number, index: number) =>
    Buffer.from(`${index}`.padStart(length, '0'), 'latin1').toString('latin1')
  const before = bytesInUse()
  for (let index = 0; index < entries; index++) {
    const state = {
      kind: 'approval',
      ref: text(22, index),
      details: { text: text(150, index) },
      context: { text: text(150, index) },
      token: null,
      attempts: 0,
    }
    await store.write(text(24, index), null, entry(text(22, index), { state, dueAt: far + index }), { intake: true })
  }
  const bytes = (bytesInUse() - before) / entries
  expect((await store.count()).open).toBe(entries)
  expect(bytes).toBeGreaterThan(300)
  expect(bytes).toBeLessThan(1_024)
})

describe('the due index', () => {
  test('frees the old due times of a key', async () => {
    const { store } = createTimed()
    const [keys, moves] = [100, 50_000]
    let stamp = 0
    const move = (key: string, before: string | null, dueAt: number | null): Promise<boolean> =>
      store.write(key, before, entry(`${stamp}`, { dueAt }))
    for (; stamp < keys; stamp++) await move(`a:${stamp}`, null, far)
    const before = bytesInUse()
    for (; stamp < moves; stamp++)
      await move(`a:${stamp % keys}`, `${stamp - keys}`, far + ((stamp * 7_919) % 1_000_003))
    expect((bytesInUse() - before) / moves).toBeLessThan(8)
    expect((await store.count()).open).toBe(keys)
  })

  test('frees its memory when all keys have left', async () => {
    const { store } = createTimed()
    const before = bytesInUse()
    const keys = Array.from({ length: 50_000 }, (_, index) => `a:${index}`)
    for (const [index, key] of keys.entries()) await store.write(key, null, entry('first', { dueAt: far + index }))
    for (const key of keys.splice(0)) await store.write(key, 'first', entry('last'), { keepMs: 1 })
    await store.takeDue(0, 1)
    expect((await store.count()).open).toBe(0)
    expect(bytesInUse() - before).toBeLessThan(50_000_000)
  })

  test('returns keys in order after many moves', async () => {
    const moves = fc.array(fc.tuple(fc.nat(1_999), fc.oneof(fc.nat(20), fc.nat(1_000), fc.constant(null))), {
      maxLength: 3_000,
      size: 'max',
    })
    await fc.assert(
      fc.asyncProperty(moves, async (steps) => {
        const { store } = createTimed()
        const model = new Map<string, { stamp: string; at: number | null }>()
        for (const [turn, [item, at]] of steps.entries()) {
          const [key, stamp] = [`a:${item}`, `${turn}`]
          const known = model.get(key)
          expect(await store.write(key, known?.stamp ?? null, entry(stamp, { dueAt: at }))).toBe(true)
          model.set(key, { stamp, at })
        }
        const due = [...model].flatMap(([key, { at }]) => (at === null ? [] : [{ key, at }]))
        const expected = due.sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1)).map(({ key }) => key)
        expect(await store.takeDue(0, 1)).toEqual({ keys: [], nextDueInMs: expected.length === 0 ? null : 0 })
        expect((await store.takeDue(7, 1_000)).keys).toEqual(expected.slice(0, 7))
        expect((await store.takeDue(3_000, 1_000)).keys).toEqual(expected.slice(7))
      }),
      { numRuns: 50 },
    )
  })
})
