import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { add, claim, nudge } from '../../../src/approvals/approval.js'
import { compact, type OpenApproval } from '../../../src/approvals/entry.js'
import { Records, storeTimeoutMs } from '../../../src/approvals/records.js'
import { CheqpointError, isCheqpointError, memoryStore } from '../../../src/index.js'
import { Lease } from '../../../src/pipeline/lease.js'
import type { Store, Stored } from '../../../src/stores/store.js'
import { overlayStore } from '../../support/overlay-store.js'
import { approved, beginning, newer, request, start } from './samples.js'

const key = 'a:req_1'
const leaseMs = 30_000
const runs = { leaseMs, timeoutMs: 1, concurrency: 1, maxAttempts: 1, backoffMs: [1, 1] } as const
let elapsed = 0
const clock = { now: () => start + elapsed, elapsed: () => elapsed }
const newOpen: OpenApproval = {
  ...{ kind: 'open', ...request, trace: null, since: start, fence: 0, attempts: 0, holder: null, leaseEnd: null },
  ...{ counted: false, notBefore: 0, nudged: false, quickPolls: 0, decision: null, parked: null },
}
const byAdd = (stored: Stored) => add(stored, { request, beginning })

function recordsOver(store: Store): Records {
  return new Records({ store, clock, random: () => 0.5 })
}

async function tracked(): Promise<Store> {
  const store = memoryStore({ clock })
  await recordsOver(store).change(key, byAdd)
  return store
}

function coded(code: string): unknown {
  return expect.toSatisfy((error) => isCheqpointError(error) && error.code === code)
}

beforeEach(() => {
  elapsed = 0
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a change', () => {
  it('reads once and writes once', async () => {
    const store = await tracked()
    const calls: string[] = []
    const counting = overlayStore(store, {
      read(...args) {
        calls.push('read')
        return store.read(...args)
      },
      write(...args) {
        calls.push('write')
        return store.write(...args)
      },
    })
    await recordsOver(counting).change(key, (stored) => claim(stored, { token: 'a', leaseMs }))
    expect(calls).toEqual(['read', 'write'])
  })

  it('that a step refuses writes nothing', async () => {
    const store = await tracked()
    const write = vi.fn()
    const records = recordsOver(overlayStore(store, { write }))
    expect(await records.change(key, byAdd)).toMatchObject({ kind: 'exists' })
    expect(write).not.toHaveBeenCalled()
  })

  it('reads again where another writer won, and steps from what that one wrote', async () => {
    const store = await tracked()
    let intrusions = 1
    const contended = overlayStore(store, {
      async write(...args) {
        if (intrusions-- > 0) await recordsOver(store).change(key, (stored) => claimOver(stored, 'other'))
        return store.write(...args)
      },
    })
    const result = recordsOver(contended).change(key, (stored) => nudge(stored, { withinMs: 0 }))
    await vi.runAllTimersAsync()
    expect(await result).toEqual({ kind: 'nudged' })
    expect((await store.read(key)).entry?.state).toMatchObject({ nudged: true, fence: 1, holder: 'other' })
  })

  it('gives up with store-busy where another writer wins each time, never with lost', async () => {
    const store = await tracked()
    const never = overlayStore(store, { write: async () => false })
    const result = expect(recordsOver(never).change(key, (stored) => claimOver(stored, 'a'))).rejects.toEqual(
      coded('store-busy'),
    )
    await vi.runAllTimersAsync()
    await result
  })

  it('whose response was lost may be repeated with the same token, and returns the same', async () => {
    const store = await tracked()
    let isLost = true
    const flaky = overlayStore(store, {
      async write(...args) {
        const answer = await store.write(...args)
        if (isLost) throw new Error('connection reset')
        return answer
      },
    })
    const records = recordsOver(flaky)
    const step = (stored: Stored) => claim(stored, { token: 'a', leaseMs })
    await expect(records.change(key, step)).rejects.toEqual(coded('store-unavailable'))
    isLost = false
    expect(await records.change(key, step)).toMatchObject({ kind: 'claimed', approval: { fence: 1 } })
  })

  it('freezes what it stores in memory, to the last object', async () => {
    const store = memoryStore({ clock })
    const decision = { ...approved, modifiedDetails: { order: { items: [{ id: 1 }] } } }
    await recordsOver(store).change(key, (stored) => add(stored, { request, beginning: { ...beginning, decision } }))
    const { entry } = await store.read(key)
    const edit = Object(entry?.state['decision']).modifiedDetails
    const parts = [
      entry,
      entry?.state,
      entry?.state['decision'],
      edit,
      edit.order,
      edit.order.items,
      edit.order.items[0],
    ]
    expect(parts.map(Object.isFrozen)).toEqual(Array(7).fill(true))
  })

  it('checks what others wrote to a memory store', async () => {
    const store = await tracked()
    const { stamp = '' } = (await store.read(key)).entry ?? {}
    const state = compact({ ...newOpen, quickPolls: 3 })
    await store.write(key, stamp, { stamp: 'other', dueAt: start, parkedAt: null, state })
    const records = recordsOver(store)
    expect((await records.begin(key, () => ({ result: 1 }))).stored.known).toEqual({ ...newOpen, quickPolls: 3 })
    await store.write(key, 'other', { stamp: 'next', dueAt: start, parkedAt: null, state: { ...state, fence: 'x' } })
    expect((await records.begin(key, () => ({ result: 1 }))).stored.known).toBe('unreadable')
  })

  it('leaves an entry of a newer version as it is', async () => {
    const store = memoryStore({ clock })
    if (newer.entry === null) throw new Error('no entry')
    await store.write(key, null, newer.entry)
    const records = recordsOver(store)
    await records.change(key, byAdd)
    await records.change(key, (stored) => claim(stored, { token: 'a', leaseMs, force: true, nudge: true }))
    expect((await store.read(key)).entry).toEqual(newer.entry)
  })
})

function claimOver({ now, entry }: Stored, token: string): ReturnType<typeof claim> {
  return claim({ now: now + leaseMs, entry }, { token, leaseMs })
}

describe('a holder', () => {
  async function claimed(store: Store) {
    const records = recordsOver(store)
    const { result, ...stepped } = await records.begin(key, (stored) => claim(stored, { token: 'a', leaseMs }))
    if (result.kind !== 'claimed') throw new Error(result.kind)
    const lease = new Lease('req_1', 'a', result.approval, stepped, { records, clock, runs, retentionMs: 900_000 })
    return { records, lease }
  }

  it('goes on from what it wrote without reading', async () => {
    const store = await tracked()
    const { lease } = await claimed(store)
    const reading = vi.spyOn(store, 'read')
    expect(await lease.recordDecision(approved, true)).toBe(true)
    expect(await lease.complete(null)).toBe('completed')
    expect(reading).not.toHaveBeenCalled()
  })

  it('reads again where a nudge came between, and keeps its lease', async () => {
    const store = await tracked()
    const { lease } = await claimed(store)
    await recordsOver(store).change(key, (stored) => nudge(stored, { withinMs: 0 }))
    expect(await lease.extend()).toBe('extended')
    expect((await store.read(key)).entry?.state).toMatchObject({ nudged: true, holder: 'a' })
  })

  it('learns that another took over, and writes nothing', async () => {
    const store = await tracked()
    const { lease } = await claimed(store)
    await recordsOver(store).change(key, (stored) => claimOver(stored, 'b'))
    expect(await lease.extend()).toBe('lost')
    expect((await store.read(key)).entry?.state).toMatchObject({ holder: 'b' })
  })

  it('counts the time of the store from when its read was sent, so that a lease ends no earlier there', async () => {
    const store = await tracked()
    const slow = overlayStore(store, {
      async read(...args) {
        elapsed += 400
        const answer = await store.read(...args)
        elapsed += 600
        return answer
      },
    })
    const { lease } = await claimed(slow)
    expect(lease.leftMs()).toBe(leaseMs - 1_000)
    expect(lease.ageMs).toBe(400 + 1_000)
    await lease.extend()
    expect(Number((await store.read(key)).entry?.state['leaseEnd'])).toBeGreaterThanOrEqual(start + elapsed + leaseMs)
  })

  it('may write again after a lost response: what was written counts once', async () => {
    const store = await tracked()
    let isLost = false
    const flaky = overlayStore(store, {
      async write(...args) {
        const answer = await store.write(...args)
        if (isLost) throw new Error('connection reset')
        return answer
      },
    })
    const { lease } = await claimed(flaky)
    isLost = true
    await expect(lease.recordDecision(approved, true)).rejects.toEqual(coded('store-unavailable'))
    isLost = false
    expect(await lease.recordDecision(approved, true)).toBe(true)
    expect(lease.approval.attempts).toBe(1)
  })

  it('prepares the write of a transaction over what is stored, and none once it is completed', async () => {
    const store = await tracked()
    const { lease } = await claimed(store)
    await lease.recordDecision(approved, true)
    const { step } = lease.transaction(null)
    const recorded = await store.read(key)
    expect(step(recorded)).toMatchObject({ expected: recorded.entry?.stamp, keepMs: 900_000 })
    expect(await lease.complete(null)).toBe('completed')
    expect(step(await store.read(key))).toBeNull()
    expect(step({ now: 0, entry: null })).toBeNull()
  })
})

describe('a store', () => {
  it('that hangs is given up after its time, whatever the call', async () => {
    const hanging = new Proxy(memoryStore({ clock }), { get: () => () => new Promise(() => {}) })
    const records = recordsOver(hanging)
    const calls = [
      records.read(key),
      records.change(key, byAdd),
      records.takeDue(1, 1),
      records.list('due', { limit: 1 }),
      records.count(),
      records.remove(key, 'digest'),
      records.check(),
    ]
    const ends = Promise.allSettled(calls)
    await vi.advanceTimersByTimeAsync(storeTimeoutMs)
    for (const end of await ends) expect(end).toMatchObject({ reason: coded('store-unavailable') })
  })

  it.each([
    [
      'rejects',
      async () => {
        throw new Error('not connected')
      },
    ],
    [
      'throws at once',
      () => {
        throw new Error('not connected')
      },
    ],
  ])('that %s without a code is unavailable, and its error the cause', async (_, read) => {
    const rejected = recordsOver(overlayStore(memoryStore({ clock }), { read })).read(key)
    await expect(rejected).rejects.toEqual(coded('store-unavailable'))
    await expect(rejected).rejects.toHaveProperty('cause.message', 'not connected')
  })

  it('that rejects with a code of ours keeps it', async () => {
    const full = async () => {
      throw new CheqpointError('store-full', 'full')
    }
    const records = recordsOver(overlayStore(memoryStore({ clock }), { write: full }))
    await expect(records.change(key, byAdd)).rejects.toEqual(coded('store-full'))
  })

  it.each([
    ['nothing', undefined],
    ['no time', { entry: null }],
    ['a time that is none', { now: Number.NaN, entry: null }],
    ['an entry without a stamp', { now: 1, entry: { dueAt: null, parkedAt: null, state: {} } }],
    ['an entry whose state is a list', { now: 1, entry: { stamp: 's', dueAt: null, parkedAt: null, state: [] } }],
    ['an entry whose time is text', { now: 1, entry: { stamp: 's', dueAt: '1', parkedAt: null, state: {} } }],
    ['no entry at all', { now: 1 }],
    ['a digest that is no text', { now: 1, entry: null, unreadable: 1 }],
  ])('whose read returns %s is refused', async (_, answer) => {
    // A store of the app, with a bug in it.
    const store = overlayStore(memoryStore({ clock }), { read: async () => answer as unknown as Stored })
    await expect(recordsOver(store).change(key, byAdd)).rejects.toEqual(coded('store-response'))
  })

  it.each([
    ['an entry', { now: 1, entry: null }],
    ['undefined', undefined],
    ['null', null],
  ])('whose read is not asynchronous, and returns %s, is refused with the fix', async (_, answer) => {
    const store = overlayStore(memoryStore({ clock }), { read: () => answer as unknown as Promise<Stored> })
    const failure = { code: 'store-response', message: 'read() of the store must return a promise' }
    await expect(recordsOver(store).change(key, byAdd)).rejects.toMatchObject(failure)
  })

  it.each([undefined, null, 1, 'OK'])('whose write returns %s is refused', async (answer) => {
    const store = overlayStore(memoryStore({ clock }), { write: async () => answer as unknown as boolean })
    await expect(recordsOver(store).change(key, byAdd)).rejects.toEqual(coded('store-response'))
  })

  it.each([undefined, [], { keys: 'a:1', nextDueInMs: 0 }, { keys: [1], nextDueInMs: 0 }, { keys: [] }])(
    'whose takeDue returns %j is refused',
    async (answer) => {
      const takeDue = async () => answer as unknown as Awaited<ReturnType<Store['takeDue']>>
      const store = overlayStore(memoryStore({ clock }), { takeDue })
      await expect(recordsOver(store).takeDue(1, 1)).rejects.toEqual(coded('store-response'))
    },
  )

  it.each([
    undefined,
    { items: 'none', cursor: null },
    { items: [null], cursor: null },
    { items: [{ key: 5, entry: null }], cursor: null },
    { items: [{ key: 'a:1', entry: {} }], cursor: null },
    { items: [], cursor: 5 },
  ])('whose list returns %j is refused', async (answer) => {
    const list = async () => answer as unknown as Awaited<ReturnType<Store['list']>>
    const store = overlayStore(memoryStore({ clock }), { list })
    await expect(recordsOver(store).list('due', { limit: 1 })).rejects.toEqual(coded('store-response'))
  })

  it.each([
    undefined,
    { open: 1, parked: 0 },
    { open: '1', parked: 0, overdueMs: 0 },
    { open: 1, parked: 0, overdueMs: Number.NaN },
  ])('whose count returns %j is refused', async (answer) => {
    const count = async () => answer as unknown as Awaited<ReturnType<Store['count']>>
    await expect(recordsOver(overlayStore(memoryStore({ clock }), { count })).count()).rejects.toEqual(
      coded('store-response'),
    )
  })

  it.each([undefined, 'fine', [5]])('whose check returns %j is refused', async (answer) => {
    const check = async () => answer as unknown as readonly string[]
    await expect(recordsOver(overlayStore(memoryStore({ clock }), { check })).check()).rejects.toEqual(
      coded('store-response'),
    )
  })

  it('without a check has no warnings', async () => {
    expect(await recordsOver(memoryStore({ clock })).check()).toEqual([])
  })
})

it('no two names are the same, in any process', () => {
  const [one, other] = [recordsOver(memoryStore({ clock })), recordsOver(memoryStore({ clock }))]
  const names = Array.from({ length: 100 }, () => [one.newToken(), other.newToken()]).flat()
  expect(new Set(names).size).toBe(200)
  for (const name of names) expect(name).toMatch(/^[\x21-\x7e]{1,64}$/)
})
