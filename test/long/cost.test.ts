import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { median } from './bench/figures.js'

/*
 * What a callback may cost, in numbers that are the same on every machine and on Node.js 20, 22 and 24. Times are for
 * `npm run bench`. A change that makes one of them less lowers its bound here.
 */

interface Bounds {
  /** Calls of functions of this library: a tenth more than there are. */
  readonly calls: number
  /** Five more than there are. */
  readonly promises: number
  /** As many as there are. */
  readonly timers: number
  /** As many as there are. */
  readonly 'store calls'?: number
}

const bounds: Readonly<Record<string, Bounds>> = {
  handled: { calls: 430, promises: 69, timers: 3, 'store calls': 4 },
  duplicate: { calls: 131, promises: 33, timers: 1, 'store calls': 1 },
  unknown: { calls: 129, promises: 33, timers: 1, 'store calls': 1 },
  'wrong agent': { calls: 29, promises: 11, timers: 0, 'store calls': 0 },
  verifyAndResolve: { calls: 371, promises: 57, timers: 3 },
}

/** Allocated by `handle()` for a callback: about 31,000, by the version of Node.js. */
const mostBytes = 34_000

/** A young generation that holds everything, so that bytes are counted and not collected. */
const flags = ['--expose-gc', '--min-semi-space-size=512', '--max-semi-space-size=512']

/** Runs a script of the bench with these arguments, which prints one object of numbers. */
async function run(...args: string[]): Promise<Readonly<Record<string, number>>> {
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return JSON.parse(stdout) as Readonly<Record<string, number>>
}

describe('a callback', () => {
  let found: Readonly<Record<string, number>> = {}
  beforeAll(async () => {
    found = await run('dist/test/long/bench/counts.js')
  })

  it.each(
    Object.entries(bounds).flatMap(([situation, most]) =>
      Object.entries(most).map(([count, bound]) => [situation, count, bound] as const),
    ),
  )('%s: needs no more %s than %d', (situation, count, bound) => {
    const number = found[`${situation}.${count}`]
    expect(number).toBeLessThanOrEqual(bound)
    // A counter that counts nothing would keep within any bound.
    expect(number === 0).toBe(bound === 0)
  })

  it(`allocates no more than ${mostBytes} bytes when it is handled, median of three runs`, async () => {
    const runs: number[] = []
    for (let at = 0; at < 3; at++) {
      const { bytes = Number.NaN } = await run(...flags, 'dist/test/long/bench/in-process.js', 'ours', '4000')
      runs.push(bytes)
    }
    expect(median(runs)).toBeLessThanOrEqual(mostBytes)
  })
})
