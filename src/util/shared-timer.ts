import type { Clock } from './clock.js'

/**
 * One timer for any number of waits of the same length: those who arm it first are due first, so that a wait costs
 * a place in a list and not a timer of its own. The list is linked by hand, and a wait that leaves it holds no other:
 * tables of a Set that are garbage would keep what came after them until the next large collection.
 */
export class SharedTimer {
  readonly #ms: number
  readonly #clock: Clock
  #first: Wait | null = null
  #last: Wait | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(ms: number, clock: Clock) {
    this.#ms = ms
    this.#clock = clock
  }

  /** Calls `fire` once after the alarm's time, unless the returned function is called before. */
  start(fire: () => void): () => void {
    const wait: Wait = { at: this.#clock.elapsed() + this.#ms, fire, before: this.#last, after: null }
    if (this.#last === null) this.#first = wait
    else this.#last.after = wait
    this.#last = wait
    this.#timer ??= this.#schedule(this.#ms)
    return () => this.#remove(wait)
  }

  /** Fires for everybody who waits, as if the time were up. */
  fireAll(): void {
    const last = this.#last
    for (let wait = this.#first; wait !== null; wait = this.#first) {
      this.#remove(wait)
      wait.fire()
      // Whoever arms it meanwhile waits.
      if (wait === last) return
    }
  }

  #remove(wait: Wait): void {
    const { before, after } = wait
    if (before !== null) before.after = after
    else if (this.#first === wait) this.#first = after
    else return // it has left already
    if (after !== null) after.before = before
    else this.#last = before
    wait.before = null
    wait.after = null
  }

  #schedule(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#fireDue(), Math.ceil(ms)).unref()
  }

  #fireDue(): void {
    const now = this.#clock.elapsed()
    for (let wait = this.#first; wait !== null; wait = this.#first) {
      if (wait.at > now) {
        this.#timer = this.#schedule(wait.at - now)
        return
      }
      this.#remove(wait)
      wait.fire()
    }
    this.#timer = undefined
  }
}

interface Wait {
  readonly at: number
  readonly fire: () => void
  before: Wait | null
  after: Wait | null
}
