import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { sqliteStore } from '../../../src/stores/sql/sqlite-store.js'
import { sqliteClients, temporaryFile } from '../../support/sql-clients.js'
import type { WorkerPlan } from './worker.js'

/** Findings after workers were killed. */
export interface KillFigures {
  readonly kills: number
  readonly acknowledged: number
  /** Acknowledged entries that are missing, or older than acknowledged. */
  readonly lost: readonly string[]
  /** Keys whose effects do not match: one effect with a completion, none without. */
  readonly unmatched: readonly string[]
  readonly completed: number
  /** Longest time to open the file after a kill, in milliseconds. */
  readonly slowestStartMs: number
}

/** Repeatedly starts two workers on one file, and kills each with SIGKILL at a random time. */
export async function runKills(worker: string, client: string, kills: number): Promise<KillFigures> {
  const { path, remove } = temporaryFile()
  const log = `${path}.log`
  let names = 0
  const lane = async (count: number) => {
    for (let kill = 0; kill < count; kill++) {
      const name = `w${names++}`
      const child = start(worker, { client, path, log, name })
      let notes = 0
      child.on('message', () => notes++)
      // Some die while they open the file, most while they write: after a number of lines, not a time.
      const atLeast = Math.random() < 0.1 ? 0 : 1 + Math.random() * 100
      await until(() => notes >= atLeast || child.exitCode !== null)
      await sleep(Math.random() * 20)
      await end(child)
    }
  }
  await Promise.all([lane(Math.ceil(kills / 2)), lane(Math.floor(kills / 2))])
  const figures = await examine(client, path, logged(log))
  remove()
  return { kills, ...figures }
}

/** Starts a worker. */
export function start(worker: string, plan: WorkerPlan): ChildProcess {
  // Without the variable of the test runner, which has already reported missing clients.
  const env = { ...process.env, VITEST: undefined }
  return fork(worker, [JSON.stringify(plan)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env })
}

async function examine(client: string, path: string, log: string): Promise<Omit<KillFigures, 'kills'>> {
  const database = sqliteClients[client]?.(path)
  if (database === undefined) throw new Error(`no client ${client}`)
  const store = sqliteStore(database)
  // The stamp that each write replaced, by key and stamp, and the acknowledged writes. Lines of two processes
  // interleave: one may report its write after the other has replaced it.
  const [over, acknowledged, starts] = [new Map<string, string>(), new Map<string, Set<string>>(), [] as number[]]
  for (const [word, key = '', stamp = '', expected = ''] of log.split('\n').map((line) => line.split(' '))) {
    if (word === 'ready') starts.push(Number(stamp))
    if (word === 'try') over.set(`${key} ${stamp}`, expected)
    if (word === 'ack') acknowledged.set(key, (acknowledged.get(key) ?? new Set()).add(stamp))
  }
  const [lost, unmatched]: [string[], string[]] = [[], []]
  let completed = 0
  for (const [key, stamps] of acknowledged) {
    const { entry } = await store.read(key)
    // Each acknowledged write is stored, or was replaced on the way to the stored one.
    const missing = new Set(stamps)
    for (let stamp = entry?.stamp; stamp; stamp = over.get(`${key} ${stamp}`)) missing.delete(stamp)
    if (missing.size > 0) lost.push(key)
    const isDone = entry?.state['done'] === true
    if (isDone) completed++
    const effects = database.prepare('SELECT key FROM effects WHERE key = ?').all(key).length
    if (effects !== (isDone ? 1 : 0)) unmatched.push(key)
  }
  database.close()
  return { acknowledged: acknowledged.size, lost, unmatched, completed, slowestStartMs: Math.max(...starts) }
}

function logged(log: string): string {
  return existsSync(log) ? readFileSync(log, 'utf8') : ''
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) throw new Error(`a worker ended by itself with ${child.exitCode}`)
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5)
}
