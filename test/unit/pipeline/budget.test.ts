import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Budget, Pauses, Slots, Turns } from '../../../src/pipeline/budget.js'
import type { Clock } from '../../../src/util/clock.js'

const epoch = Date.UTC(2026, 10, 20, 10)
let elapsed = 0
const clock: Clock = { now: () => epoch + elapsed, elapsed: () => elapsed }

beforeEach(() => {
  elapsed = 123_456
})

/** How many tokens there are at this moment, after which there are none. */
function drain(budget: Budget, assistant: string | null = null): number {
  let taken = 0
  while (budget.take(assistant) === 0) taken++
  return taken
}

describe('a budget', () => {
  it('is full at first and holds one second of its rate', () => {
    expect(drain(new Budget(50, clock))).toBe(50)
  })

  it('holds one token at least, where its rate is below one a second', () => {
    const budget = new Budget(0.5, clock)
    expect(budget.take(null)).toBe(0)
    expect(budget.take(null)).toBe(2_000)
  })

  it('returns how long until the next token, and takes none', () => {
    const budget = new Budget(10, clock)
    drain(budget)
    expect([budget.take(null), budget.take(null)]).toEqual([100, 100])
    elapsed += 60
    expect(budget.take(null)).toBe(40)
  })

  it('has that token when the time has passed, and not a millisecond before', () => {
    const budget = new Budget(10, clock)
    drain(budget)
    elapsed += 99
    expect(budget.take(null)).toBeGreaterThan(0)
    elapsed += 1
    expect(budget.take(null)).toBe(0)
    expect(budget.take(null)).toBe(100)
  })

  it('has a token when that time has passed, within a millisecond of rounding', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000 }), fc.array(fc.nat(50), { maxLength: 20 }), (perSecond, pauses) => {
        const budget = new Budget(perSecond, clock)
        drain(budget)
        for (const pause of pauses) {
          elapsed += pause
          drain(budget)
        }
        elapsed += budget.take(null)
        expect(budget.take(null)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('never has more than its burst, however long it is unused', () => {
    const budget = new Budget(5, clock)
    drain(budget)
    elapsed += 86_400_000
    expect(drain(budget)).toBe(5)
  })

  it('without a bound always has a token', () => {
    const budget = new Budget(Number.POSITIVE_INFINITY, clock)
    for (let each = 0; each < 10_000; each++) expect(budget.take(null)).toBe(0)
  })

  it('is kept for each assistant apart', () => {
    const budget = new Budget(3, clock)
    expect(drain(budget, 'a')).toBe(3)
    expect(drain(budget, 'b')).toBe(3)
    expect(drain(budget, null)).toBe(3)
    expect(drain(budget, 'a')).toBe(0)
  })

  it('takes back what was not used, up to its burst', () => {
    const budget = new Budget(2, clock)
    drain(budget)
    budget.giveBack(null)
    expect(drain(budget)).toBe(1)
    for (let each = 0; each < 5; each++) budget.giveBack(null)
    expect(drain(budget)).toBe(2)
  })

  it('lets tokens be reserved ahead of their time, each a token later', () => {
    const budget = new Budget(10, clock)
    drain(budget)
    expect([budget.reserve(null), budget.reserve(null), budget.reserve(null)]).toEqual([100, 200, 300])
    elapsed += 300
    expect(budget.take(null)).toBe(100)
  })

  it('has a reserved token back when it is given back', () => {
    const budget = new Budget(10, clock)
    drain(budget)
    budget.reserve(null)
    budget.giveBack(null)
    expect(budget.reserve(null)).toBe(100)
  })

  it('never gives more than its burst and its rate', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 100 }),
        (perSecond, pauses) => {
          const budget = new Budget(perSecond, clock)
          const start = elapsed
          // Full from the start on, so that nothing but the rate lets more through.
          let taken = drain(budget)
          for (const pause of pauses) {
            elapsed += pause
            taken += drain(budget)
          }
          // One in a million for the rounding of sums.
          expect(taken).toBeLessThanOrEqual(perSecond + ((elapsed - start) / 1_000) * perSecond + 1e-6)
        },
      ),
    )
  })
})

describe('turns', () => {
  const turnsOf = (perSecond: number): Turns => new Turns(new Budget(perSecond, clock), clock)

  it('come at the pace of the budget, one after the other', () => {
    const turns = turnsOf(2)
    expect(['a', 'b', 'c', 'd'].map((id) => turns.take(id, null))).toEqual([0, 0, 500, 1_000])
  })

  it('are paid once: an approval that comes when its turn is there takes no other token', () => {
    const turns = turnsOf(2)
    for (const id of ['a', 'b', 'c']) turns.take(id, null)
    elapsed += 500
    expect(turns.take('c', null)).toBe(0)
    // The token of this half second was the one of `c`.
    expect(turns.take('d', null)).toBe(500)
  })

  it('are forgotten two minutes after they were due', () => {
    const turns = turnsOf(2)
    for (const id of ['a', 'b', 'c']) turns.take(id, null)
    elapsed += 500 + 120_001
    // Both tokens of the burst are there again, and are taken anew.
    expect([turns.take('c', null), turns.take('d', null), turns.take('e', null)]).toEqual([0, 0, 500])
  })

  it('of one assistant do not wait for those of another', () => {
    const turns = turnsOf(1)
    for (let each = 0; each < 100; each++) turns.take(`a${each}`, 'a')
    expect(turns.take('b', 'b')).toBe(0)
  })
})

describe('a pause', () => {
  const leftMs = (pauses: Pauses, assistant: string | null): number => pauses.current(assistant)?.leftMs ?? 0

  it('lasts as long as it was set, and not a millisecond more, with its reason', () => {
    const pauses = new Pauses(clock)
    expect(pauses.current(null)).toBeNull()
    pauses.pause(null, 30_000, 'api-throttled')
    expect(pauses.current(null)).toEqual({ leftMs: 30_000, reason: 'api-throttled' })
    elapsed += 29_999
    expect(leftMs(pauses, null)).toBe(1)
    elapsed += 1
    expect(pauses.current(null)).toBeNull()
  })

  it('is never shortened, and may be lengthened', () => {
    const pauses = new Pauses(clock)
    pauses.pause('a', 30_000, 'api-throttled')
    pauses.pause('a', 1_000, 'api-key-refused')
    expect(pauses.current('a')).toEqual({ leftMs: 30_000, reason: 'api-throttled' })
    pauses.pause('a', 60_000, 'api-key-refused')
    expect(pauses.current('a')).toEqual({ leftMs: 60_000, reason: 'api-key-refused' })
  })

  it('is reported as new once, and again after it was over', () => {
    const pauses = new Pauses(clock)
    expect(pauses.pause('a', 1_000, 'api-throttled')).toBe(true)
    expect(pauses.pause('a', 1_000, 'api-throttled')).toBe(false)
    elapsed += 1_000
    expect(pauses.pause('a', 1_000, 'api-throttled')).toBe(true)
  })

  it('holds for its assistant only', () => {
    const pauses = new Pauses(clock)
    pauses.pause('a', 1_000, 'api-throttled')
    expect([leftMs(pauses, 'b'), leftMs(pauses, null)]).toEqual([0, 0])
  })
})

describe('slots', () => {
  it('are taken until there are none, and again when one is given back', () => {
    const slots = new Slots(2)
    expect([slots.take(), slots.take(), slots.take(), slots.isFull]).toEqual([true, true, false, true])
    slots.giveBack()
    expect([slots.free, slots.take(), slots.take()]).toEqual([1, true, false])
  })

  it('leave a share to others where that is configured', () => {
    const slots = new Slots(4)
    const leave = slots.share(1 / 4)
    expect([1, 2, 3, 4].map(() => slots.take(leave))).toEqual([true, true, true, false])
    expect(slots.take()).toBe(true)
  })

  it('leave none where there is one only', () => {
    const slots = new Slots(1)
    expect(slots.take(slots.share(1 / 4))).toBe(true)
  })

  it('report when one is free again and none was', () => {
    const slots = new Slots(2)
    let freed = 0
    slots.onFree = () => freed++
    slots.take()
    slots.giveBack()
    expect(freed).toBe(0)
    slots.take()
    slots.take()
    slots.giveBack()
    slots.giveBack()
    expect(freed).toBe(1)
  })
})
