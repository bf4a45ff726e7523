import { LRUCache } from 'lru-cache'
import TinyQueue from 'tinyqueue'
import { CheqpointError } from '../../model/errors.js'
import { group, invalid, number } from '../../options/option-checks.js'
import { type Clock, systemClock } from '../../util/clock.js'
import { frozenJson, type JsonValue } from '../../util/json.js'
import type { Entry, Store, Stored, WriteOptions } from '../store.js'

/** What {@link memoryStore} takes. */
export interface MemoryStoreOptions {
  /** Open entries, parked ones included, that the store holds at most. Default 100,000. */
  readonly maxPending?: number | undefined
  /** Store time advances with `elapsed()`; `now()` says once where it starts. Default: the clocks of the process. */
  readonly clock?: Clock | undefined
}

/**
 * A store in this process's memory, for development, tests and apps that may forget their approvals in a restart. Open
 * entries are never evicted: beyond `maxPending`, new work is refused with `store-full`. Tombstones take 64 MB or so, the
 * least recently used leave first. Warns under `NODE_ENV=production`. Throws `option-invalid` and `option-unknown`.
 *
 * @example
 * ```ts
 * const receiver = createReceiver({ apiKey, store: memoryStore({ maxPending: 1_000 }), onDecision })
 * ```
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const { maxPending, clock = systemClock } = group(options, '', ['maxPending', 'clock'])
  const most = number(maxPending, 'maxPending', 100_000, 1, Number.MAX_SAFE_INTEGER)
  const { now, elapsed }: Partial<Clock> = Object(clock)
  if (typeof now !== 'function' || typeof elapsed !== 'function')
    throw invalid('clock', clock, 'an object with the functions now and elapsed')
  if (process.env['NODE_ENV'] === 'production') {
    const fix = `to keep them, use sqliteStore('approvals.db') from 'cheqpoint-callback/sqlite'`
    process.emitWarning(`memoryStore() forgets all approvals in a restart; ${fix}`, { code: 'CHEQPOINT_MEMORY_STORE' })
  }
  return new MemoryStore(most, clock as Clock) // checked above
}

/** Whether a store is one of these itself, and not wrapped. */
export const isMemoryStore = (store: Store): store is MemoryStore => MemoryStore.is(store)

/** What is stored under a key. Changed in place: new objects that old ones point to are work for the collector. */
type Kept = { -readonly [Name in keyof Entry]: Entry[Name] } & {
  readonly key: string
  isTombstone: boolean
  /** Its earliest place in the due queue. */
  queuedAt: number | null
}

type Place = Readonly<{ at: number; kept: Kept }>

/**
 * What is due, oldest first. A key that becomes due later, or not at all, keeps its place until that comes up: most are
 * claimed and completed long before.
 */
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

  /** Sets when a key is due; `null`: it is not any more. */
  move(kept: Kept, dueAt: number | null): void {
    kept.dueAt = dueAt
    if (dueAt === null || (kept.queuedAt !== null && kept.queuedAt <= dueAt)) return
    kept.queuedAt = dueAt
    this.#places.push({ at: dueAt, kept })
  }
}

/** Every method does all of its work before it returns its promise, so nothing comes between. */
export class MemoryStore implements Store {
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
      // By bytes, about: for a count, lru-cache would allocate all room at once.
      maxSize: 64 * 1024 * 1024,
      sizeCalculation: ({ key, state }) => 600 + key.length + sizeOf(state),
      dispose: (kept) => this.#due.move(kept, null),
      ttlResolution: 0,
      // As of the call under way. lru-cache takes an entry stored at 0 for one that never ends.
      perf: { now: () => this.#time + 1 },
    })
  }

  readonly read: Store['read'] = async (key) => this.get(key)

  readonly write: Store['write'] = async (key, expected, entry, options) =>
    this.put(key, expected, { ...entry, state: frozenJson(entry.state) }, options)

  /** The same as {@link read}, without a promise. */
  get(key: string): Stored {
    const now = this.#now()
    const found = this.#find(key)
    return { now, entry: found === undefined ? null : entryOf(found) }
  }

  /** The same as {@link write}, without a promise, of a state that is frozen in depth. */
  put(key: string, expected: string | null, entry: Entry, { keepMs, intake }: WriteOptions = {}): boolean {
    this.#now()
    const found = this.#find(key)
    if (found?.stamp === entry.stamp) return true
    if ((found?.stamp ?? null) !== expected) return false
    if (intake === true && found === undefined && this.#open.size >= this.#maxPending)
      throw new CheqpointError('store-full', `maxPending (${this.#maxPending}) is reached; raise it, or store on disk`)
    const { stamp, dueAt, parkedAt, state } = entry
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
      throw new CheqpointError('argument-invalid', `cursor must be one that a page of list('${index}') gave`)
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

  /** The first of the due index that is no expired tombstone. */
  #first(): Kept | null {
    for (let { first } = this.#due; first !== undefined; first = this.#due.first) {
      if (!first.isTombstone || this.#find(first.key) !== undefined) return first
      this.#due.move(first, null)
    }
    return null
  }

  /** What is in an index, in no order. */
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

/** Characters of a JSON value, about. */
function sizeOf(value: JsonValue): number {
  if (typeof value === 'string') return value.length
  let size = 8
  const fields: Readonly<Record<string, JsonValue>> = Object(value)
  for (const name in fields) size += name.length + sizeOf(fields[name] ?? null)
  return size
}
