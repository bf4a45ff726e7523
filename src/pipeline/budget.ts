import { LRUCache } from 'lru-cache'
import type { Clock } from '../util/clock.js'

/**
 * GETs that one cause may make of one process: a token bucket for each assistant, full at first, holding one second's
 * worth. Callbacks and the sweep have a budget each, so that spoofed callbacks cannot starve the sweep.
 */
export class Budget {
  readonly #perSecond: number
  readonly #burst: number
  /** Tokens that only {@link take} and {@link reserve} get at. */
  readonly #kept: number
  readonly #clock: Clock
  readonly #buckets = new Map<string | null, { tokens: number; at: number }>()

  constructor(perSecond: number, clock: Clock) {
    // More than any process can ask for stands for no bound, and keeps the arithmetic finite.
    this.#perSecond = Math.min(perSecond, 1e9)
    this.#burst = Math.max(1, this.#perSecond)
    this.#kept = Math.min(this.#burst / 2, this.#burst - 1)
    this.#clock = clock
  }

  /** Takes a token if there is one. Otherwise answers how many milliseconds one is away. */
  take(assistant: string | null): 0 | number {
    return this.#takeAbove(0, assistant)
  }

  /** The same, leaving half of what the bucket holds to {@link take}, or nothing where it holds one token only. */
  takeSpare(assistant: string | null): 0 | number {
    return this.#takeAbove(this.#kept, assistant)
  }

  /** Takes a token, ahead of its time if need be, and answers how many milliseconds to wait before using it. */
  reserve(assistant: string | null): number {
    const bucket = this.#bucket(assistant)
    const waitMs = this.#waitMs(bucket.tokens)
    bucket.tokens -= 1
    return waitMs
  }

  /** The same, unless the wait would be longer than `withinMs`: then takes nothing, and answers `null`. */
  reserveWithin(withinMs: number, assistant: string | null): number | null {
    return this.#waitMs(this.#bucket(assistant).tokens) > withinMs ? null : this.reserve(assistant)
  }

  /** Gives back a token that was not used. */
  giveBack(assistant: string | null): void {
    // Held to the burst when it is read next.
    this.#bucket(assistant).tokens += 1
  }

  #takeAbove(kept: number, assistant: string | null): 0 | number {
    const bucket = this.#bucket(assistant)
    const waitMs = this.#waitMs(bucket.tokens - kept)
    if (waitMs === 0) bucket.tokens -= 1
    return waitMs
  }

  #waitMs(tokens: number): number {
    return tokens >= 1 ? 0 : Math.ceil(((1 - tokens) / this.#perSecond) * 1000)
  }

  #bucket(assistant: string | null): { tokens: number; at: number } {
    const now = this.#clock.elapsed()
    const bucket = this.#buckets.get(assistant)
    if (bucket === undefined) {
      const full = { tokens: this.#burst, at: now }
      this.#buckets.set(assistant, full)
      return full
    }
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#perSecond)
    bucket.at = now
    return bucket
  }
}

// With `max` the cache would take all of its room at once, for each receiver.
const latecomerOptions = { maxSize: 10_000, sizeCalculation: () => 1, ttl: 600_000, ttlResolution: 0 }

/**
 * Ids of callbacks that found no more to spare in the budget, and left off coming back for less than ten minutes since.
 * Of more than 10,000 the latest.
 */
export class Latecomers {
  readonly #ids: LRUCache<string, true>

  constructor(clock: Clock) {
    // To lru-cache an entry stored at 0 is one without a time.
    this.#ids = new LRUCache({ ...latecomerOptions, perf: { now: () => clock.elapsed() + 1 } })
  }

  /** `true` where the id was not among them. */
  add(id: string): boolean {
    const fresh = !this.#ids.has(id)
    this.#ids.set(id, true)
    return fresh
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }
}

/** Assistants that the API told to wait, or whose key it refused: nothing is asked for them until their time is up. */
export class Pauses {
  readonly #clock: Clock
  readonly #until = new Map<string | null, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Never shortens a pause. `true` where the assistant was not paused before. */
  pause(assistant: string | null, ms: number): boolean {
    const fresh = this.leftMs(assistant) === 0
    this.#until.set(assistant, Math.max(this.#until.get(assistant) ?? 0, this.#clock.elapsed() + ms))
    return fresh
  }

  leftMs(assistant: string | null): number {
    const until = this.#until.get(assistant)
    if (until === undefined) return 0
    const left = Math.ceil(until - this.#clock.elapsed())
    if (left > 0) return left
    this.#until.delete(assistant)
    return 0
  }
}
