import type { Clock } from '../../../src/index.js'

interface Timer {
  readonly at: number
  readonly ring: () => void
}

/** A case did not end: neither work that is under way nor any timer will end it. */
export class Hung extends Error {}

/** Turns of the event loop without any progress, after which only a timer can bring some. */
const idleTurns = 4
/** How long work outside of this process may take, in real milliseconds. */
const patienceMs = 30_000

/**
 * Time that passes only when it is told to: the clock of receivers and stores, and, while it is installed, the timers
 * of the platform. So a case that waits ends at once, and one that hangs is found without waiting.
 */
export class FakeTime implements Clock {
  /** Work that timers have no part in, such as a command on its way to Redis: time stands still meanwhile. */
  busy: () => boolean = () => false
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout }
  readonly #timers = new Set<Timer>()
  #passed = 1_000
  #startedAt = 1_795_000_000_000

  now(): number {
    return this.#startedAt + this.#passed
  }

  /** Sets the wall clock, as an administrator does. Time that passed stays what it was. */
  setNow(ms: number): void {
    this.#startedAt = ms - this.#passed
  }

  elapsed(): number {
    return this.#passed
  }

  /** Puts itself in the place of the platform's timers, until `uninstall`. */
  install(): void {
    const set = (ring: (...given: unknown[]) => void, ms = 0, ...given: unknown[]): object => {
      const timer = { at: this.#passed + Math.max(1, Number(ms) || 0), ring: () => ring(...given) }
      this.#timers.add(timer)
      const handle = { timer, ref: () => handle, unref: () => handle }
      return handle
    }
    const clear = (handle?: { readonly timer?: Timer }): void => {
      if (handle?.timer !== undefined) this.#timers.delete(handle.timer)
    }
    // What the code under test asks of a timer is to be cleared and unref'd, and nothing else.
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
  }

  uninstall(): void {
    this.#timers.clear()
    Object.assign(globalThis, this.#real)
  }

  /** Lets so much time pass, ringing what rings in it, in order. What that sets off has not ended when this returns. */
  pass(ms: number): void {
    const until = this.#passed + ms
    while (this.#ringNext(until));
    this.#passed = until
  }

  /** The same with everything that happens meanwhile. */
  async live(ms: number): Promise<void> {
    const until = this.#passed + ms
    for (;;) {
      await this.#settle()
      if (!this.#ringNext(until)) break
    }
    this.#passed = until
  }

  /** Resolves or rejects with `work`, letting time pass where nothing else can end it. Rejects with {@link Hung} after so long. */
  async end<Value>(work: Promise<Value>, withinMs = 7_200_000): Promise<Value> {
    const until = this.#passed + withinMs
    let over = false
    const note = (): void => {
      over = true
    }
    work.then(note, note)
    for (;;) {
      await this.#settle(() => over)
      if (over) return work
      if (!this.#ringNext(until)) throw new Hung(`the case did not end within ${withinMs} ms`)
    }
  }

  /** Waits until nothing goes on any more, or it is over. */
  async #settle(isOver: () => boolean = () => false): Promise<void> {
    const startedAt = performance.now()
    for (let idle = 0; idle < idleTurns && !isOver(); idle++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (!this.busy()) continue
      idle = -1
      if (performance.now() - startedAt > patienceMs) throw new Hung(`something outside took ${patienceMs} ms`)
    }
  }

  #ringNext(until: number): boolean {
    let next: Timer | undefined
    for (const timer of this.#timers) if (timer.at <= until && (next === undefined || timer.at < next.at)) next = timer
    if (next === undefined) return false
    this.#timers.delete(next)
    this.#passed = Math.max(this.#passed, next.at)
    next.ring()
    return true
  }
}
