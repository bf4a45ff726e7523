import { describe, expect, it } from 'vitest'
import { add } from '../../../src/approvals/approval.js'
import { bind, finishBinding } from '../../../src/approvals/bind.js'
import { approvalKey, readApproval, readReservation, reservationKey } from '../../../src/approvals/entry.js'
import { Records } from '../../../src/approvals/records.js'
import * as steps from '../../../src/approvals/reservation.js'
import { memoryStore } from '../../../src/index.js'
import type { Store } from '../../../src/stores/store.js'
import { overlayStore } from '../../support/overlay-store.js'
import { beginning, request, start } from './samples.js'

const times = { runs: { leaseMs: 30_000 }, retentionMs: 900_000 }

/** A submission that was sent, over a store whose writes may be made to fail. */
async function sentSubmission(digest: string | null = null) {
  let elapsed = 0
  const clock = { now: () => start + elapsed, elapsed: () => elapsed }
  const inner = memoryStore({ clock })
  let writesLeft = Number.POSITIVE_INFINITY
  const store: Store = overlayStore(inner, {
    async write(...args) {
      if (writesLeft-- <= 0) throw new Error('the process died')
      return inner.write(...args)
    },
  })
  const records = new Records({ store, clock, random: () => 0 })
  const key = reservationKey('ref_1')
  const command = { owner: 'a', request, digest, dueInMs: 45_000, inFlightMs: 15_000 }
  await records.change(key, (stored) => steps.reserve(stored, command))
  await records.change(key, (stored) => steps.markSent(stored, { owner: 'a', dueInMs: 45_000 }))
  return {
    records,
    pass: (ms: number) => {
      elapsed += ms
    },
    dieAfter: (writes: number) => {
      writesLeft = writes
    },
    bind: (id = 'req_1') => bind({ records, ...times }, 'ref_1', id, beginning),
    reservation: async () => readReservation(await inner.read(key)),
    approval: async (id = 'req_1') => readApproval(await inner.read(approvalKey(id))),
    addElsewhere: (id: string, ref: string | null) =>
      records.change(approvalKey(id), (stored) => add(stored, { request: { ...request, ref }, beginning })),
  }
}

describe('bind', () => {
  it('joins a reference and an id, however often it is called', async () => {
    const world = await sentSubmission('d')
    expect([await world.bind(), await world.bind()]).toEqual(['bound', 'bound'])
    expect(await world.approval()).toMatchObject({ kind: 'open', ref: 'ref_1', since: start })
    expect(await world.reservation()).toMatchObject({ kind: 'bound', id: 'req_1', digest: 'd' })
  })

  it.each([1, 2])('that stopped after %i of its writes is resumed, and adds the approval once', async (writes) => {
    const world = await sentSubmission('d')
    world.dieAfter(writes)
    await expect(world.bind()).rejects.toThrow()
    world.dieAfter(Number.POSITIVE_INFINITY)
    const half = await world.reservation()
    if (half === null || half === 'unreadable' || half.kind !== 'binding') throw new Error('not half-bound')
    expect(await finishBinding({ records: world.records, ...times }, 'ref_1', half)).toBe('bound')
    expect(await finishBinding({ records: world.records, ...times }, 'ref_1', half)).toBe('bound')
    expect(await world.approval()).toMatchObject({ kind: 'open', ref: 'ref_1', fence: 0 })
    expect(await world.reservation()).toMatchObject({ kind: 'bound', id: 'req_1' })
  })

  it('finds a conflict where the reference has another id already', async () => {
    const world = await sentSubmission('d')
    await world.bind('req_1')
    expect(await world.bind('req_2')).toBe('conflict')
    expect(await world.approval('req_2')).toBeNull()
  })

  it('ends another binding first that stopped half-way', async () => {
    const world = await sentSubmission('d')
    world.dieAfter(1)
    await expect(world.bind('req_1')).rejects.toThrow()
    world.dieAfter(Number.POSITIVE_INFINITY)
    expect(await world.bind('req_2')).toBe('conflict')
    expect(await world.approval('req_1')).toMatchObject({ kind: 'open', ref: 'ref_1' })
  })

  it.each(['ref_2', null])('opens the reservation again where the id belongs to %s', async (ref) => {
    const world = await sentSubmission('d')
    await world.addElsewhere('req_1', ref)
    expect(await world.bind('req_1')).toBe('conflict')
    expect(await world.reservation()).toMatchObject({ kind: 'reserved', sent: true })
    expect(await world.bind('req_2')).toBe('bound')
  })

  it('counts an approval of the same reference as written', async () => {
    const world = await sentSubmission()
    await world.addElsewhere('req_1', 'ref_1')
    expect(await world.bind()).toBe('bound')
  })

  it('returns unknown where there is no reservation', async () => {
    const world = await sentSubmission()
    await world.records.change(reservationKey('ref_1'), (stored) => steps.discard(stored, { by: 'person' }))
    expect(await world.bind()).toBe('unknown')
    expect(await world.approval()).toBeNull()
  })

  it('parks an approval that it adds so late that a tombstone of it may be gone', async () => {
    const world = await sentSubmission('d')
    world.dieAfter(1)
    await expect(world.bind()).rejects.toThrow()
    world.dieAfter(Number.POSITIVE_INFINITY)
    world.pass(times.retentionMs)
    expect(await world.bind()).toBe('bound')
    expect(await world.approval()).toMatchObject({ parked: { reason: 'attempt-unfinished' } })
  })

  it('does not, a moment before', async () => {
    const world = await sentSubmission('d')
    world.dieAfter(1)
    await expect(world.bind()).rejects.toThrow()
    world.dieAfter(Number.POSITIVE_INFINITY)
    world.pass(times.retentionMs - 1)
    expect(await world.bind()).toBe('bound')
    expect(await world.approval()).toMatchObject({ parked: null })
  })
})
