import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Agent } from 'undici'
import { type Chance, chanceOf, oneOf } from './chance.js'
import { isDrained, openPeephole, type Peephole, readState, usedMemory } from './final-state.js'
import { type FinalState, Log } from './history.js'
import type { FromUpstream, FromWorker, Knobs, ToUpstream, ToWorker, WorkerPlan } from './messages.js'
import { RedisProcess } from './redis-process.js'

/** What is needed to set up a run. */
export interface RigPlan {
  readonly folder: string
  readonly seed: number
  readonly workers: number
  readonly worker: Omit<WorkerPlan, 'host' | 'ledger' | 'upstreamPort' | 'redisPort' | 'crashAt'>
  readonly redis: Readonly<Record<string, string>>
  readonly knobs: Knobs
  /** Callbacks that the upstream stub sends at a time. */
  readonly connections: number
}

/** A worker process that is up. */
export interface Worker {
  readonly child: ChildProcess
  readonly pid: number
  readonly port: number
}

/** The processes of a run, and what the driver does to them. Every fault is written down before it happens. */
export class Rig {
  readonly log: Log
  readonly chance: Chance
  readonly plan: RigPlan
  readonly #bytesBefore: number
  readonly #upstream: ChildProcess
  readonly #upstreamPort: number
  readonly #agent = new Agent({ connections: 16, headersTimeout: 20_000 })
  readonly #workers = new Set<Worker>()
  readonly #booting = new Set<Promise<unknown>>()
  redis: RedisProcess
  peephole: Peephole
  #booted = 0
  #ended = false
  acked = 0

  private constructor(
    plan: RigPlan,
    parts: { redis: RedisProcess; peephole: Peephole; bytes: number; upstream: ChildProcess; port: number },
  ) {
    this.plan = plan
    this.log = new Log(join(plan.folder, 'driver.log'))
    this.chance = chanceOf(plan.seed)
    this.redis = parts.redis
    this.peephole = parts.peephole
    this.#bytesBefore = parts.bytes
    this.#upstream = parts.upstream
    this.#upstreamPort = parts.port
  }

  static async start(plan: RigPlan): Promise<Rig> {
    const redis = await RedisProcess.start(plan.redis)
    const peephole = await openPeephole(redis.port)
    const log = join(plan.folder, 'upstream.log')
    const { knobs, connections, seed } = plan
    const upstream = spawnFile('./upstream.js', { log, seed, knobs, connections })
    // The stub says nothing else before.
    const [ready] = (await once(upstream, 'message')) as [Extract<FromUpstream, { kind: 'ready' }>]
    const rig = new Rig(plan, { redis, peephole, bytes: await usedMemory(peephole), upstream, port: ready.port })
    await Promise.all(Array.from({ length: plan.workers }, () => rig.boot()))
    return rig
  }

  get workers(): readonly Worker[] {
    return [...this.#workers]
  }

  /** Starts a worker: every other one behind Express, the rest behind Hono. `refused` holds why it did not start. */
  async boot(change: Partial<WorkerPlan> = {}): Promise<Worker | { readonly refused: string }> {
    const plan: WorkerPlan = {
      ...this.plan.worker,
      host: this.#booted++ % 2 === 0 ? 'express' : 'hono',
      ledger: join(this.plan.folder, 'ledger.log'),
      upstreamPort: this.#upstreamPort,
      redisPort: this.redis.port,
      crashAt: null,
      ...change,
    }
    const child = spawnFile('./worker.js', plan)
    // Somebody who dies while booting says nothing; the others begin with this message.
    const [ready] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [])])) as [FromWorker?]
    if (ready?.kind !== 'ready' || child.pid === undefined) {
      child.kill('SIGKILL')
      const refused = ready?.kind === 'refused' ? ready.code : 'died'
      this.log.write('refused', refused)
      return { refused }
    }
    const worker = { child, pid: child.pid, port: ready.port }
    this.#workers.add(worker)
    this.#tellPorts()
    return worker
  }

  /** Kills a worker, and starts another in its place. */
  async kill(worker: Worker): Promise<void> {
    this.log.write('fault', 'kill', worker.pid)
    await this.#end(worker)
    if (this.#ended) return
    const booting = this.boot().finally(() => this.#booting.delete(booting))
    this.#booting.add(booting)
  }

  /** Resolves when the worker died by its own hand, at its crash point. */
  async died({ child, pid }: Worker): Promise<void> {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    this.log.write('fault', 'kill', pid)
    for (const worker of this.#workers) if (worker.pid === pid) this.#workers.delete(worker)
    this.#tellPorts()
  }

  stop({ child, pid }: Worker): void {
    this.log.write('fault', 'stop', pid)
    child.kill('SIGSTOP')
  }

  goOn({ child, pid }: Worker): void {
    child.kill('SIGCONT')
    this.log.write('over', 'stop', pid)
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

  set knobs(knobs: Knobs) {
    this.tell({ kind: 'knobs', knobs })
  }

  /** Resolves when every callback was answered or given up. */
  async callbacksAnswered(): Promise<void> {
    const idle = once(this.#upstream, 'message')
    this.tell({ kind: 'idle' })
    await idle
  }

  /** Submits until so many are acknowledged, at most `perSecond`; each request is sent once. Resolves with their ids. */
  async submit(
    count: number,
    { perSecond = 1_000, atOnce = 16, from = 0 }: { perSecond?: number; atOnce?: number; from?: number } = {},
  ): Promise<readonly string[]> {
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

  async track(worker: Worker, request: Omit<ToWorker, 'kind'>): Promise<Extract<FromWorker, { kind: 'tracked' }>> {
    const answer = once(worker.child, 'message')
    worker.child.send({ kind: 'track', ...request } satisfies ToWorker)
    // The worker says nothing else once it is ready.
    const [tracked] = (await answer) as [Extract<FromWorker, { kind: 'tracked' }>]
    this.acked += tracked.acked
    return tracked
  }

  /** Waits until nothing is open, for so long at most, and answers whether that came to be. */
  async drain(timeoutMs = 90_000): Promise<boolean> {
    await Promise.all(this.#booting)
    const until = performance.now() + timeoutMs
    while (performance.now() < until) {
      if (await isDrained(this.peephole, this.plan.worker.partitions)) return true
      await sleep(250)
    }
    return false
  }

  readState(): Promise<FinalState> {
    return readState(this.peephole, this.plan.worker.partitions, this.#bytesBefore)
  }

  /** Ends every process of the run. */
  async end(): Promise<void> {
    this.#ended = true
    await Promise.all(this.#booting)
    await Promise.all(this.workers.map((worker) => this.#end(worker)))
    this.#upstream.kill('SIGKILL')
    await this.#agent.destroy()
    this.peephole.destroy()
    await this.redis.stop()
  }

  async #submitOne(n: number): Promise<string | null> {
    const worker = oneOf(this.workers, this.chance)
    if (worker === undefined) {
      await sleep(50)
      return null
    }
    const answer = await this.#post(worker.port, n)
    if ('id' in answer) {
      this.log.write('ack', answer.id)
      this.acked++
      return answer.id
    }
    this.log.write('unanswered', n, answer.code)
    await sleep(20)
    return null
  }

  async #post(port: number, n: number): Promise<{ readonly id: string } | { readonly code: string }> {
    try {
      const { body } = await this.#agent.request({
        origin: `http://127.0.0.1:${port}`,
        path: `/submit/${n}`,
        method: 'POST',
      })
      // The worker answers one or the other.
      return (await body.json()) as { readonly id: string } | { readonly code: string }
    } catch {
      return { code: 'no-answer' }
    }
  }

  async #end(worker: Worker): Promise<void> {
    const { child } = worker
    this.#workers.delete(worker)
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    }
    this.#tellPorts()
  }

  #tellPorts(): void {
    if (this.#upstream.connected) this.tell({ kind: 'ports', ports: this.workers.map(({ port }) => port) })
  }
}

/** Processes of the harness end by themselves when the driver does. */
function spawnFile(file: string, plan: object): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(plan)], { stdio: 'inherit' })
}
