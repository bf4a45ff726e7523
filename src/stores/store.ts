import type { JsonObject } from '../util/json.js'

/**
 * What a store keeps under a key: plain, frozen JSON data. Only the first three fields mean something to a store; it
 * keeps them beside the text of `state`, which it never reads.
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

/** What {@link Store.read} finds under a key. */
export interface Stored {
  /** The store's time, in whole milliseconds. */
  readonly now: number
  readonly entry: Entry | null
  /** Something is stored that this store did not write, or that is damaged: a digest of its bytes. `entry` is `null` then. */
  readonly unreadable?: string | undefined
}

/** How {@link Store.write} treats an entry. */
export interface WriteOptions {
  /** The entry disappears after so long, in milliseconds. */
  readonly keepMs?: number | undefined
  /** New work, which a full store refuses with `store-full`; anything else it lets pass. */
  readonly intake?: boolean | undefined
}

/** What {@link Store.takeDue} hands out. */
export interface DueKeys {
  readonly keys: readonly string[]
  /** Time until the next key is due, those included that this call hid; 0 where one is; `null` where the index is empty. */
  readonly nextDueInMs: number | null
}

/** Which page of an index. */
export interface PageQuery {
  readonly limit: number
  /** From the page before. */
  readonly cursor?: string | undefined
}

/** One page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[]
  /** `null` on the last page. */
  readonly cursor: string | null
}

/** A key in an index, and what is stored there; `null` where that is unreadable. */
export interface ListedEntry {
  readonly key: string
  readonly entry: Entry | null
}

/** How much a store holds. */
export interface StoreCounts {
  /** Entries in the due index. */
  readonly open: number
  /** Entries in the parked index. */
  readonly parked: number
  /** How long the oldest due key has been waiting, in milliseconds; 0 where none is due. */
  readonly overdueMs: number
}

/**
 * Where submitted requests wait for their decisions. A store only keeps entries: what they mean, and what may become
 * of them, is decided above it.
 *
 * Rules for every method:
 * - Each call is one atomic step, and everything is judged by the store's own clock, which never runs backwards.
 * - What was acknowledged is kept, as far as the store's own durability reaches. Entries without `keepMs` never
 *   disappear by themselves and are never evicted.
 * - A rejection means that the outcome is unknown or that nothing happened. Every method may then be called again with
 *   the same arguments.
 * - Keys are any text of at most 600 characters without NUL and lone surrogates, with `a:` or `r:` in front.
 *
 * `storeContract` from `cheqpoint-callback/testing` is this page as an executable test.
 */
export interface Store {
  /**
   * The entry under a key and the store's time, in one round trip. An entry whose `keepMs` is over is not there.
   * A key with nothing stored is removed from the indexes, atomically.
   */
  read(key: string): Promise<Stored>
  /**
   * Writes `entry` if the stamp that is stored is `expected` (`null`: nothing is stored). `false`: another writer won,
   * and nothing changed; so does a write over something unreadable. Writing an entry whose stamp is stored already is
   * `true` and changes nothing: repeating a write after a lost response is safe, and neither restarts `keepMs` nor
   * unhides what `takeDue` hid. Rejects with `store-full` where a full store refuses `intake`.
   */
  write(key: string, expected: string | null, entry: Entry, options?: WriteOptions): Promise<boolean>
  /**
   * Up to `limit` due keys, oldest first, each hidden from other takers for `hideMs`: `dueAt` moves, in the index and
   * in what `read` shows, and the stamp stays. A `limit` of 0 only tells `nextDueInMs`, which counts what this call hid.
   * Costs by the number of due keys, never by the number of entries.
   */
  takeDue(limit: number, hideMs: number): Promise<DueKeys>
  /**
   * One page of the due or of the parked index, oldest first. A page is a moment's view, and may be short before the last.
   * A cursor that no page of this index gave rejects with `argument-invalid`.
   */
  list(index: 'due' | 'parked', page: PageQuery): Promise<Page<ListedEntry>>
  /** How much is open and parked. For operators; may cost by the number of open entries. */
  count(): Promise<StoreCounts>
  /** Removes what `read` showed as unreadable, if it is still the same bytes. `false`: it is not, and nothing changed. */
  remove(key: string, unreadable: string): Promise<boolean>
  /** Checks that the store is fit for its task. Resolves with warnings for a person; rejects with `store-unsuitable`. */
  check?: (() => Promise<readonly string[]>) | undefined
  /** Frees what the store itself opened. Idempotent. */
  close?: (() => Promise<void>) | undefined
}

/** Under this name a `Run` or a claim carries what a SQL store needs to complete it inside a transaction. */
export const completion: unique symbol = Symbol.for('cheqpoint-callback.completion')

/** A run or a claim that a SQL store can complete inside the caller's transaction. */
export interface Completable {
  readonly [completion]: (result: unknown) => Completion
}

/** One completion, however often its write is tried. Throws `not-json` or `argument-invalid` for a result that cannot be kept. */
export interface Completion {
  readonly key: string
  /** Ends the renewals of the lease. Resolves once none is in flight. */
  settle(): Promise<void>
  /**
   * The write that completes the run over what is stored, as long as that carries this run's token. `null`: it does not,
   * or this run is completed already, and a transaction that is begun again must not commit its effects a second time.
   */
  step(stored: Stored): { readonly expected: string; readonly entry: Entry; readonly keepMs: number } | null
}
