import type { ParkReason } from '../../model/park-reason.js'
import type { JsonText } from '../../util/json.js'
import type { ApprovalRecord, Tombstone } from '../record.js'
import {
  type AddOptions,
  type ClaimAnswer,
  type ClaimOptions,
  type KnockOptions,
  quickPolls,
  type ReleaseOptions,
  type SealAnswer,
  type Snapshot,
} from '../store.js'
import type { Due } from './due-queue.js'

/**
 * One open record of the memory store: who holds it, what may be done with it, and when it is due. Each method is the
 * store's method of the same name for a record that exists; `now` is the store's clock. Whoever calls one must tell the
 * due queue afterwards.
 */
export class OpenRecord implements Due {
  readonly kind = 'approval'
  readonly record: ApprovalRecord
  readonly order: number
  readonly since: number
  dueAt: number
  slot: Due['slot'] = null
  #notBefore: number
  #leaseEnd: number
  #fence = 0
  /** Until the holder gives the record back or somebody takes over, even where the lease has run out. */
  #claimed = false
  /** Whoever claimed last. Kept after the record was given back, to know a call that is repeated. */
  #token: string | null = null
  #sealed: JsonText | null
  #starts = 0
  /** The token whose start was counted last. */
  #startedBy: string | null = null
  #looksOwed = 0
  #parked: { readonly reason: ParkReason; readonly note: string } | null = null

  constructor(
    record: ApprovalRecord,
    order: number,
    since: number,
    now: number,
    { dueInMs, sealed, parked }: AddOptions,
  ) {
    this.record = record
    this.order = order
    this.since = since
    this.dueAt = parked === undefined ? now + dueInMs : Number.POSITIVE_INFINITY
    this.#notBefore = since
    this.#leaseEnd = since
    this.#sealed = sealed ?? null
    if (parked !== undefined) this.#parked = { reason: parked, note: '' }
  }

  get sealed(): JsonText | null {
    return this.#sealed
  }

  isParked(): boolean {
    return this.#parked !== null
  }

  isLeased(now: number): boolean {
    return this.#claimed && this.#leaseEnd > now
  }

  isHeldBy(token: string): boolean {
    return this.#claimed && this.#token === token
  }

  claim(token: string, leaseMs: number, { ref, force, knock }: ClaimOptions, now: number): ClaimAnswer {
    if (isForeign(ref, this.record)) return { kind: 'foreign' }
    if (this.#parked !== null) return { kind: 'parked', reason: this.#parked.reason }
    if (knock === true) this.#looksOwed = quickPolls
    if (this.isLeased(now)) {
      if (this.#token !== token) return { kind: 'held', forMs: this.#leaseEnd - now }
    } else {
      if (this.#notBefore > now && force !== true) {
        this.dueAt = Math.min(this.dueAt, this.#notBefore)
        return { kind: 'too-soon', inMs: this.#notBefore - now }
      }
      this.#claimed = true
      this.#token = token
      this.#fence++
      this.#lease(now + leaseMs)
    }
    return { kind: 'claimed', ...this.#view(now) }
  }

  knock({ ref, withinMs }: KnockOptions, now: number): 'knocked' | 'parked' | 'foreign' {
    if (isForeign(ref, this.record)) return 'foreign'
    if (this.#parked !== null) return 'parked'
    this.#looksOwed = quickPolls
    this.dueAt = Math.min(this.dueAt, now + withinMs)
    return 'knocked'
  }

  extend(token: string, leaseMs: number, now: number): 'extended' | 'lost' {
    if (!this.isHeldBy(token)) return 'lost'
    this.#lease(now + leaseMs)
    return 'extended'
  }

  seal(token: string, sealed: JsonText): SealAnswer {
    if (!this.isHeldBy(token)) return { kind: 'lost' }
    this.#sealed ??= sealed
    if (this.#startedBy !== token) {
      this.#startedBy = token
      this.#starts++
    }
    return { kind: 'sealed', sealed: this.#sealed, starts: this.#starts }
  }

  release(
    token: string,
    { dueInMs, notBeforeMs, knocked, giveAttemptBack }: ReleaseOptions,
    now: number,
  ): 'released' | 'lost' {
    if (this.#token !== token || this.#parked !== null) return 'lost'
    if (!this.#claimed) return 'released'
    this.#claimed = false
    if (giveAttemptBack === true && this.#startedBy === token) {
      this.#startedBy = null
      this.#starts--
    }
    if (knocked === true) this.#looksOwed = quickPolls
    this.#notBefore = now + notBeforeMs
    this.dueAt = this.#looksOwed > 0 ? this.#notBefore : now + dueInMs
    this.#looksOwed = Math.max(this.#looksOwed - 1, 0)
    return 'released'
  }

  park(token: string, reason: ParkReason, note: string): 'parked' | 'lost' {
    if (this.#parked !== null) return this.#token === token ? 'parked' : 'lost'
    if (!this.isHeldBy(token)) return 'lost'
    this.#claimed = false
    this.#parked = { reason, note }
    this.dueAt = Number.POSITIVE_INFINITY
    return 'parked'
  }

  retry(now: number): 'pending' | 'not-parked' {
    if (this.#parked === null) return 'not-parked'
    this.#parked = null
    this.#token = null
    this.#starts = 0
    this.#startedBy = null
    this.#notBefore = now
    this.dueAt = now
    return 'pending'
  }

  snapshot(now: number): Snapshot {
    const view = this.#view(now)
    if (this.#parked !== null) return { state: 'parked', ...view, ...this.#parked }
    return { state: this.isLeased(now) ? 'claimed' : 'pending', ...view, dueInMs: this.dueAt - now }
  }

  #lease(end: number): void {
    this.#leaseEnd = end
    this.dueAt = end
  }

  #view(now: number): Omit<Extract<ClaimAnswer, { kind: 'claimed' }>, 'kind'> {
    return {
      record: this.record,
      fence: this.#fence,
      starts: this.#starts,
      sealed: this.#sealed,
      ageMs: now - this.since,
    }
  }
}

/** Whether a reference was presented that is not the owner's. */
export function isForeign(ref: string | undefined, owner: ApprovalRecord | Tombstone): boolean {
  return ref !== undefined && ref !== owner.ref
}
