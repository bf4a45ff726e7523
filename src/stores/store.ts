import type { ParkReason } from '../model/park-reason.js'
import type { JsonText } from '../util/json.js'
import type { ApprovalRecord, Draft, NewRecord, Tombstone } from './record.js'

/**
 * Where submitted requests wait for their decisions. A store is the only owner of that knowledge: what it
 * acknowledged it must keep, for as long as its own durability reaches.
 *
 * ```
 *  reserve(ref) ─► RESERVED ─bind─► PENDING ─claim─► CLAIMED ─complete─► DONE (tombstone)
 *  add(id) ─────────────────────────▲  ▲               │ │
 *                                   │  └───release─────┘ └─park─► PARKED ─retry─► PENDING, or cancel ─► DONE
 *                                   └─ a CLAIMED record whose lease expired is simply due again
 * ```
 *
 * Rules for every method:
 * - One atomic step: of any number of parallel calls each sees all of the others or nothing of them (`bind` may take
 *   several writes, and must be resumable between them).
 * - Durations in, never dates: the store's own clock decides, so workers with wrong clocks agree.
 * - A rejection means that the outcome is unknown or nothing happened; every method may then be called again with the
 *   same arguments, and a write repeated by the same token answers as it did the first time.
 * - Every open record (reserved, pending, claimed) stands in one due index. Open records are never evicted and never
 *   expire by themselves.
 * - Ids are opaque: `__proto__` is as good an id as any.
 *
 * `storeContract` from `cheqpoint-callback/testing` is this page as an executable test.
 */
export interface Store {
  /**
   * Registers a request whose id is known. With `sealed` its decision is known too.
   * `exists`: the id is registered or its tombstone is still there; nothing changed.
   */
  add(record: NewRecord, options: AddOptions): Promise<'added' | 'exists'>

  /**
   * Keeps a request under our own reference before it is sent. `open`: the reference is reserved already and not
   * bound; nothing changed. `bound`: it is bound to this id, which may be finished.
   */
  reserve(ref: string, draft: Draft, options: DueOptions): Promise<ReserveAnswer>

  /**
   * Joins a reservation and the id that the API gave it: the record is pending from now on. The first id wins.
   * Where a callback named this very id while it was held as a candidate, the record is due at once.
   * `conflict`: the reference is bound to another id, or the id belongs to another record; nothing changed.
   * Not one step: a crash in the middle leaves the reservation due, and the next `takeDue` resumes it.
   */
  bind(ref: string, id: string, options: AddOptions): Promise<'bound' | 'conflict' | 'unknown'>

  /**
   * Remembers an id that a callback with this reference's token claimed. `full`: four are remembered already.
   * `bound`: the reference is bound by now, so ask `claim` again. Holding the same id twice is `held`.
   */
  hold(ref: string, id: string): Promise<'held' | 'full' | 'bound' | 'unknown'>

  /** Forgets a reservation whose request was refused. */
  discard(ref: string): Promise<'discarded' | 'bound' | 'unknown'>

  /** Makes a reservation due in `dueInMs` from now. */
  postpone(ref: string, dueInMs: number): Promise<'postponed' | 'bound' | 'unknown'>

  /** An unbound reservation, or `null`. */
  reservation(ref: string): Promise<Reservation | null>

  /**
   * Takes the lease. See {@link ClaimAnswer}. At most one token holds a record at a time; a lease that ran out is
   * taken over, never earlier. Claiming again with the token that holds a live lease answers as before.
   * A refusal never makes the record due later.
   */
  claim(id: string, token: string, leaseMs: number, options: ClaimOptions): Promise<ClaimAnswer>

  /**
   * Tells that a callback for this record came and was not looked into: it is due `withinMs` from now at the latest,
   * and never later than it was.
   */
  knock(id: string, options: KnockOptions): Promise<'knocked' | 'done' | 'parked' | 'foreign' | 'unknown'>

  /**
   * Hands out what is due, oldest first, and pushes each key `leaseMs` ahead, so that parallel callers get different
   * keys and a caller that dies loses nothing. Costs by the number of keys due, never by the number of records.
   */
  takeDue(limit: number, leaseMs: number): Promise<readonly DueKey[]>

  /** Moves the end of the lease to `leaseMs` from now. `lost`: the token no longer holds the record. */
  extend(id: string, token: string, leaseMs: number): Promise<'extended' | 'lost'>

  /**
   * Writes the confirmed decision, unless one is written already, and counts a start, once a token.
   * Answers with the decision that stands: the first one.
   */
  seal(id: string, token: string, sealed: JsonText): Promise<SealAnswer>

  /** Gives the lease back. Nothing but a forced claim gets the record before `notBeforeMs` have passed. */
  release(id: string, token: string, options: ReleaseOptions): Promise<'released' | 'lost'>

  /**
   * Ends the record: a tombstone stays for `retentionMs`; details and context are erased. Accepted from the current
   * token even after its lease ran out, as long as nobody took over.
   */
  complete(id: string, token: string, end: Completion, retentionMs: number): Promise<'done' | 'lost'>

  /** Takes the record out of the due index until a person retries or cancels it. `note` is for that person. */
  park(id: string, token: string, reason: ParkReason, note: string): Promise<'parked' | 'lost'>

  /** A parked record is pending again, due at once, its starts forgotten and its sealed decision kept. */
  retry(id: string): Promise<'pending' | 'not-parked' | 'unknown'>

  /** Ends a parked or pending record without a run. `held`: somebody has the lease now. */
  cancel(id: string, retentionMs: number): Promise<'cancelled' | 'held' | 'done' | 'unknown'>

  /** What is kept of an approval now: its record, or what is left of it; `null` where nothing is. */
  get(id: string): Promise<Snapshot | null>

  /** Pages through open records, oldest due first, or through parked ones. A page is a moment's view. */
  list(query: ListQuery): Promise<Page<Snapshot>>

  /** Pages through unbound reservations. */
  reservations(query: PageQuery): Promise<Page<Reservation>>

  /** How much is open, parked and overdue. */
  stats(): Promise<StoreStats>

  /** Time until the next key is due, 0 where one is, `null` where nothing is open. */
  nextDueInMs(): Promise<number | null>

  /** Looks whether the store is fit for its task. Warnings are for a person; unfitness rejects, `store-unsuitable`. */
  check(): Promise<readonly string[]>

  /** Frees what the store itself opened. Twice is fine. */
  close(): Promise<void>
}

/** When a key is due. */
export interface DueOptions {
  readonly dueInMs: number
}

/** How a record begins. */
export interface AddOptions extends DueOptions {
  /** The decision, where the answer to the submission held it. */
  readonly sealed?: JsonText | undefined
  /** The record waits for a person from the start, and is not due. */
  readonly parked?: ParkReason | undefined
}

/** See `Store.reserve`. */
export type ReserveAnswer =
  | { readonly kind: 'reserved' }
  | { readonly kind: 'open' }
  | { readonly kind: 'bound'; readonly id: string }

/** What is known of whoever claims. */
export interface ClaimOptions {
  /** The reference that the callback's token proved. Where it is given it must be the record's. */
  readonly ref?: string | undefined
  /** A person asks: past `notBefore`, not past a live lease. */
  readonly force?: boolean | undefined
  /**
   * A callback asks. The record then owes it a few quick looks, {@link quickPolls} at most: each release spends one
   * and makes the record due at the end of `notBeforeMs`. So a genuine callback that meets an older look under way,
   * or comes before the API shows the decision, is not lost in a long back-off.
   */
  readonly knock?: boolean | undefined
}

/** How many quick looks a callback is owed. */
export const quickPolls = 3

/** How many candidate ids a reservation remembers. */
export const maxCandidates = 4

/** What is known of a callback that was not looked into. */
export interface KnockOptions {
  readonly ref?: string | undefined
  readonly withinMs: number
}

/** See `Store.claim`. `claimed` alone gives the lease. */
export type ClaimAnswer =
  | {
      readonly kind: 'claimed'
      readonly record: ApprovalRecord
      /** Rises by one with every claim. */
      readonly fence: number
      /** Starts counted so far. */
      readonly starts: number
      readonly sealed: JsonText | null
      /** Time since the record was added or reserved, by the store's clock. */
      readonly ageMs: number
    }
  | { readonly kind: 'unknown' }
  /** The reference presented is not the record's; nothing changed. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'done'; readonly tombstone: Tombstone }
  | { readonly kind: 'parked'; readonly reason: ParkReason }
  /** Another token's lease has so long to go. */
  | { readonly kind: 'held'; readonly forMs: number }
  /** `notBefore` is so far ahead; the record is due then at the latest. */
  | { readonly kind: 'too-soon'; readonly inMs: number }
  /** The store holds something under this id that it cannot read, or that a newer version wrote. Left alone. */
  | { readonly kind: 'unreadable' }

/** See `Store.seal`. `sealed` is the decision that stands, whoever wrote it. */
export type SealAnswer =
  | { readonly kind: 'sealed'; readonly sealed: JsonText; readonly starts: number }
  | { readonly kind: 'lost' }

/** When a record that is given back may be looked at again. */
export interface ReleaseOptions extends DueOptions {
  readonly notBeforeMs: number
  /** A callback came meanwhile and did not reach the store. */
  readonly knocked?: boolean | undefined
  /** The start that this token counted did not happen, or did not get to matter. */
  readonly giveAttemptBack?: boolean | undefined
}

/** How a record ends. */
export interface Completion {
  readonly outcome: Tombstone['outcome']
  readonly result: JsonText | null
}

/** What is due: a record by its id, or a reservation by its reference. */
export type DueKey =
  | { readonly kind: 'approval'; readonly id: string }
  | { readonly kind: 'reservation'; readonly ref: string }

/** A request that has no approval id yet. */
export interface Reservation {
  readonly ref: string
  readonly draft: Draft
  readonly ageMs: number
  /** Ids that callbacks with this reference's token claimed, oldest first. */
  readonly candidates: readonly string[]
}

/** A record at one moment, for reading only. */
export type Snapshot =
  | {
      readonly state: 'pending' | 'claimed'
      readonly record: ApprovalRecord
      readonly fence: number
      readonly starts: number
      readonly sealed: JsonText | null
      readonly ageMs: number
      /** Negative where it is overdue. */
      readonly dueInMs: number
    }
  | {
      readonly state: 'parked'
      readonly record: ApprovalRecord
      readonly fence: number
      readonly starts: number
      readonly sealed: JsonText | null
      readonly ageMs: number
      readonly reason: ParkReason
      readonly note: string
    }
  | { readonly state: 'done'; readonly tombstone: Tombstone }

/** Which page of a list. */
export interface PageQuery {
  readonly limit: number
  /** From the page before. */
  readonly cursor?: string | undefined
}

/** Which page of which records. */
export interface ListQuery extends PageQuery {
  readonly state: 'open' | 'parked'
}

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /** `null` on the last page. */
  readonly cursor: string | null
}

/** Health numbers of a store. */
export interface StoreStats {
  /** Records and reservations in the due index. */
  readonly open: number
  readonly parked: number
  /** How long the oldest due key has been waiting, 0 where none is due. */
  readonly overdueMs: number
}
