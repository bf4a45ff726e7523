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

/**
 * One timer for any number of waits of the same length: those who arm it first are due first, so that a wait costs
 * an entry in a list and not a timer of its own.
 */
export class Alarm {
  readonly #ms: number
  readonly #clock: Clock
  readonly #waits = new Set<{ readonly at: number; readonly ring: () => void }>()
  #timer: NodeJS.Timeout | undefined

  constructor(ms: number, clock: Clock) {
    this.#ms = ms
    this.#clock = clock
  }

  /** Calls `ring` once after the alarm's time, unless the returned function is called before. */
  arm(ring: () => void): () => void {
    const wait = { at: this.#clock.elapsed() + this.#ms, ring }
    this.#waits.add(wait)
    this.#timer ??= this.#schedule(this.#ms)
    return () => {
      this.#waits.delete(wait)
    }
  }

  #schedule(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#ringDue(), Math.ceil(ms)).unref()
  }

  #ringDue(): void {
    const now = this.#clock.elapsed()
    for (const wait of this.#waits) {
      if (wait.at > now) {
        this.#timer = this.#schedule(wait.at - now)
        return
      }
      this.#waits.delete(wait)
      wait.ring()
    }
    this.#timer = undefined
  }
}
