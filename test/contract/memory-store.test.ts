import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { isCheqpointError } from '../../src/model/errors.js'
import { type Due, DueQueue } from '../../src/stores/memory/due-queue.js'
import { memoryStore } from '../../src/stores/memory/memory-store.js'
import type { Draft } from '../../src/stores/record.js'
import type { Store } from '../../src/stores/store.js'
import { storeContract } from '../../src/testing/store-contract.js'
import { brokenStores } from '../support/broken-stores.js'
import { bytesInUse } from '../support/heap.js'

const epoch = 1_767_225_600_000

/** A store whose clock only its test moves. */
function createTimed(maxPending?: number): { readonly store: Store; readonly tick: (ms: number) => void } {
  let now = epoch
  return {
    store: memoryStore({ maxPending, clock: { now: () => Number.NaN, elapsed: () => now } }),
    tick: (ms) => {
      now += ms
    },
  }
}

const draft: Draft = {
  ref: null,
  action: 'process_refund',
  assistant: null,
  expiresAt: null,
  details: '{}',
  context: 'null',
}
const due = { dueInMs: 60_000 }

const add = (store: Store, id: string) => store.add({ ...draft, id }, due)

describe('the store contract', () => {
  for (const { name, run } of storeContract({ create: async () => createTimed() })) test(name, run)
})

describe('the store contract in real time', () => {
  for (const { name, run } of storeContract({ create: async () => ({ store: memoryStore() }) })) {
    test.concurrent(name, run)
  }
})

describe('the store contract catches', () => {
  test.each(brokenStores)('$bug', async ({ breaks, wrap }) => {
    const harness = {
      async create() {
        const timed = createTimed()
        return { ...timed, store: wrap(timed.store) }
      },
    }
    const broken: string[] = []
    for (const { name, run } of storeContract(harness)) await run().catch(() => broken.push(name))
    expect(broken).toContainEqual(expect.stringContaining(breaks))
  })
})

describe('maxPending', () => {
  test('the store takes as many open records as it allows, and not one more', async () => {
    const { store } = createTimed(3)
    await add(store, 'apr-1')
    await add(store, 'apr-2')
    await store.reserve('ref-1', draft, due)
    await expect(add(store, 'apr-3')).rejects.toSatisfy((error) => isCheqpointError(error, 'store-full'))
    await expect(store.reserve('ref-2', draft, due)).rejects.toSatisfy((error) => isCheqpointError(error, 'store-full'))
    expect(await store.stats()).toEqual({ open: 3, parked: 0, overdueMs: 0 })
    expect(await store.get('apr-1')).not.toBeNull()
  })

  test('a full store still answers for what it knows, and binds', async () => {
    const { store } = createTimed(2)
    await add(store, 'apr-1')
    await store.reserve('ref-1', draft, due)
    expect(await add(store, 'apr-1')).toBe('exists')
    expect(await store.reserve('ref-1', draft, due)).toEqual({ kind: 'open' })
    expect(await store.bind('ref-1', 'apr-2', due)).toBe('bound')
    expect(await store.reserve('ref-1', draft, due)).toEqual({ kind: 'bound', id: 'apr-2' })
  })

  test('a parked record takes room, a finished one gives it back', async () => {
    const { store } = createTimed(1)
    await add(store, 'apr-1')
    await store.claim('apr-1', 'a', 1_000, {})
    await store.park('apr-1', 'a', 'edit-invalid', '')
    await expect(add(store, 'apr-2')).rejects.toSatisfy((error) => isCheqpointError(error, 'store-full'))
    await store.cancel('apr-1', 1_000)
    expect(await add(store, 'apr-2')).toBe('added')
    await expect(store.reserve('ref-1', draft, due)).rejects.toSatisfy((error) => isCheqpointError(error, 'store-full'))
  })

  test('a discarded reservation gives its room back', async () => {
    const { store } = createTimed(1)
    await store.reserve('ref-1', draft, due)
    await store.discard('ref-1')
    expect(await add(store, 'apr-1')).toBe('added')
  })
})

describe('tombstones', () => {
  test('a reference is free again once the tombstone of its record is gone', async () => {
    const { store, tick } = createTimed()
    await store.reserve('ref-1', draft, due)
    await store.bind('ref-1', 'apr-1', due)
    await store.cancel('apr-1', 1_000)
    tick(1_000)
    expect(await store.reserve('ref-1', draft, due)).toEqual({ kind: 'bound', id: 'apr-1' })
    tick(1)
    expect(await store.hold('ref-1', 'apr-1')).toBe('unknown')
    expect(await store.reserve('ref-1', draft, due)).toEqual({ kind: 'reserved' })
    expect(await store.bind('ref-1', 'apr-1', due)).toBe('bound')
    expect(await store.cancel('apr-1', 1_000)).toBe('cancelled')
    expect(await store.reserve('ref-1', draft, due)).toEqual({ kind: 'bound', id: 'apr-1' })
  })

  test('no retention leaves none, and frees the reference', async () => {
    const { store } = createTimed()
    await store.reserve('ref-1', draft, due)
    await store.bind('ref-1', 'apr-1', due)
    await store.cancel('apr-1', 0)
    expect(await store.get('apr-1')).toBeNull()
    expect(await store.reserve('ref-1', draft, due)).toEqual({ kind: 'reserved' })
  })

  test('tombstones end under a clock that begins at zero', async () => {
    let now = 0
    const store = memoryStore({ clock: { now: () => now, elapsed: () => now } })
    await add(store, 'apr-1')
    await store.cancel('apr-1', 1_000)
    now = 1_001
    expect(await store.get('apr-1')).toBeNull()
  })

  test('heavy ones push out the least recently used, and never an open record', async () => {
    const { store } = createTimed()
    await add(store, 'open')
    const result = JSON.stringify('x'.repeat(1_000_000))
    for (let index = 0; index < 70; index++) {
      await add(store, `apr-${index}`)
      await store.claim(`apr-${index}`, 'a', 1_000, {})
      await store.complete(`apr-${index}`, 'a', { outcome: 'approved', result }, 60_000)
    }
    expect(await store.get('apr-0')).toBeNull()
    expect(await store.get('apr-69')).toMatchObject({ state: 'done' })
    expect(await store.get('open')).toMatchObject({ state: 'pending' })
  })
})

test('nothing is lost when the store is closed', async () => {
  const { store } = createTimed()
  await add(store, 'apr-1')
  await add(store, 'apr-2')
  await store.cancel('apr-2', 1_000)
  await store.close()
  expect(await store.get('apr-1')).toMatchObject({ state: 'pending' })
  expect(await store.get('apr-2')).toMatchObject({ state: 'done' })
})

test('keys due at the same moment are handed out in the order in which they came', async () => {
  const { store, tick } = createTimed()
  const ids = Array.from({ length: 20 }, (_, index) => `apr-${(index * 7) % 20}`)
  for (const id of ids) await add(store, id)
  tick(60_000)
  expect(await store.takeDue(20, 1_000)).toEqual(ids.map((id) => ({ kind: 'approval', id })))
})

test('what the store hands out cannot be changed by whoever has it', async () => {
  const { store } = createTimed()
  await add(store, 'apr-1')
  const answer = await store.claim('apr-1', 'a', 1_000, {})
  expect(answer.kind === 'claimed' && Object.isFrozen(answer.record)).toBe(true)
})

test('a cursor that no page gave is refused', async () => {
  const { store } = createTimed()
  for (const cursor of ['', 'next', '1', '1:x']) {
    await expect(store.list({ state: 'open', limit: 1, cursor })).rejects.toSatisfy((error) =>
      isCheqpointError(error, 'argument-invalid'),
    )
  }
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
    // Wrong types on purpose: this is what callers without a compiler do.
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

  test('each store warns once that it forgets', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const store = memoryStore()
    await add(store, 'apr-1')
    await store.check()
    expect(warn).toHaveBeenCalledTimes(1)
    expect(warn).toHaveBeenCalledWith(expect.any(String), { code: 'CHEQPOINT_MEMORY_STORE' })
  })

  test('elsewhere none does', () => {
    vi.stubEnv('NODE_ENV', 'test')
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    memoryStore()
    expect(warn).not.toHaveBeenCalled()
  })
})

test('an open record with 300 bytes of details and context takes less than 1 KB', async () => {
  const records = 50_000
  const { store } = createTimed(records)
  // From a buffer: a text put together by the engine may share memory with others, or hold more than it shows.
  const text = (length: number, index: number) =>
    Buffer.from(`${index}`.padStart(length, '0'), 'latin1').toString('latin1')
  const before = bytesInUse()
  for (let index = 0; index < records; index++) {
    const ref = text(22, index)
    await store.reserve(ref, { ...draft, details: text(150, index), context: text(150, index) }, due)
    await store.bind(ref, text(24, index), due)
  }
  const bytes = (bytesInUse() - before) / records
  expect((await store.stats()).open).toBe(records)
  expect(bytes).toBeGreaterThan(300)
  expect(bytes).toBeLessThan(1_024)
})

test('the due queue keeps nothing of the places that an item left', () => {
  const moves = 200_000
  const item = { order: 0, dueAt: moves, slot: null as Due['slot'] }
  const queue = new DueQueue<typeof item>()
  const before = bytesInUse()
  for (; item.dueAt > 0; item.dueAt--) queue.update(item)
  expect((bytesInUse() - before) / moves).toBeLessThan(8)
  expect(queue.first()).toBe(item)
})

test('the due queue hands out the earliest item, whatever moved before', () => {
  const changes = fc.array(fc.tuple(fc.nat(9), fc.oneof(fc.nat(20), fc.constant(Number.POSITIVE_INFINITY))), {
    maxLength: 300,
  })
  fc.assert(
    fc.property(changes, (steps) => {
      const items = Array.from({ length: 10 }, (_, order) => ({
        order,
        dueAt: Number.POSITIVE_INFINITY,
        slot: null as Due['slot'],
      }))
      const queue = new DueQueue<(typeof items)[number]>()
      for (const [index, dueAt] of steps) {
        const item = items[index]
        if (item === undefined) continue
        item.dueAt = dueAt
        queue.update(item)
        const queued = items.filter((each) => each.dueAt !== Number.POSITIVE_INFINITY)
        const earliest = Math.min(...queued.map((each) => each.dueAt))
        expect(queue.size).toBe(queued.length)
        expect(queue.first()).toBe(queued.find((each) => each.dueAt === earliest))
      }
    }),
  )
})
