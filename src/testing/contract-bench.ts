import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Entry, JsonObject, ListedEntry, Store } from '../index.js'

/** A store to test: empty and independent of every other. */
export interface StoreUnderTest {
  readonly store: Store
  /** Advances the store's clock, which must not move otherwise. Cases then test times exactly and without waiting. */
  readonly advance?: ((ms: number) => Promise<void>) | undefined
  /** Makes the entry under a key unreadable, in both indexes if possible. Without it, these cases check nothing. */
  readonly damage?: ((key: string) => Promise<void>) | undefined
  /** Frees what the harness opened. Called after each case. */
  readonly close?: (() => Promise<void>) | undefined
}

/** Makes the stores that {@link storeContract} tests. */
export interface StoreHarness {
  /** Called once for each case. */
  create(): Promise<StoreUnderTest>
}

/** Each rule as a sentence, with the case that tests it. */
export type Rules = Readonly<Record<string, (bench: Bench) => Promise<void>>>

/** A duration that no case outlasts. */
export const long = 3_600_000

/** Runs a case on a store of its own. */
export async function runCase(harness: StoreHarness, body: (bench: Bench) => Promise<void>): Promise<void> {
  const tested = await harness.create()
  assert.ok(Object(tested).store, 'create() must resolve with { store }, not with the store itself')
  const failed = await body(new Bench(tested)).then(
    (): unknown[] => [],
    (error: unknown) => [error],
  )
  // If the case failed too, its own error comes first.
  try {
    await tested.close?.()
  } catch (error) {
    failed.push(error)
  }
  for (const error of failed) throw error
}

/** The store of a case, with common steps. None depends on the speed of the store. */
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

  /** Whether only the case moves the store's clock. */
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
      assert.equal(await this.now(), Math.max(time, first), 'now advances with the clock')
      return
    }
    for (let before = first; before < time; ) {
      // Not unref'd: perhaps nothing else keeps the process alive while a case waits.
      await sleep(Math.min(time - before + 1, 2_000))
      const now = await this.now()
      assert.ok(now > before, `the store's time does not advance from ${now}`)
      before = now
    }
  }

  async pass(ms: number): Promise<void> {
    await this.until((await this.now()) + ms)
  }

  /** A unique entry, in no index by default. */
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

  /** Overwrites the stored entry. */
  async replace(key: string, stored: Entry, change: Partial<Entry> = {}): Promise<Entry> {
    const entry = this.entry(change)
    assert.equal(await this.store.write(key, stored.stamp, entry), true, `write(${key}) over the stored stamp`)
    return entry
  }

  /** Returns the stored entry. Fails if there is none. */
  async stored(key: string): Promise<Entry> {
    const { entry } = await this.store.read(key)
    assert.ok(entry !== null, `read(${key}) finds the entry`)
    return entry
  }

  /** Asserts that exactly this entry is stored; `null`: none. */
  async shows(key: string, expected: Entry | null): Promise<void> {
    const { entry, unreadable } = await this.store.read(key)
    assert.equal(unreadable, undefined, `read(${key}): nothing is unreadable`)
    assert.deepEqual(entry, expected, `read(${key})`)
    // deepEqual ignores the order of keys, which a state must keep.
    assert.equal(JSON.stringify(entry?.state), JSON.stringify(expected?.state), `read(${key}): the text of state`)
  }

  /** Takes all due keys, in the store's order, `limit` at a time. */
  async takeAll(hideMs: number = long, limit = 10): Promise<string[]> {
    const all: string[] = []
    for (;;) {
      const { keys } = await this.store.takeDue(limit, hideMs)
      assert.ok(keys.length <= limit, `takeDue(${limit}) returns at most ${limit} keys, not ${keys.length}`)
      if (keys.length === 0) return all
      all.push(...keys)
      assert.ok(all.length < 5_000, 'takeDue returns the same keys repeatedly')
    }
  }

  /** Reads a whole index page by page, and calls `between` after each page. */
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
    throw new assert.AssertionError({ message: `list(${index}) has no last page` })
  }

  async keys(index: 'due' | 'parked', limit?: number): Promise<string[]> {
    return (await this.pages(index, limit)).map(({ key }) => key)
  }
}

/** Asserts that a time or a duration of the store is within two bounds. */
export function assertBetween(actual: number | null, least: number, most: number, what: string): void {
  const within = actual !== null && Number.isSafeInteger(actual) && actual >= least && actual <= most
  assert.ok(within, `${what} is a whole number from ${least} to ${most}, not ${actual}`)
}

/** `count` keys with a common prefix. */
export function keysOf(count: number, start = 'a:apr-'): string[] {
  return Array.from({ length: count }, (_, index) => `${start}${index}`)
}
