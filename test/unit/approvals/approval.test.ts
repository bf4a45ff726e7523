import { describe, expect, it } from 'vitest'
import { add, claim, defer, nudge } from '../../../src/approvals/approval.js'
import { readApproval } from '../../../src/approvals/entry.js'
import { complete, park, recordDecision, release } from '../../../src/approvals/holder.js'
import type { Stored } from '../../../src/stores/store.js'
import { after, approved, beginning, damaged, later, newer, nothing, request, start, through } from './samples.js'

const leaseMs = 30_000
const byClaim =
  (token: string, more: object = {}) =>
  (stored: Stored) =>
    claim(stored, { token, leaseMs, ...more })
const pending = through(nothing, (stored) => add(stored, { request, beginning }))
const claimed = through(pending, byClaim('a'))
const recorded = through(claimed, (stored) =>
  recordDecision(stored, { token: 'a', leaseMs, decision: approved, countAttempt: true }),
)
const completed = through(recorded, (stored) => complete(stored, { token: 'a', result: '1', keepMs: 900_000 }))
const parked = through(claimed, (stored) => park(stored, { token: 'a', reason: 'adopted', note: '' }))

describe('add', () => {
  it('writes a pending approval that is due after its first wait, without any lease', () => {
    const { result, next } = add(nothing, { request, beginning })
    expect(result).toEqual({ kind: 'added' })
    expect(next).toMatchObject({
      dueAt: start + 15_000,
      parkedAt: null,
      state: { ...request, attempts: 0, holder: null },
    })
  })

  it('counts its age from `since` where that is given', () => {
    const { next } = add(nothing, { request, beginning, since: start - 500 })
    expect(next?.state).toMatchObject({ since: start - 500 })
  })

  it('keeps a decision that was in the response to the submission', () => {
    const { next } = add(nothing, { request, beginning: { ...beginning, decision: approved } })
    expect(next?.state).toMatchObject({ decision: approved })
  })

  it('parks what waits for a person from the start, out of the due index', () => {
    const { next } = add(nothing, { request, beginning: { ...beginning, parked: 'adopted' } })
    expect(next).toMatchObject({ dueAt: null, parkedAt: start, state: { parked: { reason: 'adopted' } } })
  })

  it('is new work for the store only where its command says so, with a reference or without', () => {
    for (const ref of ['ref_1', null]) {
      const command = { request: { ...request, ref }, beginning }
      expect(add(nothing, command).next?.intake).toBe(false)
      expect(add(nothing, { ...command, intake: true }).next?.intake).toBe(true)
    }
  })

  it.each([
    ['an open approval', pending],
    ['a tombstone', completed],
    ['a parked one', parked],
  ])('finds %s, and writes nothing', (_, stored) => {
    const step = add(stored, { request, beginning })
    expect(step).toEqual({ result: { kind: 'exists', known: readApproval(stored) } })
  })

  it.each([
    ['a newer version', newer],
    ['damage', damaged],
  ])('never writes over an entry of %s', (_, stored) => {
    expect(add(stored, { request, beginning })).toEqual({ result: { kind: 'exists', known: 'unreadable' } })
  })
})

describe('claim', () => {
  it('of a recorded decision counts the attempt once a token, though its lease ran out in between', () => {
    const again = claim(later(recorded, leaseMs), { token: 'a', leaseMs })
    expect(again.result).toMatchObject({ kind: 'claimed', approval: { attempts: 1, fence: 2 } })
  })

  it('takes a free approval, due again when its lease ends', () => {
    const { result, next } = claim(pending, { token: 'a', leaseMs })
    expect(result).toMatchObject({ kind: 'claimed', approval: { holder: 'a', fence: 1, attempts: 0 } })
    expect(next).toMatchObject({ dueAt: pending.now + leaseMs, state: { leaseEnd: pending.now + leaseMs } })
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    const first = claim(pending, { token: 'a', leaseMs })
    expect(claim(claimed, { token: 'a', leaseMs })).toEqual({ result: first.result })
  })

  it('is refused while another lease lives, and writes nothing', () => {
    expect(claim(later(claimed, leaseMs - 2), { token: 'b', leaseMs, force: true })).toEqual({
      result: { kind: 'in-progress', forMs: 1, recorded: false },
    })
  })

  it('returns that the decision is recorded where it is in progress with one', () => {
    expect(claim(recorded, { token: 'b', leaseMs }).result).toMatchObject({ kind: 'in-progress', recorded: true })
  })

  it('takes over at the moment when the lease ends, with a higher fence', () => {
    const { result } = claim(later(claimed, leaseMs - 1), { token: 'b', leaseMs })
    expect(result).toMatchObject({ kind: 'claimed', approval: { holder: 'b', fence: 2 } })
  })

  it('gives a token whose lease was taken over and over again a new lease', () => {
    const taken = through(later(claimed, leaseMs), byClaim('b'))
    const { result } = claim(later(taken, leaseMs), { token: 'a', leaseMs })
    expect(result).toMatchObject({ kind: 'claimed', approval: { holder: 'a', fence: 3 } })
  })

  it('waits for the end of the minimum interval, and writes nothing', () => {
    const released = through(claimed, (stored) => release(stored, { token: 'a', dueInMs: 9_000, notBeforeMs: 2_000 }))
    expect(claim(released, { token: 'b', leaseMs })).toEqual({ result: { kind: 'too-soon', inMs: 1_999 } })
    expect(claim(later(released, 1_999), { token: 'b', leaseMs }).result.kind).toBe('claimed')
    expect(claim(released, { token: 'b', leaseMs, force: true }).result.kind).toBe('claimed')
  })

  it('counts an attempt where the decision is recorded, and none where it is not', () => {
    const again = claim(later(recorded, leaseMs), { token: 'b', leaseMs })
    expect(again.result).toMatchObject({ approval: { attempts: 2, counted: true, decision: approved } })
    expect(claim(pending, { token: 'a', leaseMs }).next?.state).toMatchObject({ attempts: 0, counted: false })
  })

  it('finds the tombstone of what is completed, and writes nothing', () => {
    expect(claim(completed, { token: 'b', leaseMs, nudge: true, force: true })).toEqual({
      result: { kind: 'completed', tombstone: readApproval(completed) },
    })
  })

  it('refuses what is parked, and writes nothing', () => {
    expect(claim(parked, { token: 'b', leaseMs, nudge: true, force: true })).toEqual({
      result: { kind: 'parked', reason: 'adopted' },
    })
  })

  it('refuses the token of another approval, whatever became of this one, and writes nothing', () => {
    for (const stored of [pending, claimed, parked, completed]) {
      const step = claim(stored, { token: 'b', leaseMs, ref: 'ref_2', nudge: true })
      expect(step).toEqual({ result: { kind: 'token-mismatch' } })
    }
    expect(claim(pending, { token: 'b', leaseMs, ref: 'ref_1' }).result.kind).toBe('claimed')
  })

  it.each([
    ['unknown', nothing],
    ['unreadable', newer],
    ['unreadable', damaged],
  ])('returns %s, and writes nothing', (kind, stored) => {
    expect(claim(stored, { token: 'b', leaseMs, nudge: true, force: true })).toEqual({ result: { kind } })
  })
})

describe('a nudge', () => {
  it('makes a waiting approval due within its time, and never later than it was', () => {
    expect(nudge(pending, { withinMs: 1_000 }).next).toMatchObject({
      dueAt: pending.now + 1_000,
      state: { nudged: true },
    })
    expect(nudge(pending, { withinMs: 99_000 }).next?.dueAt).toBe(start + 15_000)
  })

  it('makes it due no earlier than the minimum interval allows', () => {
    const released = through(claimed, (stored) => release(stored, { token: 'a', dueInMs: 9_000, notBeforeMs: 2_000 }))
    expect(nudge(released, { withinMs: 0 }).next?.dueAt).toBe(released.now + 1_999)
  })

  it('leaves a leased approval due at the end of its lease', () => {
    expect(nudge(claimed, { withinMs: 0 }).next).toMatchObject({
      dueAt: claimed.entry?.dueAt,
      state: { nudged: true, holder: 'a' },
    })
  })

  it('changes nothing on what is nudged, recorded, parked, completed or unknown', () => {
    const nudged = through(pending, (stored) => nudge(stored, { withinMs: 0 }))
    expect(nudge(nudged, { withinMs: 0 })).toEqual({ result: { kind: 'nudged' } })
    expect(nudge(recorded, { withinMs: 0 })).toEqual({ result: { kind: 'nudged' } })
    for (const stored of [parked, completed, nothing, newer, damaged])
      expect(nudge(stored, { withinMs: 0 })).not.toHaveProperty('next')
  })

  it('by a claim of a callback counts like any other, and is written with the claim', () => {
    expect(claim(pending, { token: 'a', leaseMs, nudge: true }).next?.state).toMatchObject({ nudged: true })
    const { result, next } = claim(claimed, { token: 'b', leaseMs, nudge: true })
    expect(result.kind).toBe('in-progress')
    expect(next).toMatchObject({ dueAt: claimed.entry?.dueAt, state: { holder: 'a', nudged: true } })
    expect(claim(through(claimed, byNudge), { token: 'b', leaseMs, nudge: true })).not.toHaveProperty('next')
  })

  it('of another approval is refused, and writes nothing', () => {
    expect(nudge(pending, { ref: 'ref_2', withinMs: 0 })).toEqual({ result: { kind: 'token-mismatch' } })
  })
})

function byNudge(stored: Stored) {
  return nudge(stored, { withinMs: 0 })
}

describe('defer', () => {
  it('makes an approval without a lease due in `dueInMs`', () => {
    expect(defer(pending, { dueInMs: 40_000 })).toMatchObject({
      result: 'deferred',
      next: { dueAt: pending.now + 40_000 },
    })
    expect(defer(later(claimed, leaseMs), { dueInMs: 5 }).result).toBe('deferred')
  })

  it.each([
    ['leased', claimed],
    ['parked', parked],
    ['completed', completed],
    ['unknown', nothing],
    ['of a newer version', newer],
  ])('leaves what is %s as it is', (_, stored) => {
    expect(defer(stored, { dueInMs: 5 })).toEqual({ result: 'unchanged' })
  })
})

it('every step over an entry of a newer version, or over damage, writes nothing', () => {
  for (const stored of [newer, damaged]) {
    const token = 'me'
    const steps = [
      add(stored, { request, beginning }),
      claim(stored, { token, leaseMs, force: true, nudge: true }),
      nudge(stored, { withinMs: 0 }),
      defer(stored, { dueInMs: 0 }),
    ]
    for (const step of steps) expect(step.next).toBeUndefined()
  }
})

it('a normal decision is one claim, one record and one completion', () => {
  const ran = through(
    pending,
    byClaim('a'),
    (stored) => recordDecision(stored, { token: 'a', leaseMs, decision: approved, countAttempt: true }),
    (stored) => complete(stored, { token: 'a', result: '{"id":7}', keepMs: 900_000 }),
  )
  expect(readApproval(ran)).toEqual({
    ...{ kind: 'completed', holder: 'a', ref: 'ref_1', action: 'refund', assistant: null },
    ...{ outcome: 'approved', decision: approved, result: '{"id":7}', until: ran.now - 1 + 900_000 },
  })
  expect(after(add(nothing, { request, beginning }), nothing).entry?.stamp).toBe(`s${start}`)
})
