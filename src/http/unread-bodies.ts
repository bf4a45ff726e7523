import { InFlight } from '../util/in-flight.js'

/** How many bodies are waited for, and how long. */
export interface UnreadLimits {
  readonly max: number
  /** Of what has come of all of them together. */
  readonly maxBytes: number
  readonly timeoutMs: number
}

/** A body that is waited for. */
export interface Unread {
  /** Counts bytes that are kept until its end comes. */
  readonly keep: (bytes: number) => void
  /** It has come, or its sender has gone. */
  readonly end: () => void
}

/**
 * Bodies that are waited for: each for `timeoutMs`, and all of them within `max` and `maxBytes`. Beyond these the oldest
 * gives way, so that senders who never finish cannot displace those who do.
 */
export class UnreadBodies {
  readonly #limits: UnreadLimits
  /** In the order in which they began. */
  readonly #waiting = new InFlight<() => void>()
  #bytes = 0

  constructor(limits: UnreadLimits) {
    this.#limits = limits
  }

  /** Calls `giveUp` once when the time is up or the place is needed, unless it has ended before. */
  start(giveUp: () => void): Unread {
    let kept = 0
    const timer = setTimeout(() => stop(), this.#limits.timeoutMs).unref()
    const end = (): void => {
      clearTimeout(timer)
      if (this.#waiting.remove(place)) this.#bytes -= kept
    }
    const stop = (): void => {
      end()
      giveUp()
    }
    const keep = (bytes: number): void => {
      if (!this.#waiting.has(place)) return
      kept += bytes
      this.#bytes += bytes
      this.#makeRoom()
    }
    const place = this.#waiting.add(stop)
    this.#makeRoom()
    return { keep, end }
  }

  #makeRoom(): void {
    const { max, maxBytes } = this.#limits
    while (this.#waiting.size > max || this.#bytes > maxBytes) this.#waiting.oldest?.()
  }
}
