import { describe, expect, it } from 'vitest'
import {
  addCandidate,
  beginBind,
  discard,
  discardUnsent,
  endBind,
  keepBound,
  keepEndedMs,
  markSent,
  maxCandidates,
  ownedMs,
  postpone,
  reserve,
} from '../../../src/approvals/reservation.js'
import type { Stored } from '../../../src/stores/store.js'
import { beginning, damaged, later, newer, nothing, request, start, through } from './samples.js'

const command = { owner: 'a', request, digest: 'd', dueInMs: 45_000, inFlightMs: 15_000 }
const byReserve = (more: object) => (stored: Stored) => reserve(stored, { ...command, ...more })
const bySent = (stored: Stored) => markSent(stored, { owner: 'a', dueInMs: 45_000 })
const byBind = (id: string) => (stored: Stored) => beginBind(stored, { id, beginning, dueInMs: 30_000 })
const byEnd = (bound: boolean) => (stored: Stored) => endBind(stored, { id: 'req_1', bound, dueInMs: 60_000 })
const byDiscard = (stored: Stored) => discard(stored, { by: 'person' })
const reserved = through(nothing, byReserve({}))
const sent = through(reserved, bySent)
const binding = through(sent, byBind('req_1'))
const bound = through(binding, byEnd(true))
const randomBound = through(nothing, byReserve({ digest: null }), bySent, byBind('req_1'), byEnd(true))
const discarded = through(sent, byDiscard)

describe('reserve', () => {
  it('keeps the request before it is sent, as new work for the store', () => {
    const { result, next } = reserve(nothing, command)
    expect(result).toEqual({ kind: 'reserved' })
    expect(next).toMatchObject({ dueAt: start + 45_000, intake: true, state: { owner: 'a', sent: false, request } })
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    expect(reserve(reserved, command)).toEqual({ result: { kind: 'reserved' } })
  })

  it('finds a live competitor in progress, and takes over what it did not send in time', () => {
    expect(reserve(later(reserved, ownedMs - 2), { ...command, owner: 'b' })).toEqual({
      result: { kind: 'in-progress' },
    })
    const { result, next } = reserve(later(reserved, ownedMs), { ...command, owner: 'b' })
    expect([result, next?.state]).toMatchObject([{ kind: 'reserved' }, { owner: 'b', sent: false }])
  })

  it('never takes over what may have been sent', () => {
    expect(reserve(sent, { ...command, owner: 'b' })).toEqual({ result: { kind: 'in-progress' } })
    expect(reserve(later(sent, 1e9), { ...command, owner: 'b' })).toEqual({ result: { kind: 'sent' } })
    expect(reserve(later(sent, 1e9), command)).toEqual({ result: { kind: 'sent' } })
  })

  it.each([
    ['reserved', reserved],
    ['sent', sent],
    ['binding', binding],
    ['bound', bound],
  ])('refuses the key for something else where it is %s, and writes nothing', (_, stored) => {
    expect(reserve(stored, { ...command, digest: 'other' })).toEqual({ result: { kind: 'key-reused' } })
  })

  it('finds the id that the key stands for', () => {
    expect(reserve(bound, command)).toEqual({ result: { kind: 'bound', id: 'req_1' } })
    expect(reserve(binding, command).result).toMatchObject({ kind: 'binding', reservation: { id: 'req_1' } })
  })

  it('takes over a key whose approval is forgotten, and no other', () => {
    expect(reserve(bound, { ...command, owner: 'b', forgotten: 'req_1' }).result).toEqual({ kind: 'reserved' })
    expect(reserve(bound, { ...command, owner: 'b', forgotten: 'req_2' })).toEqual({
      result: { kind: 'bound', id: 'req_1' },
    })
  })

  it('replaces what was discarded', () => {
    expect(reserve(discarded, { ...command, owner: 'b', digest: 'other' }).result).toEqual({ kind: 'reserved' })
  })

  it('leaves an entry of a newer version as it is', () => {
    for (const stored of [newer, damaged]) expect(reserve(stored, command)).toEqual({ result: { kind: 'unreadable' } })
  })
})

describe('markSent', () => {
  it('says that the request is about to be sent, and counts its age from now', () => {
    const { result, next } = bySent(later(reserved, 100))
    expect([result, next?.state]).toMatchObject(['sent', { sent: true, since: reserved.now + 100 }])
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    expect(bySent(sent)).toEqual({ result: 'sent' })
  })

  it.each([
    ['another took over', through(later(reserved, ownedMs), byReserve({ owner: 'b' }))],
    ['nothing is reserved', nothing],
    ['it was discarded', discarded],
    ['it is bound', bound],
    ['a newer version is stored', newer],
  ])('is lost where %s, so nothing is sent', (_, stored) => {
    expect(bySent(stored)).toEqual({ result: 'lost' })
  })
})

describe('addCandidate', () => {
  it('remembers an id, and leaves the reservation due when it was', () => {
    const { result, next } = addCandidate(sent, { id: 'req_9' })
    expect([result, next]).toMatchObject([
      { kind: 'kept' },
      { dueAt: sent.entry?.dueAt, state: { candidates: ['req_9'] } },
    ])
  })

  it('remembers each once, and a bounded number of them', () => {
    let stored = sent
    for (let at = 0; at < maxCandidates; at++)
      stored = through(stored, (each) => addCandidate(each, { id: `req_${at}` }))
    expect(addCandidate(stored, { id: 'req_0' })).toEqual({ result: { kind: 'kept' } })
    expect(addCandidate(stored, { id: 'req_9' })).toEqual({ result: { kind: 'full' } })
  })

  it('finds the id where there is one, and nothing where there is no reservation', () => {
    expect(addCandidate(binding, { id: 'req_9' })).toEqual({
      result: { kind: 'binding', reservation: expect.objectContaining({ id: 'req_1' }) },
    })
    for (const stored of [bound, randomBound])
      expect(addCandidate(stored, { id: 'req_9' })).toEqual({ result: { kind: 'bound', id: 'req_1' } })
    for (const stored of [nothing, discarded])
      expect(addCandidate(stored, { id: 'req_9' })).toEqual({ result: { kind: 'unknown' } })
    for (const stored of [newer, damaged])
      expect(addCandidate(stored, { id: 'req_9' })).toEqual({ result: { kind: 'unreadable' } })
  })
})

describe('beginBind', () => {
  it('gives the reservation its id, and stays due so that a binding that stops is resumed', () => {
    const { result, next } = byBind('req_1')(sent)
    expect([result, next]).toMatchObject([
      { kind: 'binding', reservation: { id: 'req_1', beginning } },
      { dueAt: sent.now + 30_000, state: { kind: 'binding' } },
    ])
  })

  it('makes the approval due at once where a callback named this very id', () => {
    const named = through(sent, (stored) => addCandidate(stored, { id: 'req_1' }))
    expect(byBind('req_1')(named).result).toMatchObject({ reservation: { beginning: { dueInMs: 0 } } })
    expect(byBind('req_2')(named).result).toMatchObject({ reservation: { beginning: { dueInMs: 15_000 } } })
  })

  it('keeps the first id, whichever comes later, and writes nothing', () => {
    expect(byBind('req_2')(binding)).toMatchObject({ result: { kind: 'binding', reservation: { id: 'req_1' } } })
    expect(byBind('req_2')(binding)).not.toHaveProperty('next')
    expect(byBind('req_2')(bound)).toEqual({ result: { kind: 'bound', id: 'req_1' } })
  })

  it.each([
    ['nothing is reserved', nothing],
    ['it was discarded', discarded],
    ['a newer version is stored', newer],
  ])('returns unknown where %s, and writes nothing', (_, stored) => {
    expect(byBind('req_1')(stored)).toEqual({ result: { kind: 'unknown' } })
  })
})

describe('endBind', () => {
  it('keeps a keyed reference, due when its approval may be over', () => {
    expect(byEnd(true)(binding)).toMatchObject({
      result: { kind: 'bound', id: 'req_1' },
      next: { dueAt: binding.now + 60_000, state: { kind: 'bound', digest: 'd' } },
    })
    expect(byEnd(true)(binding).next?.keepMs).toBeUndefined()
  })

  it('lets a random reference end by itself', () => {
    const half = through(nothing, byReserve({ digest: null }), bySent, byBind('req_1'))
    expect(byEnd(true)(half).next).toMatchObject({ dueAt: null, keepMs: keepEndedMs })
  })

  it('opens the reservation again where the id belongs to another, its candidates kept', () => {
    const named = through(sent, (stored) => addCandidate(stored, { id: 'req_9' }), byBind('req_1'))
    const { result, next } = byEnd(false)(named)
    expect(result).toEqual({ kind: 'unknown' })
    expect(next).toMatchObject({
      dueAt: named.now + 60_000,
      state: { kind: 'reserved', sent: true, candidates: ['req_9'] },
    })
    expect(next?.state).not.toHaveProperty('id')
  })

  it('changes nothing where the binding ended before, or is another', () => {
    expect(byEnd(true)(bound)).toEqual({ result: { kind: 'bound', id: 'req_1' } })
    expect(byEnd(false)(sent)).toEqual({ result: { kind: 'unknown' } })
    const other = through(sent, byBind('req_2'))
    expect(byEnd(true)(other)).toMatchObject({ result: { kind: 'binding', reservation: { id: 'req_2' } } })
    for (const stored of [other, nothing, discarded, newer]) expect(byEnd(true)(stored)).not.toHaveProperty('next')
  })
})

describe('keepBound', () => {
  it('is due again while the approval is open, and ends with its tombstone after that', () => {
    expect(keepBound(bound, { dueInMs: 60_000, keepMs: null }).next).toMatchObject({ dueAt: bound.now + 60_000 })
    expect(keepBound(bound, { dueInMs: 60_000, keepMs: 5_000 }).next).toMatchObject({ dueAt: null, keepMs: 5_000 })
    expect(keepBound(bound, { dueInMs: 60_000, keepMs: -1 }).next).toMatchObject({ keepMs: 1 })
  })

  it('changes nothing else', () => {
    for (const stored of [nothing, sent, binding, discarded, newer])
      expect(keepBound(stored, { dueInMs: 1, keepMs: null })).toEqual({ result: 'unknown' })
  })
})

describe('discard', () => {
  it('leaves a mark that ends by itself', () => {
    expect(byDiscard(sent)).toMatchObject({ result: 'discarded', next: { dueAt: null, keepMs: keepEndedMs } })
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    expect(byDiscard(discarded)).toEqual({ result: 'discarded' })
    expect(discard(discarded, { by: 'another' })).toEqual({ result: 'unknown' })
  })

  it('never forgets what has its id, or a newer version', () => {
    for (const stored of [binding, bound]) expect(byDiscard(stored)).toEqual({ result: 'bound' })
    for (const stored of [nothing, newer, damaged]) expect(byDiscard(stored)).toEqual({ result: 'unknown' })
  })

  it('of what was never sent leaves what its owner marked as sent meanwhile', () => {
    expect(discardUnsent(reserved, { by: 'sweep' }).result).toBe('discarded')
    expect(discardUnsent(sent, { by: 'sweep' })).toEqual({ result: 'sent' })
    for (const stored of [binding, bound]) expect(discardUnsent(stored, { by: 'sweep' })).toEqual({ result: 'bound' })
  })
})

describe('postpone', () => {
  it('makes an open reservation due in so long', () => {
    expect(postpone(sent, { dueInMs: 7 })).toMatchObject({ result: 'postponed', next: { dueAt: sent.now + 7 } })
  })

  it('changes nothing else', () => {
    for (const stored of [nothing, binding, bound, discarded, newer])
      expect(postpone(stored, { dueInMs: 7 })).toEqual({ result: 'unknown' })
  })
})
