import { randomBytes } from 'node:crypto'
import { CheqpointError, isCheqpointError } from '../model/errors.js'
import type { Entry, Store, Stored } from '../stores/store.js'
import type { Clock, Random } from '../util/clock.js'
import { isJsonObject } from '../util/json.js'
import { sleep } from '../util/sleep.js'
import { compact, type Next, type Step } from './entry.js'
import { type EntryWriter, HeldEntry } from './held-entry.js'

/** How long a store may take for one call. */
export const storeTimeoutMs = 5_000

/** How often a change is tried against other writers before it is given up. */
const maxTries = 40
/** Pause before another try, at most, in milliseconds. */
const longestPauseMs = 50

export interface RecordsDeps {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
}

/**
 * The only user of a store: reads entries, steps them through the state machine, and writes what comes of it. Each call
 * of the store is bounded in time, and what a store answers is checked.
 */
export class Records implements EntryWriter {
  readonly #store: Store
  readonly #clock: Clock
  readonly #random: Random
  readonly #prefix = randomBytes(9).toString('base64url')
  #drawn = 0

  constructor({ store, clock, random }: RecordsDeps) {
    this.#store = store
    this.#clock = clock
    this.#random = random
  }

  /** The name of an operation or a holder, and of no other in any process. Stamps are drawn from the same row. */
  newToken(): string {
    return `${this.#prefix}.${(this.#drawn++).toString(36)}`
  }

  /** What is stored under a key. Rejects with `store-unavailable` or `store-answer`, and as the store does. */
  async read(key: string): Promise<Stored> {
    const stored = await this.#bounded(() => this.#store.read(key))
    if (!isStored(stored)) throw unexpected('read')
    return stored
  }

  /**
   * Reads, steps, writes, and begins again where another writer won; gives up with `store-busy`. After a rejection
   * nothing or everything may have happened: the same step, with the same token, may be tried again.
   */
  async change<Result>(key: string, step: (stored: Stored) => Step<Result>): Promise<Result> {
    return (await this.begin(key, step)).result
  }

  /** The same, and what is needed to go on from the entry without reading it again. */
  async begin<Result>(
    key: string,
    step: (stored: Stored) => Step<Result>,
  ): Promise<{ readonly result: Result; readonly held: HeldEntry }> {
    for (let tries = 1; tries <= maxTries; tries++) {
      const sentAt = this.#clock.elapsed()
      const stored = await this.read(key)
      const { result, next } = step(stored)
      if (next === undefined) return { result, held: new HeldEntry(this, key, stored, sentAt) }
      const entry = this.entryOf(next)
      if (await this.write(key, stored.entry?.stamp ?? null, entry, next)) {
        return { result, held: new HeldEntry(this, key, { now: stored.now, entry }, sentAt) }
      }
      await this.#pause(tries)
    }
    throw new CheqpointError('store-busy', `other writers changed the entry ${maxTries} times in a row`)
  }

  /** Up to `limit` due keys, each hidden from other takers for `hideMs`. */
  async takeDue(
    limit: number,
    hideMs: number,
  ): Promise<{ readonly keys: readonly string[]; readonly nextDueInMs: number | null }> {
    const due = await this.#bounded(() => this.#store.takeDue(limit, hideMs))
    const { keys, nextDueInMs }: { readonly keys?: unknown; readonly nextDueInMs?: unknown } = Object(due)
    if (!areTexts(keys) || !isTime(nextDueInMs)) throw unexpected('takeDue')
    return due
  }

  /** One page of an index. */
  async list(...args: Parameters<Store['list']>): ReturnType<Store['list']> {
    const page = await this.#bounded(() => this.#store.list(...args))
    const { items, cursor }: { readonly items?: unknown; readonly cursor?: unknown } = Object(page)
    const arePage = Array.isArray(items) && items.every(isListed) && (cursor === null || typeof cursor === 'string')
    if (!arePage) throw unexpected('list')
    return page
  }

  async count(): ReturnType<Store['count']> {
    const counts = await this.#bounded(() => this.#store.count())
    const {
      open,
      parked,
      overdueMs,
    }: { readonly open?: unknown; readonly parked?: unknown; readonly overdueMs?: unknown } = Object(counts)
    if (![open, parked, overdueMs].every(Number.isFinite)) throw unexpected('count')
    return counts
  }

  /** Removes what is unreadable, if it is still what was read. */
  async remove(key: string, unreadable: string): Promise<boolean> {
    return (await this.#bounded(() => this.#store.remove(key, unreadable))) === true
  }

  /** Warnings of the store. Rejects with `store-unsuitable`. */
  async check(): Promise<readonly string[]> {
    const { check } = this.#store
    if (check === undefined) return []
    const warnings = await this.#bounded(() => check.call(this.#store))
    if (!areTexts(warnings)) throw unexpected('check')
    return warnings
  }

  /** Writes an entry over the one with this stamp. */
  async write(
    key: string,
    expected: string | null,
    entry: Entry,
    { keepMs, intake }: Pick<Next, 'keepMs' | 'intake'>,
  ): Promise<boolean> {
    const written = await this.#bounded(() => this.#store.write(key, expected, entry, { keepMs, intake }))
    if (typeof written !== 'boolean') throw unexpected('write')
    return written
  }

  /** The time that has passed since then, as whole milliseconds, never less. */
  sinceMs(elapsed: number): number {
    return Math.ceil(this.#clock.elapsed() - elapsed)
  }

  /** Draws the stamp of a new entry. */
  entryOf({ state, dueAt, parkedAt }: Next): Entry {
    return { stamp: this.newToken(), dueAt, parkedAt, state: compact(state) }
  }

  #pause(tries: number): Promise<void> {
    const ms = this.#random() * Math.min(2 ** tries, longestPauseMs)
    return sleep(ms)
  }

  /** A store that hangs must not hold up those who wait for it. */
  #bounded<Value>(call: () => Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const fix = 'check that its server runs and can be reached'
        reject(new CheqpointError('store-unavailable', `the store did not answer within ${storeTimeoutMs} ms; ${fix}`))
      }, storeTimeoutMs).unref()
      const end =
        <Given>(settle: (given: Given) => void) =>
        (given: Given): void => {
          clearTimeout(timer)
          settle(given)
        }
      try {
        call().then(
          end(resolve),
          end((error: unknown) => reject(coded(error))),
        )
      } catch (error) {
        clearTimeout(timer)
        reject(coded(error))
      }
    })
  }
}

/** A store of the app may throw anything: it becomes the cause of a coded error. */
function coded(error: unknown): CheqpointError {
  return isCheqpointError(error) ? error : new CheqpointError('store-unavailable', 'the store failed', { cause: error })
}

function isStored(value: unknown): value is Stored {
  if (!isJsonLike(value) || !Number.isFinite(value['now'])) return false
  const { entry, unreadable } = value
  if (unreadable !== undefined && typeof unreadable !== 'string') return false
  return entry === null || isEntry(entry)
}

function isEntry(value: unknown): boolean {
  if (!isJsonLike(value)) return false
  const { stamp, dueAt, parkedAt, state } = value
  return typeof stamp === 'string' && isTime(dueAt) && isTime(parkedAt) && isJsonObject(state)
}

function isListed(value: unknown): boolean {
  return isJsonLike(value) && typeof value['key'] === 'string' && (value['entry'] === null || isEntry(value['entry']))
}

function isTime(value: unknown): boolean {
  return value === null || Number.isFinite(value)
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function isJsonLike(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function unexpected(method: string): CheqpointError {
  return new CheqpointError(
    'store-answer',
    `${method}() of the store answered something that its contract does not allow`,
  )
}
