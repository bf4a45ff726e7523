import type { Clock } from '../../../src/index.js'

interface Timer {
  readonly at: number
  readonly ring: () => void
}

/** A case that hangs: no pending work or timer will end it. */
export class Hung extends Error {}

/** Turns of the event loop without progress after which only a timer can continue. */
const idleTurns = 4
/** How long work outside of this process may take, in real milliseconds. */
const patienceMs = 30_000

/**
 * Controlled time: the clock of receivers and stores, and while installed the timers of the platform. A waiting case
 * ends at once, and a hanging one is detected without waiting.
 */
export class FakeTime implements Clock {
  /** Work outside of timers, such as a command to Redis in flight; time does not advance meanwhile. */
  busy: () => boolean = () => false
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout }
  readonly #timers = new Set<Timer>()
  #passed = 1_000
  #startedAt = 1_795_000_000_000

  now(): number {
    return this.#startedAt + this.#passed
  }

  /** Sets the wall clock. Elapsed time does not change. */
  setNow(ms: number): void {
    this.#startedAt = ms - this.#passed
  }

  elapsed(): number {
    return this.#passed
  }

  /** Replaces the platform's timers until `uninstall`. */
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
    // The code under test only clears timers and calls unref.
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear })
  }

  uninstall(): void {
    this.#timers.clear()
    Object.assign(globalThis, this.#real)
  }

  /** Advances the time and fires its timers in order. Does not wait for the work that they start. */
  pass(ms: number): void {
    const until = this.#passed + ms
    while (this.#ringNext(until));
    this.#passed = until
  }

  /** The same, and waits for the started work. */
  async live(ms: number): Promise<void> {
    const until = this.#passed + ms
    for (;;) {
      await this.#settle()
      if (!this.#ringNext(until)) break
    }
    this.#passed = until
  }

  /** Settles with `work`; advances the time if only that can end it. Rejects with {@link Hung} after the limit. */
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

  /** Waits until no work is pending or it has ended. */
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
