import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Figures, figuresOf } from './figures.js'
import { type History, readHistory, type Terms } from './history.js'
import { calm, type Knobs } from './messages.js'
import { Rig, type RigPlan } from './rig.js'

/** One run: its setup, its faults, and its conditions beyond the laws. */
export interface Run {
  readonly name: string
  readonly title: string
  /** Size of the full run. */
  readonly size: number
  readonly workers?: number
  readonly worker?: Partial<RigPlan['worker']>
  readonly redis?: Readonly<Record<string, string>>
  /** Set if entries are in Postgres: how handlers write effects there. */
  readonly postgres?: RigPlan['postgres']
  readonly knobs?: Partial<Knobs>
  readonly connections?: number
  readonly mayLose?: boolean
  readonly drains?: boolean
  /** Resolves with notes for the report. */
  readonly act: (rig: Rig, size: number) => Promise<readonly string[]>
  /** Failures of the run's own conditions, and notes on them. */
  readonly judge?: (history: History, size: number) => Verdict
}

export interface Verdict {
  readonly notes: readonly string[]
  readonly failures: readonly string[]
}

const worker: RigPlan['worker'] = {
  guarantee: 'at-least-once',
  leaseMs: 2_000,
  minIntervalMs: 500,
  confirmTimeoutMs: 600,
  firstMs: 1_000,
  maxMs: 3_000,
  getsPerSecond: 1_000,
  secret: true,
  sweeps: true,
  handlerMs: [3, 23],
  throws: 0.02,
  minReplicas: 0,
  allowEviction: false,
  partitions: 4,
  deaths: 0,
}

export const historyRoot = '.tmp/chaos'

/** Executes a run and judges it. The history of a failed run stays in its folder, to be judged again. */
export async function perform(run: Run, seed: number, size: number): Promise<Figures> {
  const folder = join(historyRoot, `${run.name}-${seed}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'ledger.log'), '')
  const settings = { ...worker, ...run.worker }
  const { guarantee, leaseMs, minIntervalMs } = settings
  const terms: Omit<Terms, 'versions'> = {
    ...{ run: run.name, title: run.title, seed, size, guarantee, leaseMs, minIntervalMs },
    mayLose: run.mayLose ?? false,
    drains: run.drains ?? true,
  }
  const rig = await Rig.start({
    folder,
    seed,
    workers: run.workers ?? 3,
    worker: settings,
    redis: run.redis ?? {},
    postgres: run.postgres ?? null,
    knobs: { ...calm, ...run.knobs },
    connections: run.connections ?? 32,
  })
  const versions = `Node.js ${process.versions.node}, ${rig.backing.version}`
  writeFileSync(join(folder, 'terms.json'), JSON.stringify({ ...terms, versions }))
  try {
    const notes = await run.act(rig, size)
    if (terms.drains) await rig.drain()
    await rig.callbacksAnswered()
    if (run.postgres?.effects) appendFileSync(join(folder, 'ledger.log'), await effectLines(rig))
    writeFileSync(join(folder, 'state.json'), JSON.stringify(await rig.readState()))
    writeFileSync(join(folder, 'notes.json'), JSON.stringify(notes))
  } finally {
    await rig.end()
  }
  const figures = judge(folder, run)
  if (figures.violations.length === 0) rmSync(folder, { recursive: true, force: true })
  return figures
}

/** Effects in the database, as lines of the ledger. */
async function effectLines(rig: Rig): Promise<string> {
  const effects = await rig.postgres.readEffects()
  return effects.map(({ at, id, fence, pid }) => `${at} finish ${id} ${fence} ${pid}\n`).join('')
}

/** Judges the records of a run. */
export function judge(folder: string, run: Run): Figures {
  const history = readHistory(folder)
  const { notes, failures } = run.judge?.(history, history.terms.size) ?? { notes: [], failures: [] }
  return figuresOf(history, [...history.notes, ...notes], failures)
}
