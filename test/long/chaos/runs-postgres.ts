import type { History } from './history.js'
import { livesOf } from './lives.js'
import { killWorkers, restartStore, stallWorkers, terminateBackends } from './nemesis.js'
import type { Run, Verdict } from './run.js'
import { upstreamRuns } from './runs-upstream.js'
import { workerRuns } from './runs-workers.js'

/*
 * Runs on Postgres: faults of workers and of Cheqpoint again, with entries in a table; and effects as rows without a
 * unique key, committed with the completion or separately.
 */

const everything: Omit<Run, 'name' | 'title' | 'postgres' | 'judge'> = {
  size: 5_000,
  workers: 4,
  knobs: { decideMs: [0, 1_000], callbacks: { lost: 0.3, copies: [1, 3], spreadMs: 500, early: 0 } },
  worker: { handlerMs: [5, 150], deaths: 0.001 },
  async act(rig, size) {
    const storms = [
      killWorkers(rig, [2_000, 4_000]),
      terminateBackends(rig, [500, 1_500]),
      stallWorkers(rig, [4_000, 8_000]),
      restartStore(rig, [10_000, 20_000]),
    ]
    await rig.submit(size, { perSecond: 80, atOnce: 32 })
    await Promise.all(storms.map((storm) => storm.stop()))
    return []
  },
}

function judgeEffects(history: History, allowsDoubles: boolean): Verdict {
  const lives = [...livesOf(history).values()]
  const parked = new Set(history.state.parked)
  const acked = lives.filter(({ ackedAt, id }) => ackedAt !== null && !parked.has(id))
  const lost = acked.filter(({ finishes }) => finishes.length === 0).length
  const doubled = lives.filter(({ finishes }) => finishes.length > 1).length
  const rows = lives.reduce((sum, { finishes }) => sum + finishes.length, 0)
  const failed = lost > 0 || (doubled > 0 && !allowsDoubles)
  return { notes: [`${rows} rows`], failures: failed ? [`${lost} missing, ${doubled} doubled`] : [] }
}

const transactions: readonly Run[] = [
  {
    ...everything,
    name: 'F7a',
    title: 'effect and completion in one transaction, READ COMMITTED',
    postgres: { effects: { isolation: 'READ COMMITTED', completes: 'inside' } },
    judge: (history) => judgeEffects(history, false),
  },
  {
    ...everything,
    name: 'F7b',
    title: 'the same, SERIALIZABLE',
    postgres: { effects: { isolation: 'SERIALIZABLE', completes: 'inside' } },
    judge: (history) => judgeEffects(history, false),
  },
  {
    ...everything,
    name: 'F7c',
    title: 'completion outside the transaction, READ COMMITTED',
    postgres: { effects: { isolation: 'READ COMMITTED', completes: 'apart' } },
    judge: (history) => judgeEffects(history, true),
  },
]

/** The same run with entries in Postgres. */
function onPostgres(run: Run): Run {
  return { ...run, name: `${run.name}p`, title: `${run.name} on Postgres`, postgres: { effects: null } }
}

const again = [...workerRuns, ...upstreamRuns].filter(({ name }) => /^F(1|2|3|8|10|12)[a-z]?$/.test(name))

export const postgresRuns: readonly Run[] = [...transactions, ...again.map(onPostgres)]
