import { LRUCache } from 'lru-cache'
import { CheqpointError } from '../../model/errors.js'
import type { ParkReason } from '../../model/park-reason.js'
import { group, invalid, number } from '../../options/option-checks.js'
import { type Clock, systemClock } from '../../util/clock.js'
import type { JsonText } from '../../util/json.js'
import { type ApprovalRecord, type Draft, type NewRecord, recordVersion, type Tombstone } from '../record.js'
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
  type ReleaseOptions,
  type Reservation,
  type ReserveAnswer,
  type SealAnswer,
  type Snapshot,
  type Store,
  type StoreStats,
} from '../store.js'
import { type Due, DueQueue, page } from './due-queue.js'
import { isForeign, OpenRecord } from './open-record.js'

/** What {@link memoryStore} takes. */
export interface MemoryStoreOptions {
  /** Open records, reserved and parked ones included, that the store holds at most. Default 100 000. */
  readonly maxPending?: number | undefined
  /** Only `elapsed()` is used. Default: the process's monotonic clock. */
  readonly clock?: Clock | undefined
}

/** How many tombstones are kept at most, and what each of them weighs beside its texts. */
const maxTombstones = 100_000
const tombstoneWeight = 640

/**
 * A store for development, tests and single processes that may forget: what it holds lives as long as the process.
 * Open records are never evicted; at `maxPending` of them `add` and `reserve` reject with `store-full`. Tombstones are
 * kept up to about 64 MB. A call costs O(log n) at most, but `list` and `reservations` look at every record.
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
    process.emitWarning('memoryStore forgets every open approval when the process ends; production needs redisStore', {
      code: 'CHEQPOINT_MEMORY_STORE',
    })
  }
  return new MemoryStore(maxPending, clock)
}

/** Whether a store is one of these itself, and nothing wrapped around one. */
export function isMemoryStore(store: Store): boolean {
  return MemoryStore.is(store)
}

/** An unbound reservation. */
interface Reserved extends Due {
  readonly kind: 'reservation'
  readonly ref: string
  readonly draft: Draft
  readonly since: number
  dueAt: number
  candidates: readonly string[]
}

interface Grave {
  readonly tombstone: Tombstone
  /** Who completed the record, to know a call that is repeated; `null` after a cancel. */
  readonly token: string | null
}

/** Every method does all of its work before it returns its promise, so nothing comes between. */
class MemoryStore implements Store {
  readonly #maxPending: number
  readonly #clock: Clock
  readonly #reserved = new Map<string, Reserved>()
  readonly #open = new Map<string, OpenRecord>()
  readonly #graves: LRUCache<string, Grave>
  /** Ids by the reference that was bound to them, for as long as the record or its tombstone is here. */
  readonly #bound = new Map<string, string>()
  readonly #due = new DueQueue<Reserved | OpenRecord>()
  #order = 0

  static is(store: object): boolean {
    return #graves in store
  }

  constructor(maxPending: number, clock: Clock) {
    this.#maxPending = maxPending
    this.#clock = clock
    this.#graves = new LRUCache({
      // Bounded by weight alone: for a count, lru-cache would allocate all room at once.
      maxSize: maxTombstones * tombstoneWeight,
      sizeCalculation: ({ tombstone: { sealed, result } }) =>
        tombstoneWeight + (sealed?.length ?? 0) + (result?.length ?? 0),
      dispose: ({ tombstone }) => this.#unbind(tombstone),
      ttlResolution: 0,
      // lru-cache takes an entry stored at 0 for one that never ends.
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
    const since = this.#clock.elapsed()
    const reserved: Reserved = {
      kind: 'reservation',
      ref,
      draft: draftOf(ref, draft),
      order: this.#order++,
      since,
      dueAt: since + dueInMs,
      slot: null,
      candidates: [],
    }
    this.#reserved.set(ref, reserved)
    this.#due.update(reserved)
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
    const dueInMs = reserved.candidates.includes(id) ? 0 : options.dueInMs
    if (owner === undefined) this.#insert(id, reserved.draft, reserved.since, { ...options, dueInMs })
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
    reserved.dueAt = this.#clock.elapsed() + dueInMs
    this.#due.update(reserved)
    return 'postponed'
  }

  async reservation(ref: string): Promise<Reservation | null> {
    const reserved = this.#reserved.get(ref)
    return reserved === undefined ? null : viewOf(reserved, this.#clock.elapsed())
  }

  async claim(id: string, token: string, leaseMs: number, options: ClaimOptions): Promise<ClaimAnswer> {
    const answer = this.#change(id, (open, now) => open.claim(token, leaseMs, options, now))
    if (answer !== undefined) return answer
    const tombstone = this.#graves.get(id)?.tombstone
    if (tombstone === undefined) return { kind: 'unknown' }
    return isForeign(options.ref, tombstone) ? { kind: 'foreign' } : { kind: 'done', tombstone }
  }

  async knock(id: string, options: KnockOptions): Promise<'knocked' | 'done' | 'parked' | 'foreign' | 'unknown'> {
    const answer = this.#change(id, (open, now) => open.knock(options, now))
    if (answer !== undefined) return answer
    const tombstone = this.#graves.get(id)?.tombstone
    if (tombstone === undefined) return 'unknown'
    return isForeign(options.ref, tombstone) ? 'foreign' : 'done'
  }

  async takeDue(limit: number, leaseMs: number): Promise<readonly DueKey[]> {
    const now = this.#clock.elapsed()
    const taken: DueKey[] = []
    while (taken.length < limit) {
      const first = this.#due.first()
      if (first === undefined || first.dueAt > now) break
      // Ahead of now in any case, or one call would hand it out twice.
      first.dueAt = now + Math.max(leaseMs, 1)
      this.#due.update(first)
      taken.push(
        first.kind === 'approval' ? { kind: first.kind, id: first.record.id } : { kind: first.kind, ref: first.ref },
      )
    }
    return taken
  }

  async extend(id: string, token: string, leaseMs: number): Promise<'extended' | 'lost'> {
    return this.#change(id, (open, now) => open.extend(token, leaseMs, now)) ?? 'lost'
  }

  async seal(id: string, token: string, sealed: JsonText): Promise<SealAnswer> {
    return this.#change(id, (open) => open.seal(token, sealed)) ?? { kind: 'lost' }
  }

  async release(id: string, token: string, options: ReleaseOptions): Promise<'released' | 'lost'> {
    return this.#change(id, (open, now) => open.release(token, options, now)) ?? 'lost'
  }

  async complete(id: string, token: string, end: Completion, retentionMs: number): Promise<'done' | 'lost'> {
    const open = this.#open.get(id)
    if (open === undefined) return this.#graves.get(id)?.token === token ? 'done' : 'lost'
    if (!open.isHeldBy(token)) return 'lost'
    this.#bury(open, end, open.sealed, token, retentionMs)
    return 'done'
  }

  async park(id: string, token: string, reason: ParkReason, note: string): Promise<'parked' | 'lost'> {
    return this.#change(id, (open) => open.park(token, reason, note)) ?? 'lost'
  }

  async retry(id: string): Promise<'pending' | 'not-parked' | 'unknown'> {
    const answer = this.#change(id, (open, now) => open.retry(now))
    return answer ?? (this.#graves.get(id) === undefined ? 'unknown' : 'not-parked')
  }

  async cancel(id: string, retentionMs: number): Promise<'cancelled' | 'held' | 'done' | 'unknown'> {
    const open = this.#open.get(id)
    if (open === undefined) return this.#graves.get(id) === undefined ? 'unknown' : 'done'
    if (open.isLeased(this.#clock.elapsed())) return 'held'
    this.#bury(open, { outcome: 'cancelled', result: null }, null, null, retentionMs)
    return 'cancelled'
  }

  async get(id: string): Promise<Snapshot | null> {
    const open = this.#open.get(id)
    if (open !== undefined) return open.snapshot(this.#clock.elapsed())
    const tombstone = this.#graves.get(id)?.tombstone
    return tombstone === undefined ? null : { state: 'done', tombstone }
  }

  async list({ state, ...query }: ListQuery): Promise<Page<Snapshot>> {
    const now = this.#clock.elapsed()
    const listed = [...this.#open.values()].filter((open) => open.isParked() === (state === 'parked'))
    return page(listed, query, (open) => open.snapshot(now))
  }

  async reservations(query: PageQuery): Promise<Page<Reservation>> {
    const now = this.#clock.elapsed()
    return page([...this.#reserved.values()], query, (reserved) => viewOf(reserved, now))
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

  /** Nothing to free: the store opens nothing and has no timer. What it holds stays. */
  async close(): Promise<void> {}

  /** Takes a step of an open record, and puts that where it is due now. */
  #change<Answer>(id: string, step: (open: OpenRecord, now: number) => Answer): Answer | undefined {
    const open = this.#open.get(id)
    if (open === undefined) return undefined
    const answer = step(open, this.#clock.elapsed())
    this.#due.update(open)
    return answer
  }

  #demandRoom(): void {
    if (this.#open.size + this.#reserved.size < this.#maxPending) return
    throw new CheqpointError('store-full', `the memory store holds ${this.#maxPending} open records, its maxPending`)
  }

  #insert(id: string, draft: Draft, since: number, options: AddOptions): void {
    const open = new OpenRecord(recordOf(id, draft), this.#order++, since, this.#clock.elapsed(), options)
    this.#open.set(id, open)
    this.#due.update(open)
  }

  #forget(reserved: Reserved): void {
    this.#reserved.delete(reserved.ref)
    reserved.dueAt = Number.POSITIVE_INFINITY
    this.#due.update(reserved)
  }

  #bury(open: OpenRecord, end: Completion, sealed: JsonText | null, token: string | null, retentionMs: number): void {
    const { id, ref, action, assistant } = open.record
    const { outcome, result } = end
    const tombstone: Tombstone = Object.freeze({ id, ref, action, assistant, outcome, sealed, result })
    this.#open.delete(id)
    open.dueAt = Number.POSITIVE_INFINITY
    this.#due.update(open)
    // To lru-cache a ttl of 0 is no end.
    if (retentionMs > 0) this.#graves.set(id, { tombstone, token }, { ttl: retentionMs })
    if (!this.#graves.has(id)) this.#unbind(tombstone)
  }

  #boundId(ref: string): string | undefined {
    const id = this.#bound.get(ref)
    return id !== undefined && (this.#open.has(id) || this.#graves.has(id)) ? id : undefined
  }

  #boundOrUnknown(ref: string): 'bound' | 'unknown' {
    return this.#boundId(ref) === undefined ? 'unknown' : 'bound'
  }

  #unbind({ id, ref }: Tombstone): void {
    if (ref !== null && this.#bound.get(ref) === id) this.#bound.delete(ref)
  }
}

// Field by field: that leaves out what else the caller's object holds, and takes a quarter of a spread's memory.
function draftOf(ref: string, { action, assistant, expiresAt, details, context }: Draft): Draft {
  return Object.freeze({ ref, action, assistant, expiresAt, details, context })
}

function recordOf(id: string, { ref, action, assistant, expiresAt, details, context }: Draft): ApprovalRecord {
  return Object.freeze({ id, ref, action, assistant, expiresAt, details, context, version: recordVersion })
}

function viewOf({ ref, draft, candidates, since }: Reserved, now: number): Reservation {
  return { ref, draft, candidates, ageMs: now - since }
}
