import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { sqliteStore } from '../../../src/stores/sql/sqlite-store.js'
import { sqliteClients, temporaryFile } from '../../support/sql-clients.js'
import type { WorkerPlan } from './worker.js'

/** What was found after workers were killed. */
export interface KillFigures {
  readonly kills: number
  readonly acknowledged: number
  /** Acknowledged entries that are gone, or older than what was acknowledged. */
  readonly lost: readonly string[]
  /** Keys whose completion and effects do not match: exactly one effect with it, and none without. */
  readonly unmatched: readonly string[]
  readonly completed: number
  /** How long opening took after a kill, in milliseconds: the slowest. */
  readonly slowestStartMs: number
}

/** Starts two workers on one file again and again, and kills each with SIGKILL at a random moment. */
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
      // Some die while they open the file, most while they write: after so many notes, however slow the machine is.
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
  // Without the mark of the test runner, which has told already which clients are not there.
  const env = { ...process.env, VITEST: undefined }
  return fork(worker, [JSON.stringify(plan)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env })
}

async function examine(client: string, path: string, log: string): Promise<Omit<KillFigures, 'kills'>> {
  const database = sqliteClients[client]?.(path)
  if (database === undefined) throw new Error(`no client ${client}`)
  const store = sqliteStore(database)
  // What each write was over, by key and stamp, and which were acknowledged. The notes of two processes interleave: one may
  // tell of its write after another has written over it.
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
    // All that was acknowledged is what is stored, or was written over on the way to it.
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
