import { LRUCache } from 'lru-cache'
import type { Clock } from '../util/clock.js'

/**
 * GETs that one cause may make of one process: a token bucket for each assistant, full at first, holding one second's
 * worth. Callbacks and the sweep have a budget each, so that spoofed callbacks cannot starve the sweep.
 */
export class Budget {
  readonly #perSecond: number
  readonly #burst: number
  readonly #clock: Clock
  readonly #buckets = new Map<string | null, { tokens: number; at: number }>()

  constructor(perSecond: number, clock: Clock) {
    // More than any process can ask for stands for no bound, and keeps the arithmetic finite.
    this.#perSecond = Math.min(perSecond, 1e9)
    this.#burst = Math.max(1, this.#perSecond)
    this.#clock = clock
  }

  /** Takes a token if there is one. Otherwise takes nothing, and returns how many milliseconds one is away. */
  take(assistant: string | null): number {
    const bucket = this.#bucket(assistant)
    const waitMs = this.#waitMs(bucket.tokens)
    if (waitMs === 0) bucket.tokens -= 1
    return waitMs
  }

  /** Takes a token, ahead of its time if need be, and returns how many milliseconds to wait before using it. */
  reserve(assistant: string | null): number {
    const bucket = this.#bucket(assistant)
    const waitMs = this.#waitMs(bucket.tokens)
    bucket.tokens -= 1
    return waitMs
  }

  /** Gives back a token that was not used. */
  giveBack(assistant: string | null): void {
    // Held to the burst when the bucket is read next.
    this.#bucket(assistant).tokens += 1
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

/** How many approvals can wait for their turn, and how much later than planned they may come. */
const mostTurns = 50_000
const turnGraceMs = 120_000
/** How much before its turn an approval may come: the store's clock and this process's are two. */
const turnSkewMs = 5

/**
 * The sweep's budget. An approval that finds no token is given a turn: its token is taken ahead of time, and it comes
 * again when the token is there.
 */
export class Turns {
  readonly #budget: Budget
  readonly #clock: Clock
  /** By approval id, of those whose token is taken: when their turn comes, by the clock's elapsed time. */
  readonly #taken: LRUCache<string, number>

  constructor(budget: Budget, clock: Clock) {
    this.#budget = budget
    this.#clock = clock
    // Bounded by size alone: for a count, lru-cache would allocate all room at once. An entry stored at 0 never ends.
    const options = { maxSize: mostTurns, sizeCalculation: () => 1, ttlResolution: 0 }
    this.#taken = new LRUCache({ ...options, perf: { now: () => clock.elapsed() + 1 } })
  }

  /** 0 where the approval may be polled now; otherwise in how many milliseconds its turn comes. */
  take(approvalId: string, assistant: string | null): number {
    const now = this.#clock.elapsed()
    const turn = this.#taken.get(approvalId)
    if (turn !== undefined) {
      // A callback may have made it due before: the token is not there yet.
      if (turn > now + turnSkewMs) return Math.ceil(turn - now)
      this.#taken.delete(approvalId)
      return 0
    }
    const waitMs = this.#budget.reserve(assistant)
    if (waitMs > 0) this.#taken.set(approvalId, now + waitMs, { ttl: waitMs + turnGraceMs })
    return waitMs
  }

  giveBack(assistant: string | null): void {
    this.#budget.giveBack(assistant)
  }
}

/** Why no GET is sent for an assistant. */
export type PauseReason = 'api-throttled' | 'api-key-refused'

/** Assistants that the API throttles, or whose key it refused: nothing is sent for them until the pause ends. */
export class Pauses {
  readonly #clock: Clock
  readonly #until = new Map<string | null, { at: number; reason: PauseReason }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Never shortens a pause. `true` where the assistant was not paused before. */
  pause(assistant: string | null, ms: number, reason: PauseReason): boolean {
    const current = this.current(assistant)
    const at = this.#clock.elapsed() + ms
    if (current === null || at > this.#clock.elapsed() + current.leftMs) this.#until.set(assistant, { at, reason })
    return current === null
  }

  /** The pause of an assistant, or `null`. */
  current(assistant: string | null): { readonly leftMs: number; readonly reason: PauseReason } | null {
    const until = this.#until.get(assistant)
    if (until === undefined) return null
    const leftMs = Math.ceil(until.at - this.#clock.elapsed())
    if (leftMs > 0) return { leftMs, reason: until.reason }
    this.#until.delete(assistant)
    return null
  }
}

/** Places for work that goes on at the same time. */
export class Slots {
  readonly #count: number
  #taken = 0

  constructor(count: number) {
    this.#count = count
  }

  get isFull(): boolean {
    return this.free <= 0
  }

  /** How many places are left. */
  get free(): number {
    return this.#count - this.#taken
  }

  /** Takes a place if at least `leave` are left after it. */
  take(leave = 0): boolean {
    if (this.free <= leave) return false
    this.#taken++
    return true
  }

  /** A share of all places, for {@link take} to leave to others: none where there is one place only. */
  share(part: number): number {
    return Math.min(Math.ceil(this.#count * part), this.#count - 1)
  }

  giveBack(): void {
    this.#taken--
    if (this.#taken === this.#count - 1) this.onFree()
  }

  /** Called when a place is free again and none was. */
  onFree: () => void = () => {}
}
