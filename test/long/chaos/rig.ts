import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'
import { type Chance, chanceOf, oneOf } from '../../support/chance.js'
import { Log } from '../../support/log.js'
import { spawnFile } from '../../support/processes.js'
import { Fleet, type FleetPlan } from './fleet.js'
import type { FinalState } from './history.js'
import type { EffectPlan, FromUpstream, Knobs, ToUpstream } from './messages.js'
import { PostgresBacking } from './postgres-backing.js'
import { RedisBacking } from './redis-backing.js'

/** The setup of a run. */
export interface RigPlan {
  readonly folder: string
  readonly seed: number
  readonly workers: number
  readonly worker: FleetPlan
  readonly redis: Readonly<Record<string, string>>
  /** Set if entries are in Postgres: how handlers write effects there. */
  readonly postgres: { readonly effects: EffectPlan | null } | null
  readonly knobs: Knobs
  /** Callbacks that the upstream stub sends at a time. */
  readonly connections: number
}

interface Parts {
  readonly backing: RedisBacking | PostgresBacking
  readonly upstream: ChildProcess
  readonly upstreamPort: number
}

export interface Pace {
  readonly perSecond?: number
  readonly atOnce?: number
  /** Number of the first request. */
  readonly from?: number
}

/** The processes of a run: Redis or Postgres, the upstream stub and the workers; and the driver's operations. */
export class Rig {
  readonly log: Log
  readonly chance: Chance
  readonly plan: RigPlan
  readonly fleet: Fleet
  readonly backing: RedisBacking | PostgresBacking
  readonly #upstream: ChildProcess
  readonly #agent = new Agent({ connections: 16, headersTimeout: 20_000 })

  private constructor(plan: RigPlan, { backing, upstream, upstreamPort }: Parts) {
    this.plan = plan
    this.log = new Log(join(plan.folder, 'driver.log'))
    this.chance = chanceOf(plan.seed)
    this.backing = backing
    this.#upstream = upstream
    this.fleet = new Fleet({
      ...{ folder: plan.folder, log: this.log, plan: plan.worker, upstreamPort },
      store: () => backing.store,
      onPorts: (ports) => upstream.connected && this.tell({ kind: 'ports', ports }),
    })
  }

  static async start(plan: RigPlan): Promise<Rig> {
    const { postgres, worker } = plan
    const backing =
      postgres === null
        ? await RedisBacking.start(plan.redis, worker.partitions)
        : await PostgresBacking.start(postgres.effects)
    const log = join(plan.folder, 'upstream.log')
    const { knobs, connections, seed } = plan
    const upstream = spawnFile(new URL('./upstream.js', import.meta.url), { log, seed, knobs, connections })
    // The first message of the stub.
    const [{ port: upstreamPort }] = (await once(upstream, 'message')) as [Extract<FromUpstream, { kind: 'ready' }>]
    const rig = new Rig(plan, { backing, upstream, upstreamPort })
    await Promise.all(Array.from({ length: plan.workers }, () => rig.fleet.boot()))
    return rig
  }

  /** The Redis of a run that has one. */
  get redis(): RedisBacking {
    if (this.backing instanceof RedisBacking) return this.backing
    throw new Error('this run has no Redis')
  }

  /** The Postgres of a run that has one. */
  get postgres(): PostgresBacking {
    if (this.backing instanceof PostgresBacking) return this.backing
    throw new Error('this run has no Postgres')
  }

  /** Kills Redis or Postgres and restarts it on its files. */
  async restartStore(pauseMs: number): Promise<void> {
    const fault = `${this.backing.name}-kill`
    this.log.write('fault', fault)
    await this.backing.restart(pauseMs)
    this.log.write('over', fault)
  }

  tell(message: ToUpstream): void {
    this.#upstream.send(message)
  }

  /** Resolves when every callback has a response or timed out. */
  async callbacksAnswered(): Promise<void> {
    const idle = once(this.#upstream, 'message')
    this.tell({ kind: 'idle' })
    await idle
  }

  /** Submits until this number is acknowledged, each request once. Resolves with their ids. */
  async submit(count: number, { perSecond = 1_000, atOnce = 16, from = 0 }: Pace = {}): Promise<readonly string[]> {
    const ids: string[] = []
    const startedAt = performance.now()
    let sent = 0
    let underWay = 0
    const work = async (): Promise<void> => {
      while (ids.length < count) {
        const turnMs = startedAt + (sent * 1_000) / perSecond - performance.now()
        if (turnMs > 0 || ids.length + underWay >= count) {
          await sleep(Math.max(turnMs, 5))
          continue
        }
        underWay++
        const id = await this.#submitOne(from + sent++)
        underWay--
        if (id !== null) ids.push(id)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
    return ids
  }

  /** Waits until nothing is open, at most this time; the checker reports open entries. */
  async drain(timeoutMs: number = 90_000): Promise<void> {
    await this.fleet.booted()
    const until = performance.now() + timeoutMs
    while (performance.now() < until) {
      if (await this.backing.isDrained()) return
      await sleep(250)
    }
  }

  readState(): Promise<FinalState> {
    return this.backing.readState()
  }

  /** Ends every process of the run. */
  async end(): Promise<void> {
    await this.fleet.end()
    this.#upstream.kill('SIGKILL')
    await this.#agent.destroy()
    await this.backing.stop()
  }

  async #submitOne(n: number): Promise<string | null> {
    const worker = oneOf(this.fleet.workers, this.chance)
    const answer = worker === undefined ? { code: 'no-worker' } : await this.#post(worker.port, n)
    if ('id' in answer) {
      this.log.write('ack', answer.id)
      return answer.id
    }
    this.log.write('unanswered', n, answer.code)
    await sleep(20)
    return null
  }

  async #post(port: number, n: number): Promise<{ readonly id: string } | { readonly code: string }> {
    const origin = `http://127.0.0.1:${port}`
    try {
      const { body } = await this.#agent.request({ origin, path: `/submit/${n}`, method: 'POST' })
      // The worker sends one of these.
      return (await body.json()) as { readonly id: string } | { readonly code: string }
    } catch {
      return { code: 'no-answer' }
    }
  }
}
