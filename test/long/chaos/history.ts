import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Entry, readLog } from '../../support/log.js'

/** The parameters of a run, on which the laws depend. */
export interface Terms {
  readonly run: string
  readonly seed: number
  readonly size: number
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly leaseMs: number
  readonly minIntervalMs: number
  /** Whether Redis may lose acknowledged writes by its configuration. Losses are then printed, not failures. */
  readonly mayLose: boolean
  /** Whether the run lasted until nothing was open. Otherwise open entries at the end count as kept. */
  readonly drains: boolean
  readonly versions: string
  /** One line that describes the run. */
  readonly title: string
}

/** The final contents of Redis, read without the library. */
export interface FinalState {
  /** Keys in the due indexes: `a:<id>`, `r:<ref>`, and `b:<ref>` for a half-bound reservation. */
  readonly due: readonly string[]
  readonly parked: readonly string[]
  /** Ids of entries without a time to live. */
  readonly open: readonly string[]
  /** Ids of tombstones. */
  readonly done: readonly string[]
  /** `null` if there are too few samples. */
  readonly bytesPerKey: number | null
}

/** All records of a run. */
export interface History {
  readonly terms: Terms
  /** Lines of the handlers: `start`, `finish`, `throw`, and events of the library about them. */
  readonly ledger: readonly Entry[]
  /** Lines of the upstream stub: `created`, `decided`, `get`, `answer`, `fault`. */
  readonly upstream: readonly Entry[]
  /** Lines of the driver: `ack`, `unanswered`, `fault`. */
  readonly driver: readonly Entry[]
  readonly state: FinalState
  /** Observations of the driver that no law covers. */
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
