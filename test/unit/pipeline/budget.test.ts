import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Budget, Latecomers, Pauses } from '../../../src/pipeline/budget.js'
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

  it('tells how far away the next token is, and takes nothing meanwhile', () => {
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

  it('has a token when the time that it told has passed, give or take a millisecond of rounding', () => {
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

  it('never holds more than its burst, however long nobody takes', () => {
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

  it('leaves half of what it holds where only what is to spare is taken', () => {
    const budget = new Budget(10, clock)
    let spare = 0
    while (budget.takeSpare(null) === 0) spare++
    expect([spare, drain(budget)]).toEqual([5, 5])
  })

  it('has something to spare when that half is full again, and tells when that is', () => {
    const budget = new Budget(10, clock)
    drain(budget)
    expect(budget.takeSpare(null)).toBe(600)
    elapsed += 599
    expect(budget.takeSpare(null)).toBe(1)
    elapsed += 1
    expect([budget.takeSpare(null), budget.takeSpare(null)]).toEqual([0, 100])
  })

  it('leaves nothing where it holds one token', () => {
    const budget = new Budget(0.5, clock)
    expect([budget.takeSpare(null), budget.takeSpare(null)]).toEqual([0, 2_000])
  })

  it('has a reserved token back when it is given back', () => {
    const budget = new Budget(10, clock)
    drain(budget)
    budget.reserve(null)
    budget.giveBack(null)
    expect(budget.reserve(null)).toBe(100)
  })

  it('never lets more through than its burst and its rate, whoever asks when', () => {
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

describe('latecomers', () => {
  it('are known for ten minutes after they last came', () => {
    const latecomers = new Latecomers(clock)
    expect([latecomers.has('a'), latecomers.add('a'), latecomers.add('a'), latecomers.has('a')]).toEqual([
      ...[false, true, false, true],
    ])
    elapsed += 600_000
    expect(latecomers.add('a')).toBe(false)
    elapsed += 600_001
    expect(latecomers.has('a')).toBe(false)
  })

  it('are forgotten, the longest ago first, where there are more than 10,000', () => {
    const latecomers = new Latecomers(clock)
    for (let each = 0; each <= 10_000; each++) latecomers.add(`req_${each}`)
    expect([latecomers.has('req_0'), latecomers.has('req_1'), latecomers.has('req_10000')]).toEqual([false, true, true])
  })
})

describe('a pause', () => {
  it('lasts as long as it was told, and not a millisecond more', () => {
    const pauses = new Pauses(clock)
    expect(pauses.leftMs(null)).toBe(0)
    pauses.pause(null, 30_000)
    expect(pauses.leftMs(null)).toBe(30_000)
    elapsed += 29_999
    expect(pauses.leftMs(null)).toBe(1)
    elapsed += 1
    expect(pauses.leftMs(null)).toBe(0)
  })

  it('is never shortened, and may be lengthened', () => {
    const pauses = new Pauses(clock)
    pauses.pause('a', 30_000)
    pauses.pause('a', 1_000)
    expect(pauses.leftMs('a')).toBe(30_000)
    pauses.pause('a', 60_000)
    expect(pauses.leftMs('a')).toBe(60_000)
  })

  it('is told as fresh once, and again after it was over', () => {
    const pauses = new Pauses(clock)
    expect(pauses.pause('a', 1_000)).toBe(true)
    expect(pauses.pause('a', 1_000)).toBe(false)
    elapsed += 1_000
    expect(pauses.pause('a', 1_000)).toBe(true)
  })

  it('holds for its assistant only', () => {
    const pauses = new Pauses(clock)
    pauses.pause('a', 1_000)
    expect([pauses.leftMs('b'), pauses.leftMs(null)]).toEqual([0, 0])
  })
})
