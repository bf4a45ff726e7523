import { describe, expect, it } from 'vitest'
import { add, claim } from '../../../src/approvals/approval.js'
import { complete, park, recordDecision } from '../../../src/approvals/holder.js'
import { cancel, forget, parkUnheld, retry } from '../../../src/approvals/operator.js'
import { markSent, reserve } from '../../../src/approvals/reservation.js'
import { approved, beginning, damaged, later, newer, nothing, request, through } from './samples.js'

const leaseMs = 30_000
const keepMs = 900_000
const pending = through(nothing, (stored) => add(stored, { request, beginning }))
const claimed = through(pending, (stored) => claim(stored, { token: 'a', leaseMs }))
const recorded = through(claimed, (stored) =>
  recordDecision(stored, { token: 'a', leaseMs, decision: approved, countAttempt: true }),
)
const parked = through(recorded, (stored) => park(stored, { token: 'a', reason: 'handler-failed', note: '' }))
const completed = through(recorded, (stored) => complete(stored, { token: 'a', result: null, keepMs }))

describe('parkUnheld', () => {
  const parking = { token: 'b', reason: 'too-many-attempts' } as const

  it('parks what was never claimed, or whose lease ran out', () => {
    for (const stored of [pending, later(claimed, leaseMs)])
      expect(parkUnheld(stored, parking)).toMatchObject({
        result: 'parked',
        next: { dueAt: null, parkedAt: stored.now, state: { leaseEnd: null, parked: { reason: 'too-many-attempts' } } },
      })
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    expect(parkUnheld(parked, parking)).toEqual({ result: 'parked' })
  })

  it.each([
    ['leased', claimed],
    ['completed', completed],
    ['unknown', nothing],
    ['of a newer version', newer],
  ])('leaves what is %s as it is', (_, stored) => {
    expect(parkUnheld(stored, parking)).toEqual({ result: 'lost' })
  })
})

describe('retry', () => {
  it('makes a parked approval due at once, its attempts forgotten and its decision kept', () => {
    const { result, next } = retry(parked, { by: 'person' })
    expect(result).toBe('pending')
    expect(next).toMatchObject({ dueAt: parked.now, parkedAt: null })
    expect(next?.state).toMatchObject({
      attempts: 0,
      counted: false,
      parked: null,
      decision: approved,
      leaseEnd: null,
    })
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    const pendingAgain = through(parked, (stored) => retry(stored, { by: 'person' }))
    expect(retry(pendingAgain, { by: 'person' })).toEqual({ result: 'pending' })
    expect(retry(pendingAgain, { by: 'another' })).toEqual({ result: 'not-parked' })
  })

  it('takes every right from the holder that parked it', () => {
    const pendingAgain = through(parked, (stored) => retry(stored, { by: 'person' }))
    expect(complete(pendingAgain, { token: 'a', result: null, keepMs })).toEqual({ result: 'lost' })
  })

  it.each([
    ['not-parked', pending],
    ['not-parked', claimed],
    ['not-parked', completed],
    ['unknown', nothing],
    ['not-parked', newer],
  ])('returns %s, and writes nothing', (result, stored) => {
    expect(retry(stored, { by: 'person' })).toEqual({ result })
  })
})

describe('cancel', () => {
  it.each([
    ['pending', pending],
    ['parked', parked],
    ['left by a holder whose lease ran out', later(claimed, leaseMs)],
  ])('ends what is %s without a run', (_, stored) => {
    expect(cancel(stored, { by: 'person', keepMs })).toMatchObject({
      result: 'cancelled',
      next: { dueAt: null, parkedAt: null, keepMs, state: { kind: 'completed', outcome: 'cancelled', decision: null } },
    })
  })

  it('is refused while a lease lives, and writes nothing', () => {
    expect(cancel(claimed, { by: 'person', keepMs })).toEqual({ result: 'in-progress' })
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    const cancelled = through(pending, (stored) => cancel(stored, { by: 'person', keepMs }))
    expect(cancel(cancelled, { by: 'person', keepMs })).toEqual({ result: 'cancelled' })
    expect(cancel(cancelled, { by: 'another', keepMs })).toEqual({ result: 'completed' })
  })

  it('never removes an entry of a newer version, or what is damaged', () => {
    for (const stored of [newer, damaged])
      expect(cancel(stored, { by: 'person', keepMs })).toEqual({ result: 'unknown' })
  })
})

describe('forget', () => {
  const command = { owner: 'a', request, digest: 'd', dueInMs: 45_000, inFlightMs: 15_000 }
  const sent = through(
    nothing,
    (stored) => reserve(stored, command),
    (stored) => markSent(stored, { owner: 'a', dueInMs: 45_000 }),
  )
  const entry = { stamp: 's', dueAt: 1, parkedAt: null, state: { kind: 'nonsense' } }

  it.each([
    ['a submission', sent],
    ['what is damaged of one', { ...nothing, entry }],
  ])('discards %s, once', (_, stored) => {
    const step = forget(stored, { by: 'person' })
    expect(step).toMatchObject({
      result: 'discarded',
      next: { dueAt: null, keepMs, state: { kind: 'discarded', by: 'person' } },
    })
    const discarded = through(stored, () => step)
    expect(forget(discarded, { by: 'person' })).toEqual({ result: 'discarded' })
    expect(forget(discarded, { by: 'another' })).toEqual({ result: 'unknown' })
  })

  it.each([
    ['of a newer version', newer],
    ['that no store can read', damaged],
    ['where there is none', nothing],
  ])('leaves a reference %s as it is', (_, stored) => {
    expect(forget(stored, { by: 'person' })).toEqual({ result: 'unknown' })
  })
})
