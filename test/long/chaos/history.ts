import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Entry, readLog } from '../../support/log.js'

/** What a run was made with; the laws depend on it. */
export interface Terms {
  readonly run: string
  readonly seed: number
  readonly size: number
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly leaseMs: number
  readonly minIntervalMs: number
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
  /** Keys in the due indexes: `a:<id>`, `r:<ref>`, and `b:<ref>` for a reservation that is half bound. */
  readonly due: readonly string[]
  readonly parked: readonly string[]
  /** Ids of entries without a time to live. */
  readonly open: readonly string[]
  /** Ids of tombstones. */
  readonly done: readonly string[]
  /** `null` if there are too few to tell. */
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
    ledger: readLog(join(folder, 'ledger.log')),
    upstream: readLog(join(folder, 'upstream.log')),
    driver: readLog(join(folder, 'driver.log')),
    state: readJson(folder, 'state.json'),
    notes: readJson(folder, 'notes.json'),
  }
}

function readJson<Value>(folder: string, name: string): Value {
  // Only the harness writes these files.
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Value
}
