import type { Entry, Stored } from '../stores/store.js'
import type { Next, Step } from './entry.js'

/** What a held entry is written and read with. */
export interface EntryWriter {
  /** Draws the stamp of a new entry. */
  entryOf(next: Next): Entry
  write(key: string, expected: string | null, entry: Entry, options: Pick<Next, 'keepMs' | 'intake'>): Promise<boolean>
  begin<Result>(
    key: string,
    step: (stored: Stored) => Step<Result>,
  ): Promise<{ readonly result: Result; readonly held: HeldEntry }>
  /** The time that has passed since then, as whole milliseconds, never less. */
  sinceMs(elapsed: number): number
}

/**
 * An entry as this process wrote or read it last. A holder goes on from it without reading: it writes with the stamp
 * that it knows, and reads again only where that is not stored any more.
 */
export class HeldEntry {
  readonly key: string
  readonly #writer: EntryWriter
  #stored: Stored
  /** When the read that `#stored` comes from was sent, by the clock's elapsed time. */
  #sentAt: number

  constructor(writer: EntryWriter, key: string, stored: Stored, sentAt: number) {
    this.#writer = writer
    this.key = key
    this.#stored = stored
    this.#sentAt = sentAt
  }

  /** When the last read was sent, by the clock's elapsed time: a lease that was taken with it counts from then. */
  get readAt(): number {
    return this.#sentAt
  }

  /**
   * What is held, at the store's time as it is known here: counted from when the last read was sent, it is never
   * behind, so that a lease never ends earlier in the store than its holder believes.
   */
  get stored(): Stored {
    return { ...this.#stored, now: this.#stored.now + this.#writer.sinceMs(this.#sentAt) }
  }

  /** Takes a step from what is held, and where another writer was faster, from what is stored. */
  async change<Result>(step: (stored: Stored) => Step<Result>): Promise<Result> {
    const stored = this.stored
    const { result, next } = step(stored)
    if (next === undefined) return result
    const entry = this.#writer.entryOf(next)
    if (await this.#writer.write(this.key, stored.entry?.stamp ?? null, entry, next)) {
      this.#stored = { ...this.#stored, entry }
      return result
    }
    const begun = await this.#writer.begin(this.key, step)
    this.#stored = begun.held.#stored
    this.#sentAt = begun.held.#sentAt
    return begun.result
  }

  /** What a SQL store writes in the caller's transaction; takes note of nothing. */
  prepare<Result>(
    step: (stored: Stored) => Step<Result>,
    stored: Stored = this.stored,
  ): {
    readonly result: Result
    readonly expected: string | null
    readonly entry: Entry | null
    readonly keepMs: number | undefined
  } {
    const { result, next } = step(stored)
    const entry = next === undefined ? null : this.#writer.entryOf(next)
    return { result, expected: stored.entry?.stamp ?? null, entry, keepMs: next?.keepMs }
  }
}
