import type { Store } from '../../../../src/index.js'

/** What goes wrong with one call on its way between a process and the store. */
export type Mishap =
  /** It never gets there, and the process is told. */
  | 'refused'
  /** It is carried out, and the answer is lost. */
  | 'answer lost'
  /** It is carried out long after the process gave it up. */
  | 'late'
  /** It is carried out, and answered after the process gave it up. */
  | 'answered late'

/** Longer than a receiver waits for its store. */
const lateMs = 7_000

/** The way of one process to the store that all share: calls on it can go wrong, and it ends when the process dies. */
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

  /** Whether nothing goes wrong with its calls. */
  get isSound(): boolean {
    return (
      !this.#severed && this.#mishaps.length === 0 && this.#callsLeft === Number.POSITIVE_INFINITY && !this.#isCutOff
    )
  }

  /** Every call is refused for so long. */
  cutOff(ms: number): void {
    this.#isCutOff = true
    setTimeout(() => {
      this.#isCutOff = false
    }, ms)
  }

  /** These befall the next calls, one each. */
  upset(mishaps: readonly Mishap[]): void {
    this.#mishaps.push(...mishaps)
  }

  /** No call is answered from now on. */
  sever(): void {
    this.#severed = true
  }

  /** The process dies at its nth call from now, which the store gets or not. */
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
