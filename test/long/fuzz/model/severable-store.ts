import type { Store } from '../../../../src/index.js'

/** Faults of one call between a process and the store. */
export type Mishap =
  /** The call does not arrive, and is reported as failed. */
  | 'refused'
  /** The call is executed, and the response is lost. */
  | 'answer lost'
  /** The call is executed long after its time-out. */
  | 'late'
  /** The call is executed, and the response arrives after its time-out. */
  | 'answered late'

/** Longer than a receiver's time-out for the store. */
const lateMs = 7_000

/** The connection of one process to the shared store: calls can fail, and it ends when the process dies. */
export class SeverableStore {
  readonly store: Store
  readonly #mishaps: Mishap[] = []
  #severed = false
  #callsLeft = Number.POSITIVE_INFINITY
  #lastIsWritten = false
  #isCutOff = false

  constructor(inner: Store) {
    this.store = new Proxy(inner, {
      get: (target, name) => {
        const call: unknown = Reflect.get(target, name)
        if (typeof call !== 'function') return call
        return (...given: readonly unknown[]): Promise<unknown> =>
          this.#call(async () => Reflect.apply(call, target, given))
      },
    })
  }

  get severed(): boolean {
    return this.#severed
  }

  /** Whether no fault is active. */
  get isSound(): boolean {
    return (
      !this.#severed && this.#mishaps.length === 0 && this.#callsLeft === Number.POSITIVE_INFINITY && !this.#isCutOff
    )
  }

  /** Makes every call fail for this time. */
  cutOff(ms: number): void {
    this.#isCutOff = true
    setTimeout(() => {
      this.#isCutOff = false
    }, ms)
  }

  /** Faults of the next calls, one each. */
  upset(mishaps: readonly Mishap[]): void {
    this.#mishaps.push(...mishaps)
  }

  /** Makes every call hang from now on. */
  sever(): void {
    this.#severed = true
  }

  /** The process dies at its nth call from now, which may or may not be executed. */
  severAt(nth: number, lastIsWritten: boolean): void {
    this.#callsLeft = nth
    this.#lastIsWritten = lastIsWritten
  }

  mend(): void {
    this.#mishaps.length = 0
    this.#isCutOff = false
    this.#callsLeft = Number.POSITIVE_INFINITY
  }

  async #call(carryOut: () => Promise<unknown>): Promise<unknown> {
    if (!this.#severed && --this.#callsLeft <= 0) {
      this.#severed = true
      if (this.#lastIsWritten) carryOut().catch(() => {})
    }
    if (this.#severed) return new Promise(() => {})
    if (this.#isCutOff) throw new Error('network unreachable')
    const pause = () => new Promise((resolve) => setTimeout(resolve, lateMs))
    switch (this.#mishaps.shift()) {
      case undefined:
        return carryOut()
      case 'refused':
        throw new Error('connection refused')
      case 'answer lost':
        await carryOut()
        throw new Error('connection reset')
      case 'late':
        await pause()
        return carryOut()
      case 'answered late': {
        const answer = await carryOut()
        await pause()
        return answer
      }
    }
  }
}
