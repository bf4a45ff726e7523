/** The source of time, in milliseconds. */
export interface Clock {
  /** Wall time since the epoch, to compare with dates of other systems. */
  now(): number
  /** Monotonic time, for leases, budgets and time-outs. Only differences have a meaning. */
  elapsed(): number
}

/** A number from 0 (included) to 1 (excluded). */
export type Random = () => number

/** The longest delay of a timer, in milliseconds. */
export const longestTimer = 2_147_483_647

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
}

export const systemRandom: Random = () => Math.random()
