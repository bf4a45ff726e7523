import type { StoreCounts } from '../model/store-counts.js'
import type { JsonObject } from '../util/json.js'

/**
 * One record of a store: plain, frozen JSON data. A store uses only the first three fields; it keeps `state` as text
 * and never reads it.
 */
export interface Entry {
  /** Unique per write: compare-and-set compares stamps. Printable ASCII, at most 64 characters. */
  readonly stamp: string
  /** In store time (ms, a whole number). While set, the entry is in the due index. */
  readonly dueAt: number | null
  /** In store time. While set, the entry is in the parked index. */
  readonly parkedAt: number | null
  readonly state: JsonObject
}

/** The result of {@link Store.read}. */
export interface Stored {
  /** The store's time, in whole milliseconds. */
  readonly now: number
  readonly entry: Entry | null
  /** Set if the stored value is damaged or written by something else: a digest of its bytes. `entry` is then `null`. */
  readonly unreadable?: string | undefined
}

/** How {@link Store.write} treats an entry. */
export interface WriteOptions {
  /** Time after which the entry expires, in milliseconds. */
  readonly keepMs?: number | undefined
  /** Marks new work. A full store refuses only new work, with `store-full`. */
  readonly intake?: boolean | undefined
}

/** The result of {@link Store.takeDue}. */
export interface DueKeys {
  readonly keys: readonly string[]
  /** Time until the next key is due, including keys that this call hid; 0 if one is due; `null` if there are none. */
  readonly nextDueInMs: number | null
}

/** The page of an index to read. */
export interface PageQuery {
  readonly limit: number
  /** The `cursor` of the previous page. */
  readonly cursor?: string | undefined
}

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /** `null` on the last page. */
  readonly cursor: string | null
}

/** A key in an index, with its entry; `null` if the entry is unreadable. */
export interface ListedEntry {
  readonly key: string
  readonly entry: Entry | null
}

/**
 * Keeps submitted requests until they are decided and handled. A store only reads and writes entries; the state machine
 * above it interprets them.
 *
 * Rules for every method:
 * - Each call is one atomic step, by the store's own clock, which never runs backwards.
 * - Acknowledged writes are kept, as far as the store's own durability reaches. Entries without `keepMs` never expire
 *   and are never evicted.
 * - A rejection means that the outcome is unknown or that nothing happened. The caller may then repeat the call with
 *   the same arguments.
 * - A key is text that starts with `a:` or `r:`, of at most 600 characters, without NUL and lone surrogates.
 *
 * `storeContract` from `cheqpoint-callback/testing` tests these rules.
 */
export interface Store {
  /**
   * Reads the entry under a key and the store's time, in one round trip. An expired entry counts as absent. If nothing
   * is stored, the key is removed from the indexes, atomically.
   */
  read(key: string): Promise<Stored>
  /**
   * Writes `entry` if the stored stamp is `expected` (`null`: nothing is stored). `false`: another writer won, or the
   * stored entry is unreadable; nothing changed. If the stamp of `entry` is already stored, the result is `true` and
   * nothing changes: repeating a write after a lost response is safe, and neither restarts `keepMs` nor unhides a key
   * that `takeDue` hid. A full store rejects a write with `intake` with `store-full`.
   */
  write(key: string, expected: string | null, entry: Entry, options?: WriteOptions): Promise<boolean>
  /**
   * Takes up to `limit` due keys, oldest first, and hides each from other takers for `hideMs`: `dueAt` moves, in the
   * index and in what `read` returns; the stamp stays. With a `limit` of 0 it only returns `nextDueInMs`. The cost
   * grows with the number of due keys, never with the number of entries.
   */
  takeDue(limit: number, hideMs: number): Promise<DueKeys>
  /**
   * Reads one page of the due or the parked index, oldest first. A page is a snapshot; any page may have fewer than
   * `limit` items. A cursor that this index did not return rejects with `argument-invalid`.
   */
  list(index: 'due' | 'parked', page: PageQuery): Promise<Page<ListedEntry>>
  /** Counts open and parked entries. For operators; the cost may grow with the number of open entries. */
  count(): Promise<StoreCounts>
  /** Removes an unreadable entry, if its bytes still have this digest. `false`: they do not, and nothing changed. */
  remove(key: string, unreadable: string): Promise<boolean>
  /** Checks that the setup is safe. Resolves with warnings for operators; rejects with `store-unsuitable`. */
  check?: (() => Promise<readonly string[]>) | undefined
  /** Frees what the store itself opened. Idempotent. */
  close?: (() => Promise<void>) | undefined
}

/** The property of a `Run` or a claim through which a SQL store completes it inside a transaction. */
export const completion: unique symbol = Symbol.for('cheqpoint-callback.completion')

/** A run or a claim that a SQL store can complete inside the caller's transaction. */
export interface Completable {
  readonly [completion]: (result: unknown) => Completion
}

/** A completion whose write may be repeated. Throws `not-json` or `argument-invalid` if the result cannot be stored. */
export interface Completion {
  readonly key: string
  /** Stops renewing the lease. Resolves once no renewal is in flight. */
  settle(): Promise<void>
  /**
   * The write that completes the run, if the stored entry carries this run's token. `null`: it carries another token,
   * or the run is already completed, so that a repeated transaction must not commit its effects again.
   */
  step(stored: Stored): { readonly expected: string; readonly entry: Entry; readonly keepMs: number } | null
}
