import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseLine } from '../../support/log.js'
import type { Worker } from './fleet.js'
import type { History } from './history.js'
import { type Life, livesOf } from './lives.js'
import type { CrashPoint } from './messages.js'
import { flushScripts, killWorkers } from './nemesis.js'
import type { Rig } from './rig.js'
import type { Run, Verdict } from './run.js'

/*
 * Faults of workers: they race, are killed, stall, and die at named points.
 */

const race: Run = {
  name: 'F1',
  title: 'five concurrent callbacks per decision; scripts flushed every 5 ms',
  size: 5_000,
  knobs: { decideMs: null, callbacks: { lost: 0, copies: [5, 5], spreadMs: 3_000, early: 0 } },
  worker: { throws: 0, firstMs: 120_000, maxMs: 120_000 },
  async act(rig, size) {
    await rig.submit(size)
    const storm = rig.plan.postgres === null ? flushScripts(rig, 5) : null
    rig.tell({ kind: 'decide' })
    await rig.callbacksAnswered()
    await storm?.stop()
    return []
  },
}

const killWeather: Pick<Run, 'workers' | 'knobs' | 'act'> = {
  workers: 4,
  knobs: {
    decideMs: [0, 1_500],
    inline: 0.05,
    callbacks: { lost: 0.3, copies: [1, 3], spreadMs: 500, early: 0.05 },
    gets: { failed: 0.05, throttled: 0, hung: 0.01 },
  },
  async act(rig, size) {
    const storm = killWorkers(rig, [200, 500])
    await rig.submit(size, { perSecond: 48, atOnce: 24 })
    await storm.stop(size / 20)
    return []
  },
}

const kills: Run = {
  ...killWeather,
  name: 'F2',
  title: 'workers killed, at-least-once',
  size: 10_000,
  worker: { handlerMs: [20, 300] },
}

const killsAtMostOnce: Run = {
  ...killWeather,
  name: 'F3',
  title: 'workers killed, at-most-once',
  size: 10_000,
  worker: { handlerMs: [20, 300], guarantee: 'at-most-once' },
}

const perRound = 20

const stalls: Run = {
  name: 'F10',
  title: 'workers stopped for two leases, then resumed',
  size: 200,
  workers: 2,
  knobs: { decideMs: null },
  worker: { leaseMs: 1_500, confirmTimeoutMs: 500, firstMs: 60_000, maxMs: 60_000, handlerMs: [900, 1_000], throws: 0 },
  async act(rig, size) {
    for (let round = 0, stalled = 0; stalled < size; round++) stalled += await stallOnce(rig, round * 1_000)
    return []
  },
  judge({ driver, ledger, ...rest }: History) {
    const lives = livesOf({ driver, ledger, ...rest })
    const stalled = driver.filter(({ kind }) => kind === 'stalled').map(({ words: [id = ''] }) => lives.get(id))
    const refused = stalled.filter((life) => life !== undefined && life.refused.length > 0 && life.dones.length === 1)
    const text = `${refused.length} of ${stalled.length} stale completions refused`
    return { notes: [text], failures: refused.length === stalled.length ? [] : [text] }
  },
}

/** Stops one worker until the other has taken over. Resolves with the number of handlers that were running. */
async function stallOnce(rig: Rig, from: number): Promise<number> {
  const [victim, other] = rig.fleet.workers
  if (victim === undefined || other === undefined) throw new Error('two workers are needed')
  const ids = await rig.submit(perRound, { from })
  rig.tell({ kind: 'ports', ports: [victim.port] })
  rig.tell({ kind: 'decide', ids })
  while (idsIn(rig, 'start', victim).filter((id) => ids.includes(id)).length < perRound * 0.9) await sleep(10)
  rig.fleet.stop(victim)
  const finished = new Set(idsIn(rig, 'finish', victim))
  const stalled = idsIn(rig, 'start', victim).filter((id) => ids.includes(id) && !finished.has(id))
  for (const id of stalled) rig.log.write('stalled', id)
  rig.tell({ kind: 'ports', ports: [other.port] })
  await sleep(2 * rig.plan.worker.leaseMs)
  while (!stalled.every((id) => idsIn(rig, 'done', other).includes(id))) await sleep(50)
  rig.fleet.goOn(victim)
  await sleep(300)
  return stalled.length
}

function idsIn(rig: Rig, kind: string, { pid }: Worker): readonly string[] {
  const lines = readFileSync(join(rig.plan.folder, 'ledger.log'), 'utf8').split('\n')
  return lines
    .map(parseLine)
    .filter((entry) => entry.kind === kind && entry.words[2] === String(pid))
    .map(({ words: [id = ''] }) => id)
}

/** Numbers of starts and finishes, and whether it is parked at the end. */
type Fate = readonly [starts: number, finishes: number, parked: boolean]

const once: Fate = [1, 1, false]
const fates: Readonly<Record<'at-least-once' | 'at-most-once', Readonly<Record<CrashPoint, Fate>>>> = {
  'at-least-once': {
    ...{ c1: once, c2: once, c3: once, c4: once },
    ...{ c5: [2, 1, false], c6: [2, 2, false], c7: once, c8: once },
  },
  'at-most-once': {
    ...{ c1: once, c2: once, c3: [0, 0, true], c4: [0, 0, true] },
    ...{ c5: [1, 0, true], c6: [1, 1, true], c7: once, c8: once },
  },
}
const points: readonly CrashPoint[] = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8']

function crashPoints(name: string, guarantee: 'at-least-once' | 'at-most-once'): Run {
  return {
    name,
    title: `a worker dies at each of eight points, ${guarantee}`,
    size: 24,
    workers: 2,
    knobs: { decideMs: null },
    worker: { guarantee, leaseMs: 1_500, confirmTimeoutMs: 500, firstMs: 60_000, maxMs: 60_000, throws: 0 },
    async act(rig, size) {
      for (let at = 0; at < size; at++) await crashOnce(rig, at, points[at % points.length] ?? 'c1')
      return []
    },
    judge: (history) => judgeFates(history, guarantee),
  }
}

async function crashOnce(rig: Rig, n: number, point: CrashPoint): Promise<void> {
  const [id = ''] = await rig.submit(1, { from: n * 100, atOnce: 1 })
  const worker = await rig.fleet.boot({ crashAt: point, sweeps: false })
  if ('refused' in worker) throw new Error(`a worker did not start: ${worker.refused}`)
  rig.log.write('case', id, point)
  rig.tell({ kind: 'ports', ports: [worker.port] })
  rig.tell({ kind: 'decide', ids: [id] })
  await rig.fleet.died(worker)
}

function judgeFates(history: History, guarantee: 'at-least-once' | 'at-most-once'): Verdict {
  const lives = livesOf(history)
  const parked = new Set(history.state.parked)
  const cases = history.driver.filter(({ kind }) => kind === 'case')
  const failures = cases.flatMap(({ words: [id = '', point = ''] }) => {
    const met = fateOf(lives.get(id), parked)
    // Only points are written into cases.
    const expected = fates[guarantee][point as CrashPoint].join(' ')
    return met === expected ? [] : [`${point}: starts, finishes, parked are ${met}, not ${expected}`]
  })
  const waits = cases.flatMap(({ at, words: [id = ''] }) => {
    const diedAt = history.driver.find((entry) => entry.kind === 'fault' && entry.at >= at)?.at ?? at
    return (lives.get(id)?.finishes ?? []).map((finish) => finish.at - diedAt).filter((ms) => ms > 0)
  })
  return {
    notes: [`taken over within ${Math.max(0, ...waits)} ms`],
    failures,
  }
}

function fateOf(life: Life | undefined, parked: ReadonlySet<string>): string {
  return life === undefined ? 'none' : [life.starts.length, life.finishes.length, parked.has(life.id)].join(' ')
}

export const workerRuns: readonly Run[] = [
  race,
  kills,
  killsAtMostOnce,
  stalls,
  crashPoints('F12a', 'at-least-once'),
  crashPoints('F12b', 'at-most-once'),
]
