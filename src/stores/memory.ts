import { LRUCache } from 'lru-cache'
import { group, invalid, number } from '../checks.js'
import { CheqpointError } from '../errors.js'
import {
  type ApprovalRecord,
  type Draft,
  type JsonText,
  type NewRecord,
  type ParkReason,
  recordVersion,
  type Tombstone,
} from '../record.js'
import { type Clock, systemClock } from '../runtime.js'
import {
  type AddOptions,
  type ClaimAnswer,
  type ClaimOptions,
  type Completion,
  type DueKey,
  type DueOptions,
  type KnockOptions,
  type ListQuery,
  maxCandidates,
  type Page,
  type PageQuery,
  quickLooks,
  type ReleaseOptions,
  type Reservation,
  type ReserveAnswer,
  type SealAnswer,
  type Snapshot,
  type Store,
  type StoreStats,
} from '../store.js'
import { type Due, DueQueue, page } from './due-queue.js'

export interface MemoryStoreOptions {
  /** Open records, parked ones included, that the store holds at most; then `add` and `reserve` reject. Default 100 000. */
  readonly maxPending?: number | undefined
  /** Only `elapsed()` is used. Default: the process's monotonic clock. */
  readonly clock?: Clock | undefined
}

/** Together about 64 MB. Losing one early is harmless, since nothing runs without an open record. */
const maxTombstones = 100_000
const tombstoneWeight = 640

/**
 * A store for development, tests and single processes that may forget: open records live as long as the process.
 * They are never evicted; at `maxPending` `add` and `reserve` reject with `store-full`. Each method does its work before
 * it returns its promise, so each is atomic. Takes about 0.8 KB a record, and O(log n) a call; `list` and
 * `reservations` alone look at every record.
 *
 * @example
 * ```ts
 * const receiver = createReceiver({ apiKey, onDecision, store: memoryStore({ maxPending: 10_000 }) })
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  group(options, '', ['maxPending', 'clock'])
  const { clock = systemClock } = options
  if (typeof clock?.elapsed !== 'function') throw invalid('clock', clock, 'an object with now() and elapsed()')
  const maxPending = number(options.maxPending, 'maxPending', 100_000, 1, Number.MAX_SAFE_INTEGER)
  if (process.env['NODE_ENV'] === 'production') {
    process.emitWarning('memoryStore loses every open approval when the process ends; use redisStore in production', {
      code: 'CHEQPOINT_MEMORY_STORE',
    })
  }
  return new MemoryStore(maxPending, clock)
}

/** An unbound reservation. */
interface Reserved extends Due<Entry> {
  readonly kind: 'reservation'
  readonly ref: string
  readonly draft: Draft
  readonly since: number
  candidates: readonly string[]
}

/** A record that is pending, claimed or parked. */
interface Open extends Due<Entry> {
  readonly kind: 'approval'
  readonly record: ApprovalRecord
  readonly since: number
  notBefore: number
  leaseEnd: number
  fence: number
  /** True until the holder gives the record back, even where its lease has run out. */
  claimed: boolean
  /** Whoever claimed last. Kept after the record was given back, to know a repeated call. */
  token: string | null
  sealed: JsonText | null
  starts: number
  /** The token whose start was counted last. */
  startedBy: string | null
  /** Quick looks owed to callbacks. */
  owed: number
  parked: { readonly reason: ParkReason; readonly note: string } | null
}

type Entry = Reserved | Open

interface Grave {
  readonly tombstone: Tombstone
  /** Who completed the record, to know a repeated call; `null` after a cancel. */
  readonly token: string | null
}

class MemoryStore implements Store {
  readonly #maxPending: number
  readonly #clock: Clock
  readonly #reserved = new Map<string, Reserved>()
  readonly #open = new Map<string, Open>()
  readonly #graves: LRUCache<string, Grave>
  /** Ids by reference, for as long as the record or its tombstone is here. */
  readonly #bound = new Map<string, string>()
  readonly #due = new DueQueue<Entry>()
  #order = 0

  constructor(maxPending: number, clock: Clock) {
    this.#maxPending = maxPending
    this.#clock = clock
    // Bounded by size and not by count: lru-cache allocates room for a full count at once.
    this.#graves = new LRUCache({
      maxSize: maxTombstones * tombstoneWeight,
      sizeCalculation: ({ tombstone }) =>
        tombstoneWeight + (tombstone.sealed?.length ?? 0) + (tombstone.result?.length ?? 0),
      dispose: ({ tombstone }) => this.#unbind(tombstone),
      ttlResolution: 0,
      // To lru-cache an entry stored at 0 is one without a time.
      perf: { now: () => clock.elapsed() + 1 },
    })
  }

  async add(record: NewRecord, options: AddOptions): Promise<'added' | 'exists'> {
    if (this.#open.has(record.id) || this.#graves.get(record.id) !== undefined) return 'exists'
    this.#demandRoom()
    this.#insert(record.id, record, this.#clock.elapsed(), options)
    return 'added'
  }

  async reserve(ref: string, draft: Draft, { dueInMs }: DueOptions): Promise<ReserveAnswer> {
    if (this.#reserved.has(ref)) return { kind: 'open' }
    const id = this.#boundId(ref)
    if (id !== undefined) return { kind: 'bound', id }
    this.#demandRoom()
    const now = this.#clock.elapsed()
    const reserved: Reserved = {
      kind: 'reservation',
      ref,
      draft: draftOf(ref, draft),
      since: now,
      candidates: [],
      order: this.#order++,
      dueAt: 0,
      slot: null,
    }
    this.#reserved.set(ref, reserved)
    this.#due.put(reserved, now + dueInMs)
    return { kind: 'reserved' }
  }

  async bind(ref: string, id: string, options: AddOptions): Promise<'bound' | 'conflict' | 'unknown'> {
    const reserved = this.#reserved.get(ref)
    if (reserved === undefined) {
      const known = this.#boundId(ref)
      if (known === undefined) return 'unknown'
      return known === id ? 'bound' : 'conflict'
    }
    const owner = this.#open.get(id)?.record ?? this.#graves.get(id)?.tombstone
    if (owner !== undefined && owner.ref !== ref) return 'conflict'
    if (owner === undefined) this.#insert(id, reserved.draft, reserved.since, options)
    this.#forget(reserved)
    this.#bound.set(ref, id)
    return 'bound'
  }

  async hold(ref: string, id: string): Promise<'held' | 'full' | 'bound' | 'unknown'> {
    const reserved = this.#reserved.get(ref)
    if (reserved === undefined) return this.#boundOrUnknown(ref)
    if (reserved.candidates.includes(id)) return 'held'
    if (reserved.candidates.length >= maxCandidates) return 'full'
    reserved.candidates = [...reserved.candidates, id]
    return 'held'
  }

  async discard(ref: string): Promise<'discarded' | 'bound' | 'unknown'> {
    const reserved = this.#reserved.get(ref)
    if (reserved === undefined) return this.#boundOrUnknown(ref)
    this.#forget(reserved)
    return 'discarded'
  }

  async postpone(ref: string, dueInMs: number): Promise<'postponed' | 'bound' | 'unknown'> {
    const reserved = this.#reserved.get(ref)
    if (reserved === undefined) return this.#boundOrUnknown(ref)
    this.#due.put(reserved, this.#clock.elapsed() + dueInMs)
    return 'postponed'
  }

  async reservation(ref: string): Promise<Reservation | null> {
    const reserved = this.#reserved.get(ref)
    return reserved === undefined ? null : this.#reservation(reserved)
  }

  async claim(
    id: string,
    token: string,
    leaseMs: number,
    { ref, force = false, knock = false }: ClaimOptions,
  ): Promise<ClaimAnswer> {
    const entry = this.#open.get(id)
    if (entry === undefined) {
      const tombstone = this.#graves.get(id)?.tombstone
      if (tombstone === undefined) return { kind: 'unknown' }
      return isForeign(ref, tombstone) ? { kind: 'foreign' } : { kind: 'done', tombstone }
    }
    if (isForeign(ref, entry.record)) return { kind: 'foreign' }
    if (entry.parked !== null) return { kind: 'parked', reason: entry.parked.reason }
    const now = this.#clock.elapsed()
    if (knock) entry.owed = quickLooks
    const leased = entry.claimed && entry.leaseEnd > now
    if (leased && entry.token !== token) return { kind: 'held', forMs: entry.leaseEnd - now }
    if (!leased) {
      if (!force && entry.notBefore > now) {
        this.#due.put(entry, Math.min(entry.dueAt, entry.notBefore))
        return { kind: 'too-soon', inMs: entry.notBefore - now }
      }
      entry.claimed = true
      entry.token = token
      entry.fence++
      this.#lease(entry, leaseMs)
    }
    const { record, fence, starts, sealed, since } = entry
    return { kind: 'claimed', record, fence, starts, sealed, ageMs: now - since }
  }

  async knock(
    id: string,
    { ref, withinMs }: KnockOptions,
  ): Promise<'knocked' | 'done' | 'parked' | 'foreign' | 'unknown'> {
    const entry = this.#open.get(id)
    if (entry === undefined) {
      const tombstone = this.#graves.get(id)?.tombstone
      if (tombstone === undefined) return 'unknown'
      return isForeign(ref, tombstone) ? 'foreign' : 'done'
    }
    if (isForeign(ref, entry.record)) return 'foreign'
    if (entry.parked !== null) return 'parked'
    entry.owed = quickLooks
    this.#due.put(entry, Math.min(entry.dueAt, this.#clock.elapsed() + withinMs))
    return 'knocked'
  }

  async takeDue(limit: number, leaseMs: number): Promise<readonly DueKey[]> {
    const now = this.#clock.elapsed()
    const taken: Entry[] = []
    while (taken.length < limit) {
      const entry = this.#due.first()
      if (entry === undefined || entry.dueAt > now) break
      // Out of the queue until the batch is whole, so that no lease is too short to keep a key from coming twice.
      this.#due.drop(entry)
      taken.push(entry)
    }
    for (const entry of taken) this.#due.put(entry, now + leaseMs)
    return taken.map((entry) =>
      entry.kind === 'approval' ? { kind: 'approval', id: entry.record.id } : { kind: 'reservation', ref: entry.ref },
    )
  }

  async extend(id: string, token: string, leaseMs: number): Promise<'extended' | 'lost'> {
    const entry = this.#heldBy(id, token)
    if (entry === undefined) return 'lost'
    this.#lease(entry, leaseMs)
    return 'extended'
  }

  async seal(id: string, token: string, sealed: JsonText): Promise<SealAnswer> {
    const entry = this.#heldBy(id, token)
    if (entry === undefined) return { kind: 'lost' }
    entry.sealed ??= sealed
    if (entry.startedBy !== token) {
      entry.startedBy = token
      entry.starts++
    }
    return { kind: 'sealed', sealed: entry.sealed, starts: entry.starts }
  }

  async release(
    id: string,
    token: string,
    { dueInMs, notBeforeMs, knocked = false, startBack = false }: ReleaseOptions,
  ): Promise<'released' | 'lost'> {
    const entry = this.#open.get(id)
    if (entry === undefined || entry.token !== token || entry.parked !== null) return 'lost'
    if (!entry.claimed) return 'released'
    entry.claimed = false
    if (startBack && entry.startedBy === token) {
      entry.startedBy = null
      entry.starts--
    }
    if (knocked) entry.owed = quickLooks
    const now = this.#clock.elapsed()
    entry.notBefore = now + notBeforeMs
    this.#due.put(entry, entry.owed > 0 ? entry.notBefore : now + dueInMs)
    entry.owed = Math.max(entry.owed - 1, 0)
    return 'released'
  }

  async complete(
    id: string,
    token: string,
    { outcome, result }: Completion,
    retentionMs: number,
  ): Promise<'done' | 'lost'> {
    const entry = this.#heldBy(id, token)
    if (entry === undefined) return this.#graves.get(id)?.token === token ? 'done' : 'lost'
    this.#bury(entry, { outcome, sealed: entry.sealed, result }, token, retentionMs)
    return 'done'
  }

  async park(id: string, token: string, reason: ParkReason, note: string): Promise<'parked' | 'lost'> {
    const entry = this.#open.get(id)
    if (entry === undefined || entry.token !== token) return 'lost'
    if (entry.parked !== null) return 'parked'
    if (!entry.claimed) return 'lost'
    entry.claimed = false
    entry.parked = { reason, note }
    this.#due.drop(entry)
    return 'parked'
  }

  async retry(id: string): Promise<'pending' | 'not-parked' | 'unknown'> {
    const entry = this.#open.get(id)
    if (entry === undefined) return this.#graves.get(id) === undefined ? 'unknown' : 'not-parked'
    if (entry.parked === null) return 'not-parked'
    const now = this.#clock.elapsed()
    entry.parked = null
    entry.token = null
    entry.starts = 0
    entry.startedBy = null
    entry.notBefore = now
    this.#due.put(entry, now)
    return 'pending'
  }

  async cancel(id: string, retentionMs: number): Promise<'cancelled' | 'held' | 'done' | 'unknown'> {
    const entry = this.#open.get(id)
    if (entry === undefined) return this.#graves.get(id) === undefined ? 'unknown' : 'done'
    if (this.#isLeased(entry)) return 'held'
    this.#bury(entry, { outcome: 'cancelled', sealed: null, result: null }, null, retentionMs)
    return 'cancelled'
  }

  async get(id: string): Promise<Snapshot | null> {
    const entry = this.#open.get(id)
    if (entry !== undefined) return this.#snapshot(entry)
    const tombstone = this.#graves.get(id)?.tombstone
    return tombstone === undefined ? null : { state: 'done', tombstone }
  }

  async list({ state, limit, cursor }: ListQuery): Promise<Page<Snapshot>> {
    const entries = [...this.#open.values()].filter(({ parked }) => (parked !== null) === (state === 'parked'))
    return page(entries, { limit, cursor }, (entry) => this.#snapshot(entry))
  }

  async reservations(query: PageQuery): Promise<Page<Reservation>> {
    return page([...this.#reserved.values()], query, (entry) => this.#reservation(entry))
  }

  async stats(): Promise<StoreStats> {
    const first = this.#due.first()
    return {
      open: this.#due.size,
      parked: this.#open.size + this.#reserved.size - this.#due.size,
      overdueMs: first === undefined ? 0 : Math.max(this.#clock.elapsed() - first.dueAt, 0),
    }
  }

  async nextDueInMs(): Promise<number | null> {
    const first = this.#due.first()
    return first === undefined ? null : Math.max(first.dueAt - this.#clock.elapsed(), 0)
  }

  async check(): Promise<readonly string[]> {
    return []
  }

  /** Nothing to free: the store has no timer and opens nothing, and what it holds stays readable. */
  async close(): Promise<void> {}

  #insert(id: string, draft: Draft, since: number, { dueInMs, sealed }: AddOptions): void {
    const entry: Open = {
      kind: 'approval',
      record: recordOf(id, draft),
      since,
      notBefore: since,
      leaseEnd: since,
      fence: 0,
      claimed: false,
      token: null,
      sealed: sealed ?? null,
      starts: 0,
      startedBy: null,
      owed: 0,
      parked: null,
      order: this.#order++,
      dueAt: 0,
      slot: null,
    }
    this.#open.set(id, entry)
    this.#due.put(entry, this.#clock.elapsed() + dueInMs)
  }

  #demandRoom(): void {
    if (this.#open.size + this.#reserved.size < this.#maxPending) return
    throw new CheqpointError('store-full', `the memory store holds ${this.#maxPending} open records, its maxPending`)
  }

  /** The record, where this token claimed it last and has not given it back. */
  #heldBy(id: string, token: string): Open | undefined {
    const entry = this.#open.get(id)
    return entry?.claimed === true && entry.token === token ? entry : undefined
  }

  #isLeased(entry: Open): boolean {
    return entry.claimed && entry.leaseEnd > this.#clock.elapsed()
  }

  #lease(entry: Open, leaseMs: number): void {
    entry.leaseEnd = this.#clock.elapsed() + leaseMs
    this.#due.put(entry, entry.leaseEnd)
  }

  #bury(entry: Open, end: Pick<Tombstone, 'outcome' | 'sealed' | 'result'>, token: string | null, ms: number): void {
    const { id, ref, action, assistant } = entry.record
    const tombstone = Object.freeze({ id, ref, action, assistant, ...end })
    this.#open.delete(id)
    this.#due.drop(entry)
    // lru-cache takes a ttl of 0 for "never".
    if (ms > 0) this.#graves.set(id, { tombstone, token }, { ttl: ms })
    if (!this.#graves.has(id)) this.#unbind(tombstone)
  }

  #unbind({ id, ref }: Tombstone): void {
    if (ref !== null && this.#bound.get(ref) === id) this.#bound.delete(ref)
  }

  #boundId(ref: string): string | undefined {
    const id = this.#bound.get(ref)
    return id !== undefined && (this.#open.has(id) || this.#graves.has(id)) ? id : undefined
  }

  #boundOrUnknown(ref: string): 'bound' | 'unknown' {
    return this.#boundId(ref) === undefined ? 'unknown' : 'bound'
  }

  #forget(reserved: Reserved): void {
    this.#reserved.delete(reserved.ref)
    this.#due.drop(reserved)
  }

  #reservation({ ref, draft, since, candidates }: Reserved): Reservation {
    return { ref, draft, ageMs: this.#clock.elapsed() - since, candidates }
  }

  #snapshot(entry: Open): Snapshot {
    const { record, fence, starts, sealed, parked } = entry
    const now = this.#clock.elapsed()
    const common = { record, fence, starts, sealed, ageMs: now - entry.since }
    if (parked !== null) return { state: 'parked', ...common, ...parked }
    return { state: this.#isLeased(entry) ? 'claimed' : 'pending', ...common, dueInMs: entry.dueAt - now }
  }
}

// Copied field by field: it leaves out what else the caller's object holds, and takes a quarter of a spread's memory.
function draftOf(ref: string, { action, assistant, expiresAt, details, context }: Draft): Draft {
  return Object.freeze({ ref, action, assistant, expiresAt, details, context })
}

function recordOf(id: string, { ref, action, assistant, expiresAt, details, context }: Draft): ApprovalRecord {
  return Object.freeze({ id, ref, action, assistant, expiresAt, details, context, version: recordVersion })
}

function isForeign(ref: string | undefined, owner: { readonly ref: string | null }): boolean {
  return ref !== undefined && ref !== owner.ref
}
