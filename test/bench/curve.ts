import { measure, type Plan, withUpstream } from './callbacks.js'
import type { BenchOptions } from './figures.js'

/** What one rate of callbacks costs. */
export interface Point {
  readonly contender: string
  /** Callbacks a second that were sent. */
  readonly rate: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuUs: number
}

const shares = [0.1, 0.25, 0.5, 0.75] as const

/**
 * How cost grows with load: ours and the limit on Hono, at the same shares of what ours takes at its most, so that both
 * get the same number of callbacks a second.
 */
export function curve({ amount }: BenchOptions): Promise<readonly Point[]> {
  return withUpstream(async (upstream) => {
    const plan: Plan = { upstream, amount }
    const { perSecond } = await measure('hono/ours', plan)
    const points: Point[] = []
    for (const share of shares) {
      for (const contender of ['hono/ours', 'hono/limit']) {
        const rate = Math.round(perSecond * share)
        const found = await measure(contender, { ...plan, load: { perSecond: rate } })
        points.push({ contender, rate, p50Ms: found.p50Ms, p99Ms: found.p99Ms, cpuUs: found.cpuUs })
      }
    }
    return points
  })
}
