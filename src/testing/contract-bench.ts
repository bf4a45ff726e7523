import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Entry, JsonObject, ListedEntry, Store } from '../index.js'

/** A store to test, empty and apart from every other. */
export interface StoreUnderTest {
  readonly store: Store
  /** Moves the store's clock, which nothing else moves: time limits are then tested to the millisecond, without waiting. */
  readonly advance?: ((ms: number) => Promise<void>) | undefined
  /** Makes what is under a key unreadable, in both indexes if it can. Without it the cases about that check nothing. */
  readonly damage?: ((key: string) => Promise<void>) | undefined
  /** Frees what the harness opened. Called after each case. */
  readonly close?: (() => Promise<void>) | undefined
}

/** Makes the stores that {@link storeContract} tests. */
export interface StoreHarness {
  /** Called once for each case. */
  create(): Promise<StoreUnderTest>
}

/** Rules by their sentence, and how to see whether a store keeps them. */
export type Rules = Readonly<Record<string, (bench: Bench) => Promise<void>>>

/** A duration that ends during no case. */
export const long = 3_600_000

/** Runs a case on a store of its own. */
export async function runCase(harness: StoreHarness, body: (bench: Bench) => Promise<void>): Promise<void> {
  const tested = await harness.create()
  const failed = await body(new Bench(tested)).then(
    (): unknown[] => [],
    (error: unknown) => [error],
  )
  // The failure of the case is the one to report.
  await tested.close?.().catch((error: unknown) => failed.push(error))
  for (const error of failed) throw error
}

/** The store of a case, its time, and the usual steps. Nothing here depends on how fast the store is. */
export class Bench {
  readonly store: Store
  readonly damage: StoreUnderTest['damage']
  readonly #advance: StoreUnderTest['advance']
  #written = 0

  constructor({ store, advance, damage }: StoreUnderTest) {
    this.store = store
    this.damage = damage
    this.#advance = advance
  }

  /** Whether nothing but the case moves the store's clock. */
  get exact(): boolean {
    return this.#advance !== undefined
  }

  /** The store's time. */
  async now(key = 'a:clock'): Promise<number> {
    const { now } = await this.store.read(key)
    assert.ok(Number.isSafeInteger(now), `read: now is a whole number of milliseconds, not ${now}`)
    return now
  }

  /** Returns once the store's time is `time` or later; with `advance`, it is then exactly `time`. */
  async until(time: number): Promise<void> {
    const first = await this.now()
    if (this.#advance !== undefined) {
      if (time > first) await this.#advance(time - first)
      assert.equal(await this.now(), Math.max(time, first), 'now is moved by what the clock was advanced by')
      return
    }
    for (let before = first; before < time; ) {
      // Not unref'd: nothing else may keep the process alive while a case waits.
      await sleep(Math.min(time - before + 1, 2_000))
      const now = await this.now()
      assert.ok(now > before, `the store's time stands still at ${now}`)
      before = now
    }
  }

  async pass(ms: number): Promise<void> {
    await this.until((await this.now()) + ms)
  }

  /** An entry that no other equals. In no index unless said otherwise. */
  entry(change: Partial<Entry> = {}): Entry {
    const stamp = `stamp-${++this.#written}`
    const state: JsonObject = { of: stamp, list: [1, 'two', null] }
    return { stamp, dueAt: null, parkedAt: null, state, ...change }
  }

  /** Writes a new entry under a key that has none. */
  async put(key: string, change: Partial<Entry> = {}, options?: Parameters<Store['write']>[3]): Promise<Entry> {
    const entry = this.entry(change)
    assert.equal(await this.store.write(key, null, entry, options), true, `write(${key}) where nothing is stored`)
    return entry
  }

  /** Writes over what is stored. */
  async replace(key: string, stored: Entry, change: Partial<Entry> = {}): Promise<Entry> {
    const entry = this.entry(change)
    assert.equal(await this.store.write(key, stored.stamp, entry), true, `write(${key}) over the stored stamp`)
    return entry
  }

  /** What is stored, which must be there. */
  async stored(key: string): Promise<Entry> {
    const { entry } = await this.store.read(key)
    assert.ok(entry !== null, `read(${key}) finds the entry`)
    return entry
  }

  /** Asserts that exactly this is stored; `null`: nothing is. */
  async shows(key: string, expected: Entry | null): Promise<void> {
    const { entry, unreadable } = await this.store.read(key)
    assert.equal(unreadable, undefined, `read(${key}): nothing is unreadable`)
    assert.deepEqual(entry, expected, `read(${key})`)
    // What deepEqual does not tell apart, and a state must keep: the order of keys.
    assert.equal(JSON.stringify(entry?.state), JSON.stringify(expected?.state), `read(${key}): the text of state`)
  }

  /** Takes everything that is due, in the order of the store, a few keys at a time. */
  async takeAll(hideMs: number = long, limit = 10): Promise<string[]> {
    const all: string[] = []
    for (;;) {
      const { keys } = await this.store.takeDue(limit, hideMs)
      assert.ok(keys.length <= limit, `takeDue(${limit}) gives at most ${limit} keys, not ${keys.length}`)
      if (keys.length === 0) return all
      all.push(...keys)
      assert.ok(all.length < 5_000, 'takeDue hands out the same keys again and again')
    }
  }

  /** Everything in an index, page by page, with `between` after each of them. */
  async pages(
    index: 'due' | 'parked',
    limit = 100,
    between: (seen: readonly string[]) => Promise<void> = async () => {},
  ): Promise<ListedEntry[]> {
    const all: ListedEntry[] = []
    let cursor: string | undefined
    for (let page = 0; page < 1_000; page++) {
      const answer = await this.store.list(index, cursor === undefined ? { limit } : { limit, cursor })
      assert.ok(answer.items.length <= limit, `list: at most ${limit} items on a page, not ${answer.items.length}`)
      all.push(...answer.items)
      if (answer.cursor === null) return all
      cursor = answer.cursor
      await between(answer.items.map(({ key }) => key))
    }
    throw new assert.AssertionError({ message: `list(${index}) does not come to a last page` })
  }

  async keys(index: 'due' | 'parked', limit?: number): Promise<string[]> {
    return (await this.pages(index, limit)).map(({ key }) => key)
  }
}

/** Asserts a duration or a time of the store that was measured between two moments. */
export function assertBetween(actual: number | null, least: number, most: number, what: string): void {
  const within = actual !== null && Number.isSafeInteger(actual) && actual >= least && actual <= most
  assert.ok(within, `${what} is a whole number from ${least} to ${most}, not ${actual}`)
}

/** `count` keys with a common start. */
export function keysOf(count: number, start = 'a:apr-'): string[] {
  return Array.from({ length: count }, (_, index) => `${start}${index}`)
}
