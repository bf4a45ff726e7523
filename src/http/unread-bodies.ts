import { InFlight } from '../util/in-flight.js'

/**
 * Bodies that are waited for: each for `timeoutMs`, and at most `max` at a time. Beyond that the oldest gives way, so
 * that senders who never finish cannot displace those who do.
 */
export class UnreadBodies {
  readonly #max: number
  readonly #timeoutMs: number
  /** In the order in which they began. */
  readonly #waiting = new InFlight<() => void>()

  constructor(max: number, timeoutMs: number) {
    this.#max = max
    this.#timeoutMs = timeoutMs
  }

  /** Calls `giveUp` once when the time is up or the place is needed, unless the returned function is called before. */
  start(giveUp: () => void): () => void {
    const timer = setTimeout(() => stop(), this.#timeoutMs).unref()
    const end = (): void => {
      clearTimeout(timer)
      this.#waiting.remove(place)
    }
    const stop = (): void => {
      end()
      giveUp()
    }
    const place = this.#waiting.add(stop)
    if (this.#waiting.size > this.#max) this.#waiting.oldest?.()
    return end
  }
}
