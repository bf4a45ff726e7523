import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs, clamp, jitter, nextPollMs, retryAfterMs } from '../../../src/util/backoff.js'

const lowest = () => 0
const middle = () => 0.5
const highest = () => 1 - Number.EPSILON
/** A random of the full range, as the platform gives it. */
const chance = fc.double({ min: 0, max: 1 - Number.EPSILON, noNaN: true })

describe('nextPollMs', () => {
  const schedule = { firstMs: 15_000, maxMs: 600_000 }

  const ages: readonly (readonly [ageMs: number, dueMs: number])[] = [
    [0, 15_000],
    [14_999, 15_000],
    [15_000, 15_000],
    [15_001, 15_001],
    [240_000, 240_000],
    [599_999, 599_999],
    [600_000, 600_000],
    [600_001, 600_000],
    [604_800_000, 600_000],
  ]
  for (const [ageMs, dueMs] of ages) {
    it(`waits ${dueMs} ms at the age of ${ageMs} ms`, () => {
      expect(nextPollMs(ageMs, schedule, middle)).toBe(dueMs)
    })
  }

  it('polls six times in the first quarter of an hour, and six times an hour in the end', () => {
    const looks = [0]
    for (let age = 0; age < 7_200_000; looks.push(age)) age += nextPollMs(age, schedule, middle)
    expect(looks.filter((age) => age > 0 && age <= 960_000)).toEqual([
      15_000, 30_000, 60_000, 120_000, 240_000, 480_000, 960_000,
    ])
    expect(looks.filter((age) => age > 3_600_000 && age <= 7_200_000)).toHaveLength(6)
  })

  it('stays within a fifth of the schedule at any age', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2_000_000 }), chance, (ageMs, random) => {
        const dueMs = nextPollMs(ageMs, schedule, () => random)
        expect(dueMs).toBeGreaterThanOrEqual(12_000)
        expect(dueMs).toBeLessThanOrEqual(720_000)
      }),
    )
  })
})

describe('backoffMs', () => {
  const range = [1_000, 600_000] as const

  it('waits the shortest time after the first start, whatever the random', () => {
    for (const random of [lowest, middle, highest]) expect(backoffMs(1, range, random)).toBe(1_000)
  })

  const ceilings: readonly (readonly [starts: number, longest: number])[] = [
    [0, 1_000],
    [2, 2_000],
    [3, 4_000],
    [10, 512_000],
    [11, 600_000],
    [12, 600_000],
    [60, 600_000],
    [1_000_000, 600_000],
  ]
  for (const [starts, longest] of ceilings) {
    it(`waits between the shortest time and ${longest} ms after ${starts} starts`, () => {
      expect(backoffMs(starts, range, lowest)).toBe(1_000)
      expect(backoffMs(starts, range, highest)).toBe(longest)
      expect(backoffMs(starts, range, middle)).toBe((1_000 + longest) / 2)
    })
  }

  it('waits one time only where shortest and longest are the same', () => {
    for (const starts of [1, 2, 100]) expect(backoffMs(starts, [5_000, 5_000], middle)).toBe(5_000)
  })

  it('is a whole number within its range for any number of starts', () => {
    fc.assert(
      fc.property(fc.nat(), chance, (starts, random) => {
        const ms = backoffMs(starts, range, () => random)
        expect(Number.isInteger(ms)).toBe(true)
        expect(ms).toBe(Math.min(Math.max(ms, 1_000), 600_000))
      }),
    )
  })
})

describe('jitter', () => {
  it('spreads by a fifth to either side', () => {
    expect([lowest, middle, highest].map((random) => jitter(10_000, random))).toEqual([8_000, 10_000, 12_000])
  })

  it('gives whole milliseconds', () => {
    expect(jitter(3, () => 0.3)).toBe(3)
    expect(jitter(1, lowest)).toBe(1)
  })
})

describe('clamp', () => {
  it('leaves what is within its bounds, bounds included', () => {
    expect([0, 1, 2, 9, 10, 11].map((ms) => clamp(ms, 1, 10))).toEqual([1, 1, 2, 9, 10, 10])
  })
})

describe('retryAfterMs', () => {
  const now = Date.UTC(2026, 10, 23, 12)

  const headers: readonly (readonly [header: string | undefined, ms: number | null])[] = [
    [undefined, null],
    ['', null],
    ['  ', null],
    ['soon', null],
    ['5 apples', null],
    ['Infinity', null],
    ['NaN', null],
    ['1e3', null],
    ['-5', null],
    ['+5', null],
    ['1.5', null],
    ['0', 1_000],
    ['1', 1_000],
    ['2', 2_000],
    [' 30 ', 30_000],
    ['030', 30_000],
    ['899', 899_000],
    ['900', 900_000],
    ['901', 900_000],
    ['315360000', 900_000],
    ['999999999999999', 900_000],
    ['Mon, 23 Nov 2026 12:00:00 GMT', 1_000],
    ['Mon, 23 Nov 2026 12:00:02 GMT', 2_000],
    ['Monday, 23-Nov-26 12:01:00 GMT', 60_000],
    ['Mon, 23 Nov 2026 12:15:00 GMT', 900_000],
    ['Mon, 23 Nov 2026 12:15:01 GMT', 900_000],
    ['Sun, 23 Nov 2036 12:00:00 GMT', 900_000],
    ['Mon, 23 Nov 2026 11:59:59 GMT', 1_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 1_000],
    ['Mon, 99 Nov 2026 12:00:00 GMT', null],
  ]
  for (const [header, ms] of headers) {
    it(`reads ${header === undefined ? 'a missing header' : `'${header}'`} as ${ms === null ? 'nothing' : `${ms} ms`}`, () => {
      expect(retryAfterMs(header, now)).toBe(ms)
    })
  }

  it('is nothing, or between a second and a quarter of an hour, whatever was sent', () => {
    const header = fc.oneof(fc.string(), fc.integer().map(String), fc.float().map(String), fc.date().map(String))
    fc.assert(
      fc.property(header, (text) => {
        const ms = retryAfterMs(text, now)
        if (ms !== null) expect(ms).toBe(Math.min(Math.max(ms, 1_000), 900_000))
      }),
    )
  })
})
