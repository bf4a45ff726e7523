import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { CheqpointError, isCheqpointError } from '../model/errors.js'
import { isMemoryStore } from '../stores/memory/memory-store.js'
import type { Entry, Store, Stored } from '../stores/store.js'
import type { Clock, Random } from '../util/clock.js'
import { freezeJson, isJsonObject } from '../util/json.js'
import { sleep } from '../util/sleep.js'
import { asJson, compact, type Known, know, type Next, type Step } from './entry.js'

/** How long a store may take for one call. */
export const storeTimeoutMs = 5_000

/** How often a change is tried against other writers before it is given up. */
const maxTries = 40
/** Pause before another try, at most, in milliseconds. */
const longestPauseMs = 50

const time = z.number().nullable()
const stamped = z.object({ stamp: z.string(), dueAt: time, parkedAt: time, state: z.custom(isJsonObject) }).nullable()
const listed = z.object({ key: z.string(), entry: stamped })

/** What each method of a store may answer. */
const answers = {
  read: z.object({ now: z.number(), entry: stamped, unreadable: z.string().optional() }),
  write: z.boolean(),
  takeDue: z.object({ keys: z.array(z.string()), nextDueInMs: time }),
  list: z.object({ items: z.array(listed), cursor: z.string().nullable() }),
  count: z.object({ open: z.number(), parked: z.number(), overdueMs: z.number() }),
  remove: z.boolean(),
  check: z.array(z.string()),
} satisfies Partial<Record<keyof Store, z.ZodType>>

/** What a step answered, and what is needed to go on from its entry without reading it again. */
export interface Stepped<Result> {
  readonly result: Result
  /** What is stored now, at the store's time of the read. */
  readonly stored: Known
  /** When that read was sent, by the clock's elapsed time. */
  readonly sentAt: number
}

/**
 * The only user of a store: reads entries, steps them through the state machine, and writes what comes of it. Each call
 * of the store is bounded in time, and what a store answers is checked.
 */
export class Records {
  readonly #store: Store
  readonly #clock: Clock
  readonly #random: Random
  /** The memory store answers at once: nothing can be late, or needs a check. */
  readonly #isMemory: boolean
  readonly #prefix = randomBytes(6).toString('base64url')
  #drawn = 0

  constructor({ store, clock, random }: { readonly store: Store; readonly clock: Clock; readonly random: Random }) {
    this.#store = store
    this.#isMemory = isMemoryStore(store)
    this.#clock = clock
    this.#random = random
  }

  /** The name of an operation or a holder, and of no other in any process. Stamps are drawn from the same row. */
  newToken(): string {
    return `${this.#prefix}.${(this.#drawn++).toString(36)}`
  }

  /** What is stored under a key. Rejects with `store-unavailable` or `store-response`, and as the store does. */
  read(key: string): Promise<Stored> {
    return this.#ask('read', () => this.#store.read(key))
  }

  /**
   * Reads, steps, writes, and begins again where another writer won; gives up with `store-busy`. After a rejection
   * nothing or everything may have happened: the same step, with the same token, may be tried again.
   */
  async change<Result>(key: string, step: (stored: Known) => Step<Result>): Promise<Result> {
    return (await this.begin(key, step)).result
  }

  /** The same, and what is needed to go on from the entry. */
  async begin<Result>(key: string, step: (stored: Known) => Step<Result>): Promise<Stepped<Result>> {
    for (let tries = 1; ; tries++) {
      const sentAt = this.#clock.elapsed()
      const read = await this.read(key)
      // Under a stamp that was drawn here a memory store has the object that was written here. Others may write to it, too.
      const stored = know(read, this.#isMemory && read.entry?.stamp.startsWith(this.#prefix))
      const { result, next } = step(stored)
      if (next === undefined) return { result, stored, sentAt }
      const entry = this.entryOf(next)
      if (await this.write(key, stored, entry, next))
        return { result, stored: { now: stored.now, entry, known: next.state }, sentAt }
      if (tries === maxTries)
        throw new CheqpointError('store-busy', `other writers changed the entry ${maxTries} times in a row`)
      await sleep(this.#random() * Math.min(2 ** tries, longestPauseMs))
    }
  }

  /** Writes an entry over what was read. */
  write(
    key: string,
    over: Stored,
    entry: Entry,
    { keepMs, intake }: Pick<Next, 'keepMs' | 'intake'>,
  ): Promise<boolean> {
    const expected = over.entry === null ? null : over.entry.stamp
    return this.#ask('write', () => this.#store.write(key, expected, entry, { keepMs, intake }))
  }

  /** Draws the stamp of a new entry. */
  entryOf({ state, dueAt, parkedAt }: Next): Entry {
    // Not frozen, it would be copied by the store.
    const kept = this.#isMemory ? freezeJson(asJson(state)) : compact(state)
    return { stamp: this.newToken(), dueAt, parkedAt, state: kept }
  }

  /** Up to `limit` due keys, each hidden from other takers for `hideMs`. */
  takeDue(limit: number, hideMs: number): ReturnType<Store['takeDue']> {
    return this.#ask('takeDue', () => this.#store.takeDue(limit, hideMs))
  }

  /** One page of an index. */
  list(...args: Parameters<Store['list']>): ReturnType<Store['list']> {
    return this.#ask('list', () => this.#store.list(...args))
  }

  count(): ReturnType<Store['count']> {
    return this.#ask('count', () => this.#store.count())
  }

  /** Removes what is unreadable, if it is still what was read. */
  remove(key: string, unreadable: string): Promise<boolean> {
    return this.#ask('remove', () => this.#store.remove(key, unreadable))
  }

  /** Warnings of the store. Rejects with `store-unsuitable`. */
  async check(): Promise<readonly string[]> {
    const { check } = this.#store
    return check === undefined ? [] : this.#ask('check', () => check.call(this.#store))
  }

  /** A store that hangs must not hold up those who wait for it. */
  #ask<Value>(method: keyof typeof answers, call: () => Promise<Value>): Promise<Value> {
    if (this.#isMemory) return call()
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const fix = 'check that its server runs and can be reached'
        reject(new CheqpointError('store-unavailable', `the store did not answer within ${storeTimeoutMs} ms; ${fix}`))
      }, storeTimeoutMs).unref()
      const end = (value: Value): void => {
        clearTimeout(timer)
        const message = `${method}() of the store answered something that its contract does not allow`
        if (!answers[method].safeParse(value).success) throw new CheqpointError('store-response', message)
        resolve(value)
      }
      // A store of the app may throw anything: it becomes the cause of a coded error.
      const fail = (cause: unknown): void => {
        clearTimeout(timer)
        reject(isCheqpointError(cause) ? cause : new CheqpointError('store-unavailable', 'the store failed', { cause }))
      }
      try {
        const asked = call()
        if (typeof Object(asked).then !== 'function')
          throw new CheqpointError('store-response', `${method}() of the store must return a promise`)
        asked.then(end).catch(fail)
      } catch (error) {
        fail(error)
      }
    })
  }
}
