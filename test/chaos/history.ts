import { openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** One line of a log: when (ms since the epoch), what, and words that say more. */
export interface Entry {
  readonly at: number
  readonly kind: string
  readonly words: readonly string[]
}

/**
 * Appends lines to a file, each in one synchronous write: many processes may write at once, and one that is killed
 * leaves whole lines behind. The order of lines is the order of what happened.
 */
export class Log {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  write(kind: string, ...words: readonly (string | number)[]): void {
    writeSync(this.#file, `${[Date.now(), kind, ...words].join(' ')}\n`)
  }
}

/** What a run was made with; the laws depend on it. */
export interface Terms {
  readonly run: string
  readonly seed: number
  readonly size: number
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly leaseMs: number
  readonly gapMs: number
  /** Whether Redis was set up so that it may lose what it acknowledged: the loss is printed then, and no failure. */
  readonly mayLose: boolean
  /** Whether the run went on until nothing was open. Otherwise what is open in the end is kept, and not lost. */
  readonly drains: boolean
  readonly versions: string
  /** What was done, in a line. */
  readonly title: string
}

/** What Redis held in the end, read without the library. */
export interface FinalState {
  /** Members of the due indexes: `a:<id>`, `r:<ref>`, `b:<ref>`. */
  readonly due: readonly string[]
  readonly parked: readonly string[]
  /** Ids of entries without a time to live. */
  readonly open: readonly string[]
  /** Ids of tombstones. */
  readonly done: readonly string[]
  /** `null` where there are too few to tell. */
  readonly bytesPerKey: number | null
}

/** Everything that a run left behind. */
export interface History {
  readonly terms: Terms
  /** Written by the handlers: `start`, `finish`, `throw`, and what the library reported of them. */
  readonly ledger: readonly Entry[]
  /** Written by the upstream stub: `created`, `decided`, `get`, `answer`, `fault`. */
  readonly upstream: readonly Entry[]
  /** Written by the driver: `ack`, `unanswered`, `fault`. */
  readonly driver: readonly Entry[]
  readonly state: FinalState
  /** What the driver saw and no law is about. */
  readonly notes: readonly string[]
}

export function readHistory(folder: string): History {
  return {
    terms: readJson(folder, 'terms.json'),
    ledger: readLog(folder, 'ledger.log'),
    upstream: readLog(folder, 'upstream.log'),
    driver: readLog(folder, 'driver.log'),
    state: readJson(folder, 'state.json'),
    notes: readJson(folder, 'notes.json'),
  }
}

function readLog(folder: string, name: string): readonly Entry[] {
  const lines = readFileSync(join(folder, name), 'utf8').split('\n')
  return lines.filter((line) => line !== '').map(parseLine)
}

export function parseLine(line: string): Entry {
  const [at = '', kind = '', ...words] = line.split(' ')
  return { at: Number(at), kind, words }
}

function readJson<Value>(folder: string, name: string): Value {
  // Only the harness writes these files.
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Value
}
