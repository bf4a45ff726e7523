import { takeTurns, withContenders, withUpstream } from './compare.js'
import { type BenchOptions, median } from './figures.js'

/** What one rate of callbacks costs. */
export interface Point {
  readonly contender: string
  /** Callbacks a second that were sent. */
  readonly rate: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuUs: number
}

/** Sending at a pace takes more of the machine than sending as fast as answers come: beyond half there is no room for it. */
const shares = [0.1, 0.2, 0.35, 0.5] as const
/** How long callbacks are sent at each rate, so that the slowest do not take minutes. */
const seconds = 2
const turns = 3

/**
 * How cost grows with load: ours and the limit on Hono, at the same shares of what ours takes at its most, so that both
 * get the same number of callbacks a second.
 */
export function curve(options: BenchOptions): Promise<readonly Point[]> {
  return withUpstream((upstream) => {
    const { amount } = options
    const looks = turns * (shares.length + 1)
    return withContenders(['hono/ours', 'hono/limit'], { ...options, upstream }, looks, async (contenders) => {
      const most = [...(await takeTurns(contenders.slice(0, 1), turns, amount)).values()].flat()
      const points: Point[] = []
      for (const share of shares) {
        const rate = Math.round(median(most.map(({ perSecond }) => perSecond)) * share)
        const taken = await takeTurns(contenders, turns, Math.min(amount, seconds * rate), { perSecond: rate })
        for (const [contender, found] of taken) {
          const of = (pick: (each: (typeof found)[number]) => number): number => median(found.map(pick))
          points.push({
            contender,
            rate,
            p50Ms: of(({ p50Ms }) => p50Ms),
            p99Ms: of(({ p99Ms }) => p99Ms),
            cpuUs: of(({ cpuUs }) => cpuUs),
          })
        }
      }
      return points
    })
  })
}
