/** Where time comes from. Both in milliseconds. */
export interface Clock {
  /** Wall time since the epoch: compared with dates that others wrote. */
  now(): number
  /** Time that never jumps: leases, budgets, time-outs. Only differences mean something. */
  elapsed(): number
}

/** A number from 0 (included) to 1 (excluded). */
export type Random = () => number

/** The longest that a timer of the platform can wait, in milliseconds. */
export const longestTimer = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
}

export const systemRandom: Random = () => Math.random()
