import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'
import { type Chance, chanceOf, oneOf } from '../../support/chance.js'
import { Log } from '../../support/log.js'
import { spawnFile } from '../../support/processes.js'
import { isDrained, openPeephole, type Peephole, readState, usedMemory } from './final-state.js'
import { Fleet, type FleetPlan } from './fleet.js'
import type { FinalState } from './history.js'
import type { FromUpstream, Knobs, ToUpstream } from './messages.js'
import { RedisProcess } from './redis-process.js'

/** What is needed to set up a run. */
export interface RigPlan {
  readonly folder: string
  readonly seed: number
  readonly workers: number
  readonly worker: FleetPlan
  readonly redis: Readonly<Record<string, string>>
  readonly knobs: Knobs
  /** Callbacks that the upstream stub sends at a time. */
  readonly connections: number
}

interface Parts {
  readonly redis: RedisProcess
  readonly peephole: Peephole
  readonly bytesBefore: number
  readonly upstream: ChildProcess
  readonly upstreamPort: number
}

export interface Pace {
  readonly perSecond?: number
  readonly atOnce?: number
  /** Number of the first request. */
  readonly from?: number
}

/** The processes of a run: Redis, the upstream stub, and the workers; and the driver's part in it. */
export class Rig {
  readonly log: Log
  readonly chance: Chance
  readonly plan: RigPlan
  readonly fleet: Fleet
  redis: RedisProcess
  peephole: Peephole
  readonly #bytesBefore: number
  readonly #upstream: ChildProcess
  readonly #agent = new Agent({ connections: 16, headersTimeout: 20_000 })

  private constructor(plan: RigPlan, { redis, peephole, bytesBefore, upstream, upstreamPort }: Parts) {
    this.plan = plan
    this.log = new Log(join(plan.folder, 'driver.log'))
    this.chance = chanceOf(plan.seed)
    this.redis = redis
    this.peephole = peephole
    this.#bytesBefore = bytesBefore
    this.#upstream = upstream
    this.fleet = new Fleet({
      ...{ folder: plan.folder, log: this.log, plan: plan.worker, upstreamPort },
      redisPort: () => this.redis.port,
      onPorts: (ports) => upstream.connected && this.tell({ kind: 'ports', ports }),
    })
  }

  static async start(plan: RigPlan): Promise<Rig> {
    const redis = await RedisProcess.start(plan.redis)
    const peephole = await openPeephole(redis.port)
    const log = join(plan.folder, 'upstream.log')
    const { knobs, connections, seed } = plan
    const upstream = spawnFile(new URL('./upstream.js', import.meta.url), { log, seed, knobs, connections })
    // The stub says nothing else before.
    const [{ port: upstreamPort }] = (await once(upstream, 'message')) as [Extract<FromUpstream, { kind: 'ready' }>]
    const rig = new Rig(plan, { redis, peephole, bytesBefore: await usedMemory(peephole), upstream, upstreamPort })
    await Promise.all(Array.from({ length: plan.workers }, () => rig.fleet.boot()))
    return rig
  }

  /** Kills Redis and starts it again on its files. */
  async restartRedis(pauseMs: number): Promise<void> {
    this.log.write('fault', 'redis-kill')
    await this.redis.kill()
    await sleep(pauseMs)
    await this.redis.start()
    this.log.write('over', 'redis-kill')
  }

  /** From now on this replica is the Redis of the run. */
  async failOver(peephole: Peephole, replica: RedisProcess): Promise<void> {
    this.peephole.destroy()
    await this.redis.stop()
    this.peephole = peephole
    this.redis = replica
  }

  tell(message: ToUpstream): void {
    this.#upstream.send(message)
  }

  /** Resolves when every callback was answered or given up. */
  async callbacksAnswered(): Promise<void> {
    const idle = once(this.#upstream, 'message')
    this.tell({ kind: 'idle' })
    await idle
  }

  /** Submits until so many are acknowledged, each request once. Resolves with their ids. */
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

  /** Waits until nothing is open, for so long at most: the checker tells what still is. */
  async drain(timeoutMs: number = 90_000): Promise<void> {
    await this.fleet.booted()
    const until = performance.now() + timeoutMs
    while (performance.now() < until) {
      if (await isDrained(this.peephole, this.plan.worker.partitions)) return
      await sleep(250)
    }
  }

  readState(): Promise<FinalState> {
    return readState(this.peephole, this.plan.worker.partitions, this.#bytesBefore)
  }

  /** Ends every process of the run. */
  async end(): Promise<void> {
    await this.fleet.end()
    this.#upstream.kill('SIGKILL')
    await this.#agent.destroy()
    this.peephole.destroy()
    await this.redis.stop()
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
      // The worker answers one or the other.
      return (await body.json()) as { readonly id: string } | { readonly code: string }
    } catch {
      return { code: 'no-answer' }
    }
  }
}
