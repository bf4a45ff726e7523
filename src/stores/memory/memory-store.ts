import { LRUCache } from 'lru-cache'
import TinyQueue from 'tinyqueue'
import { CheqpointError } from '../../model/errors.js'
import { readGroup, whole } from '../../options/option-checks.js'
import { readClock } from '../../options/read-pipeline-options.js'
import type { Clock } from '../../util/clock.js'
import { frozenJson, type JsonValue } from '../../util/json.js'
import type { Entry, Store } from '../store.js'

/** Options of {@link memoryStore}. */
export interface MemoryStoreOptions {
  /** Maximum number of open entries, parked ones included. Default 100,000. */
  readonly maxPending?: number | undefined
  /** Store time starts at `now()` and advances with `elapsed()`. Default: the clocks of the process. */
  readonly clock?: Clock | undefined
}

const optionTable = { maxPending: whole(100_000, 1, Number.MAX_SAFE_INTEGER), clock: readClock }

/**
 * A store in this process's memory, for development, tests and apps that may lose their approvals in a restart. Open
 * entries are never evicted: beyond `maxPending`, new work is refused with `store-full`. Tombstones take about 64 MB;
 * the least recently used are evicted. Warns under `NODE_ENV=production`. Throws `option-invalid` and `option-unknown`.
 *
 * @example
 * ```ts
 * const receiver = createReceiver({ apiKey, store: memoryStore({ maxPending: 1_000 }), onDecision })
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const { maxPending, clock } = readGroup(options, '', optionTable)
  if (process.env['NODE_ENV'] === 'production') {
    const fix = `to keep them, use sqliteStore('approvals.db') from 'cheqpoint-callback/sqlite'`
    process.emitWarning(`memoryStore() forgets all approvals in a restart; ${fix}`, { code: 'CHEQPOINT_MEMORY_STORE' })
  }
  return new MemoryStore(maxPending, clock)
}

/** Whether a store is a memory store itself, not a wrapper around one. */
export const isMemoryStore = (store: Store): store is MemoryStore => MemoryStore.is(store)

/** A stored entry. Changed in place, because new objects that old ones point to cost garbage collection. */
type Kept = { -readonly [Name in keyof Entry]: Entry[Name] } & {
  readonly key: string
  isTombstone: boolean
  /** Time of its earliest place in the due queue. */
  queuedAt: number | null
}

type Place = Readonly<{ at: number; kept: Kept }>

/** Due keys, oldest first. Lazy: a key that is due later, or no longer, keeps its old place until that comes up. */
class DueQueue {
  readonly #places = new TinyQueue<Place>([], (a, b) => a.at - b.at || (a.kept.key < b.kept.key ? -1 : 1))

  get first(): Kept | undefined {
    for (let place = this.#places.peek(); place !== undefined; place = this.#places.peek()) {
      const { at, kept } = place
      if (kept.queuedAt === at && kept.dueAt === at) return kept
      this.#places.pop()
      if (kept.queuedAt !== at) continue
      kept.queuedAt = null
      this.move(kept, kept.dueAt)
    }
    return undefined
  }

  /** Sets when a key is due; `null` clears it. */
  move(kept: Kept, dueAt: number | null): void {
    kept.dueAt = dueAt
    if (dueAt === null || (kept.queuedAt !== null && kept.queuedAt <= dueAt)) return
    kept.queuedAt = dueAt
    this.#places.push({ at: dueAt, kept })
  }
}

/** Each method does its work before it returns its promise, so it is atomic. */
class MemoryStore implements Store {
  readonly #maxPending: number
  readonly #now: () => number
  #time = Number.NEGATIVE_INFINITY
  readonly #open = new Map<string, Kept>()
  readonly #tombstones: LRUCache<string, Kept>
  readonly #due = new DueQueue()

  static readonly is = (store: object): boolean => #tombstones in store

  constructor(maxPending: number, clock: Clock) {
    this.#maxPending = maxPending
    const offset = Math.floor(clock.now()) - Math.floor(clock.elapsed())
    this.#now = () => (this.#time = Math.max(this.#time, offset + Math.floor(clock.elapsed())))
    this.#tombstones = new LRUCache({
      // Limits the approximate bytes: for a maximum count, lru-cache would allocate all its memory at once.
      maxSize: 64 * 1024 * 1024,
      sizeCalculation: ({ key, state }) => 600 + key.length + sizeOf(state),
      dispose: (kept) => this.#due.move(kept, null),
      ttlResolution: 0,
      // The time of the current call. lru-cache treats an entry stored at 0 as one that never expires.
      perf: { now: () => this.#time + 1 },
    })
  }

  readonly read: Store['read'] = async (key) => {
    const now = this.#now()
    const found = this.#find(key)
    return { now, entry: found === undefined ? null : entryOf(found) }
  }

  readonly write: Store['write'] = async (key, expected, entry, { keepMs, intake } = {}) => {
    this.#now()
    const found = this.#find(key)
    if (found?.stamp === entry.stamp) return true
    if ((found?.stamp ?? null) !== expected) return false
    if (intake === true && found === undefined && this.#open.size >= this.#maxPending)
      throw new CheqpointError('store-full', `maxPending (${this.#maxPending}) is reached; raise it, or store on disk`)
    const { stamp, dueAt, parkedAt } = entry
    const state = frozenJson(entry.state)
    const kept = found ?? { key, stamp, dueAt: null, parkedAt, state, isTombstone: false, queuedAt: null }
    if (kept.isTombstone) this.#tombstones.delete(key)
    Object.assign(kept, { stamp, parkedAt, state, isTombstone: keepMs !== undefined })
    if (keepMs === undefined) this.#open.set(key, kept)
    else this.#open.delete(key)
    if (keepMs !== undefined) this.#tombstones.set(key, kept, { ttl: Math.max(1, Math.ceil(keepMs)) })
    this.#due.move(kept, dueAt)
    return true
  }

  readonly takeDue: Store['takeDue'] = async (limit, hideMs) => {
    const now = this.#now()
    const taken: Kept[] = []
    for (let first = this.#first(); first !== null && taken.length < limit; first = this.#first()) {
      if (Number(first.dueAt) > now) break
      taken.push(first)
      this.#due.move(first, null)
    }
    for (const kept of taken) this.#due.move(kept, now + hideMs)
    const next = this.#first()?.dueAt ?? null
    return { keys: taken.map(({ key }) => key), nextDueInMs: next === null ? null : Math.max(0, next - now) }
  }

  readonly list: Store['list'] = async (index, { limit, cursor }) => {
    const [, of, time = '-Infinity', after = ''] = /^(due|parked) (-?\d+) (.+)$/s.exec(cursor ?? '') ?? []
    if (cursor !== undefined && of !== index)
      throw new CheqpointError('argument-invalid', `cursor must be from a page of list('${index}')`)
    const rest = this.#listed(index)
      .filter(([at, { key }]) => at > Number(time) || (at === Number(time) && key > after))
      .sort(([a, one], [b, other]) => a - b || (one.key < other.key ? -1 : 1))
    const [at, last] = (rest.length > limit ? rest[limit - 1] : undefined) ?? []
    const items = rest.slice(0, limit).map(([, kept]) => ({ key: kept.key, entry: entryOf(kept) }))
    return { items, cursor: last === undefined ? null : `${index} ${at} ${last.key}` }
  }

  readonly count: Store['count'] = async () => {
    const overdueMs = Math.max(0, this.#now() - (this.#first()?.dueAt ?? Number.POSITIVE_INFINITY))
    return { open: this.#listed('due').length, parked: this.#listed('parked').length, overdueMs }
  }

  readonly remove: Store['remove'] = async () => false

  readonly #find = (key: string): Kept | undefined => this.#open.get(key) ?? this.#tombstones.get(key)

  /** The oldest due entry that is not an expired tombstone. */
  #first(): Kept | null {
    for (let { first } = this.#due; first !== undefined; first = this.#due.first) {
      if (!first.isTombstone || this.#find(first.key) !== undefined) return first
      this.#due.move(first, null)
    }
    return null
  }

  /** The entries of an index, unsorted. */
  #listed(index: 'due' | 'parked'): (readonly [at: number, kept: Kept])[] {
    this.#now()
    this.#tombstones.purgeStale()
    return [...this.#open.values(), ...this.#tombstones.values()].flatMap((kept) => {
      const at = index === 'due' ? kept.dueAt : kept.parkedAt
      return at === null ? [] : [[at, kept] as const]
    })
  }
}

const entryOf = ({ stamp, dueAt, parkedAt, state }: Kept): Entry => Object.freeze({ stamp, dueAt, parkedAt, state })

/** Approximate length of a JSON value, in characters. */
function sizeOf(value: JsonValue): number {
  if (typeof value === 'string') return value.length
  let size = 8
  const fields: Readonly<Record<string, JsonValue>> = Object(value)
  for (const name in fields) size += name.length + sizeOf(fields[name] ?? null)
  return size
}
