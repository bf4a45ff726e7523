import { appendFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { isCheqpointError } from '../../../src/model/errors.js'
import { sqliteStore } from '../../../src/stores/sql/sqlite-store.js'
import type { Entry } from '../../../src/stores/store.js'
import { sqliteClients } from '../../support/sql-clients.js'
import { fakeRun } from '../../support/sql-runs.js'

/** The plan of a worker. It is killed, unless `forMs` sets when it ends by itself. */
export interface WorkerPlan {
  readonly client: string
  readonly path: string
  readonly log: string
  readonly name: string
  /** Prints the delays of timers, in milliseconds, and ends. */
  readonly forMs?: number | undefined
  /** Writes nothing, to show the delays of timers without SQLite. */
  readonly isIdle?: boolean | undefined
}

// The plan was written by the harness.
const { client, path, log, name, forMs, isIdle } = JSON.parse(process.argv[2] ?? '') as WorkerPlan
const database = sqliteClients[client]?.(path)
if (database === undefined) throw new Error(`no client ${client}`)
// The store sets its own time-out; transactions of this file must not wait synchronously either.
database.exec('PRAGMA busy_timeout = 0')
const store = sqliteStore(database)
// An appended line survives the death of the process.
const note = (text: string) => {
  appendFileSync(log, `${text}\n`)
  // Reports progress to the harness; not needed for measurements.
  if (forMs === undefined) tell('noted')
}
// The worker exits if the harness is gone: when the channel closes or a message fails.
const leave = () => process.exit(1)
const tell = (message: unknown) => process.send?.(message, undefined, undefined, (error) => error && leave())
process.once('disconnect', leave)

const started = performance.now()
// The other process may hold the lock for longer than the store retries.
while (!(await store.check?.().then(() => true, isStoreBusy))) {}
database.exec('CREATE TABLE IF NOT EXISTS effects (key TEXT)')
note(`ready ${name} ${Math.round(performance.now() - started)}`)
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()

const isOver = () => forMs !== undefined && performance.now() - started > forMs
await Promise.all(Array.from({ length: 4 }, (_, lane) => work(`${name}-${lane}`)))
tell({ name, percentiles: [50, 90, 99, 99.9, 100].map((of) => delay.percentile(of) / 1e6) })
process.off('disconnect', leave).disconnect?.()

/** Creates keys, updates them, and completes due ones, its own and those of dead workers. */
async function work(lane: string): Promise<void> {
  for (let round = 0; !isOver(); round++) {
    if (isIdle === true) {
      await sleep(1)
      continue
    }
    try {
      await advance(`a:${lane}-${round}`, { stamp: `${lane}-${round}-new`, dueAt: 1, parkedAt: null, state: {} }, null)
      for (const key of (await store.takeDue(2, 200)).keys) await complete(key, `${lane}-${round}`)
    } catch (error) {
      if (!isBusy(error)) isStoreBusy(error)
    }
    // All other work is synchronous: without a pause, this process would not notice the end of the harness.
    await sleep(forMs === undefined ? 0 : Math.random() * 5)
  }
}

async function complete(key: string, token: string): Promise<void> {
  const { entry } = await store.read(key)
  if (entry === null || entry.state['done'] === true) return
  const claimed = { ...entry, stamp: `${token}-claim`, state: { token, done: false, text: 'x'.repeat(2_000) } }
  if (!(await advance(key, claimed, entry.stamp))) return
  const run = fakeRun(key, token)
  note(`try ${key} ${run.stamp} ${claimed.stamp}`)
  database?.exec('BEGIN IMMEDIATE')
  try {
    database?.prepare('INSERT INTO effects (key) VALUES (?) RETURNING key').all(key)
    store.completeIn(run)
    database?.exec('COMMIT')
  } catch (error) {
    database?.exec('ROLLBACK')
    if (!isCheqpointError(error, 'lease-lost')) throw error
    return
  }
  note(`ack ${key} ${run.stamp}`)
}

async function advance(key: string, entry: Entry, expected: string | null): Promise<boolean> {
  note(`try ${key} ${entry.stamp} ${expected ?? ''}`)
  const written = await store.write(key, expected, entry)
  if (written) note(`ack ${key} ${entry.stamp}`)
  return written
}

/** Another process holds the lock; the store does not repeat the BEGIN IMMEDIATE of this file. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && /locked|busy/i.test(error.message)
}

/** Returns `false` if another process holds the lock. Throws any other error. */
function isStoreBusy(error: unknown): false {
  if (isCheqpointError(error, 'store-busy')) return false
  throw error
}
