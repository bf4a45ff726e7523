import { describe, expect, it } from 'vitest'
import { add, claim, nudge, quickPolls } from '../../../src/approvals/approval.js'
import { complete, extend, park, recordDecision, release } from '../../../src/approvals/holder.js'
import type { Stored } from '../../../src/stores/store.js'
import { approved, beginning, damaged, later, newer, nothing, request, through } from './samples.js'

const leaseMs = 30_000
const keepMs = 900_000
const recording = { token: 'a', leaseMs, decision: approved, countAttempt: true }
const rejected = { ...approved, status: 'rejected' } as const
const pending = through(nothing, (stored) => add(stored, { request, beginning }))
const claimed = through(pending, (stored) => claim(stored, { token: 'a', leaseMs }))
const recorded = through(claimed, (stored) => recordDecision(stored, recording))
const expired = later(recorded, leaseMs)
const takenOver = through(expired, (stored) => claim(stored, { token: 'b', leaseMs }))
const letGo = { token: 'a', dueInMs: 9_000, notBeforeMs: 2_000 }
const released = through(claimed, (stored) => release(stored, letGo))
const completed = through(recorded, (stored) => complete(stored, { token: 'a', result: null, keepMs }))
const parking = { token: 'a', reason: 'edit-invalid', note: '/amount' } as const
const parked = through(claimed, (stored) => park(stored, parking))

/** Each step of a holder, as the token `a` takes it. */
const steps = {
  extend: (stored: Stored) => extend(stored, { token: 'a', leaseMs }),
  recordDecision: (stored: Stored) => recordDecision(stored, recording),
  release: (stored: Stored) => release(stored, letGo),
  complete: (stored: Stored) => complete(stored, { token: 'a', result: null, keepMs }),
  park: (stored: Stored) => park(stored, parking),
}

describe.each(Object.entries(steps))('%s', (_, step) => {
  it.each([
    ['another holder took over', takenOver],
    ['nothing is stored', nothing],
    ['was never claimed', pending],
    ['a newer version is stored', newer],
    ['what is stored is damaged', damaged],
    [
      'another run completed it',
      through(takenOver, (stored) => complete(stored, { token: 'b', result: null, keepMs })),
    ],
  ])('is lost where %s, and writes nothing', (_what, stored) => {
    const { result, next } = step(stored)
    expect([JSON.stringify(result).includes('lost'), next]).toEqual([true, undefined])
  })

  it('is accepted after the lease ran out, unless another holder took over', () => {
    expect(step(expired).next).toBeDefined()
  })
})

describe('extend', () => {
  it('moves the end of the lease and the due time to a whole lease from now', () => {
    expect(steps.extend(later(claimed, 10_000))).toMatchObject({
      result: 'extended',
      next: { dueAt: claimed.now + 40_000, state: { leaseEnd: claimed.now + 40_000 } },
    })
  })

  it('is lost once the lease was given back', () => {
    expect(steps.extend(released)).toEqual({ result: 'lost' })
  })
})

describe('recordDecision', () => {
  it('writes the decision, counts the attempt and renews the lease at once', () => {
    const { result, next } = steps.recordDecision(later(claimed, 1_000))
    expect(result).toMatchObject({ kind: 'recorded', approval: { decision: approved, attempts: 1, counted: true } })
    expect(next).toMatchObject({ dueAt: claimed.now + 31_000, state: { leaseEnd: claimed.now + 31_000 } })
  })

  it('keeps the first decision, whatever comes later', () => {
    const again = recordDecision(takenOver, { ...recording, token: 'b', decision: rejected })
    expect(again.result).toMatchObject({ approval: { decision: approved } })
  })

  it('counts the attempt once however often it is repeated', () => {
    const twice = through(recorded, steps.recordDecision)
    expect(steps.recordDecision(twice).result).toMatchObject({ kind: 'recorded', approval: { attempts: 1 } })
  })

  it('ends the quick polls and the nudge', () => {
    const nudged = through(claimed, (stored) => nudge(stored, { withinMs: 0 }))
    expect(steps.recordDecision(nudged).next?.state).toMatchObject({ nudged: false, quickPolls: 0 })
  })

  it('without a place for the handler gives the approval back, due now, without an attempt', () => {
    const { result, next } = recordDecision(claimed, { ...recording, countAttempt: false })
    expect(result).toMatchObject({ kind: 'recorded', approval: { attempts: 0 } })
    expect(next).toMatchObject({ dueAt: claimed.now, state: { leaseEnd: null, notBefore: 0 } })
  })

  it('returns the same when that is repeated, and writes nothing', () => {
    const given = { ...recording, countAttempt: false }
    const back = through(claimed, (stored) => recordDecision(stored, given))
    expect(recordDecision(back, given)).toMatchObject({ result: { kind: 'recorded' } })
    expect(recordDecision(back, given)).not.toHaveProperty('next')
  })

  it('is lost where the lease was given back undecided, or the approval parked', () => {
    expect(steps.recordDecision(released)).toEqual({ result: { kind: 'lost' } })
    expect(steps.recordDecision(parked)).toEqual({ result: { kind: 'lost' } })
  })
})

describe('release', () => {
  it('makes the approval due in so long, and not before the minimum interval', () => {
    expect(steps.release(claimed)).toMatchObject({
      result: 'released',
      next: { dueAt: claimed.now + 9_000, state: { leaseEnd: null, notBefore: claimed.now + 2_000, holder: 'a' } },
    })
  })

  it('of a nudged approval makes it due no later than it would be without the nudge', () => {
    const nudgedLate = through(claimed, (stored) => nudge(stored, { withinMs: 0 }))
    expect(release(nudgedLate, { ...letGo, dueInMs: 1_000 }).next).toMatchObject({ dueAt: nudgedLate.now + 1_000 })
  })

  it('of a recorded decision owes a callback no quick poll', () => {
    const again = through(expired, (stored) => claim(stored, { token: 'c', leaseMs, nudge: true }))
    expect(release(again, { ...letGo, token: 'c' }).next).toMatchObject({
      dueAt: again.now + 9_000,
      state: { quickPolls: 0 },
    })
  })

  it('without a minimum interval delays no claim, though the time of a holder may be ahead of the store', () => {
    const { next } = release(later(claimed, 1), { ...letGo, notBeforeMs: 0 })
    expect(next).toMatchObject({ state: { notBefore: 0 } })
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    expect(steps.release(released)).toEqual({ result: 'released' })
  })

  it('follows a nudge that came meanwhile: three polls at the minimum interval, then back-off', () => {
    let stored = through(claimed, (each) => nudge(each, { withinMs: 0 }))
    const waits: number[] = []
    for (let poll = 0; poll <= quickPolls; poll++) {
      const { next } = steps.release(stored)
      waits.push(Number(next?.dueAt) - stored.now)
      stored = through(stored, steps.release)
      stored = through(later(stored, 9_000), (each) => claim(each, { token: 'a', leaseMs }))
    }
    expect(waits).toEqual([...Array.from({ length: quickPolls }, () => 2_000), 9_000])
  })

  it('gives back the attempt that this token counted, and no other', () => {
    const giveAttemptBack = true
    const { next } = release(recorded, { ...letGo, giveAttemptBack })
    expect(next?.state).toMatchObject({ attempts: 0, counted: false })
    const uncounted = release(claimed, { ...letGo, giveAttemptBack })
    expect(uncounted.next?.state).toMatchObject({ attempts: 0 })
    const second = release(takenOver, { ...letGo, token: 'b', giveAttemptBack })
    expect(second.next?.state).toMatchObject({ attempts: 1 })
  })

  it('keeps the recorded decision', () => {
    expect(steps.release(recorded).next?.state).toMatchObject({ decision: approved, attempts: 1 })
  })

  it('is lost where the approval is parked', () => {
    expect(steps.release(parked)).toEqual({ result: 'lost' })
  })
})

describe('complete', () => {
  it('leaves a tombstone for so long and erases details and context', () => {
    const { result, next } = complete(recorded, { token: 'a', result: '1', keepMs })
    expect(result).toBe('completed')
    expect(next).toMatchObject({ dueAt: null, parkedAt: null, keepMs, state: { kind: 'completed', result: '1' } })
    expect(next?.state).not.toHaveProperty('details')
    expect(next?.state).not.toHaveProperty('context')
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    expect(steps.complete(completed)).toEqual({ result: 'completed' })
  })

  it('is lost without a recorded decision, or once the lease was given back', () => {
    expect(steps.complete(claimed)).toEqual({ result: 'lost' })
    expect(steps.complete(through(recorded, steps.release))).toEqual({ result: 'lost' })
  })
})

describe('park', () => {
  it('takes the approval out of the due index and into the parked one, with a note', () => {
    expect(steps.park(claimed)).toMatchObject({
      result: 'parked',
      next: { dueAt: null, parkedAt: claimed.now, state: { parked: { reason: 'edit-invalid', note: '/amount' } } },
    })
  })

  it('returns the same when it is repeated, and writes nothing', () => {
    expect(steps.park(parked)).toEqual({ result: 'parked' })
  })

  it('is lost once the lease was given back', () => {
    expect(steps.park(released)).toEqual({ result: 'lost' })
  })
})
