import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../../support/log.js'
import { spawnFile } from '../../support/processes.js'
import type { FromWorker, StorePlan, ToWorker, WorkerPlan } from './messages.js'

/** A running worker process. */
export interface Worker {
  readonly child: ChildProcess
  readonly pid: number
  readonly port: number
}

/** The start parameters of all workers of a run. */
export type FleetPlan = Omit<WorkerPlan, 'host' | 'ledger' | 'upstreamPort' | 'store' | 'crashAt'>

export interface FleetTerms {
  readonly folder: string
  readonly log: Log
  readonly plan: FleetPlan
  readonly upstreamPort: number
  readonly store: () => StorePlan
  /** Called with the ports of the running workers at each change. */
  readonly onPorts: (ports: readonly number[]) => void
}

/** The workers of a run, and their faults. Every fault is logged before it is injected. */
export class Fleet {
  readonly #deps: FleetTerms
  readonly #workers = new Set<Worker>()
  readonly #booting = new Set<Promise<unknown>>()
  #booted = 0
  #ended = false

  constructor(terms: FleetTerms) {
    this.#deps = terms
  }

  get workers(): readonly Worker[] {
    return [...this.#workers]
  }

  /** Starts a worker, alternately behind Express and Hono. `refused` is the reason if it did not start. */
  async boot(change: Partial<WorkerPlan> = {}): Promise<Worker | { readonly refused: string }> {
    const { folder, log, plan, upstreamPort, store } = this.#deps
    const child = spawnFile(new URL('./worker.js', import.meta.url), {
      ...plan,
      host: this.#booted++ % 2 === 0 ? 'express' : 'hono',
      ledger: join(folder, 'ledger.log'),
      upstreamPort,
      store: store(),
      crashAt: null,
      ...change,
    } satisfies WorkerPlan)
    // A worker that dies while booting sends nothing; this is the first message of the others.
    const [ready] = (await Promise.race([once(child, 'message'), once(child, 'exit').then(() => [])])) as [FromWorker?]
    if (ready?.kind !== 'ready' || child.pid === undefined) {
      child.kill('SIGKILL')
      const refused = ready?.kind === 'refused' ? ready.code : 'died'
      log.write('refused', refused)
      return { refused }
    }
    const worker = { child, pid: child.pid, port: ready.port }
    this.#workers.add(worker)
    if (plan.deaths > 0) child.once('exit', () => this.#replace(worker))
    this.#tellPorts()
    return worker
  }

  /** Kills a worker and starts a replacement. */
  async kill(worker: Worker): Promise<void> {
    this.#deps.log.write('fault', 'kill', worker.pid)
    await this.#end(worker)
    this.#bootAnother()
  }

  /** Resolves when the worker has killed itself at its crash point. */
  async died(worker: Worker): Promise<void> {
    const { child, pid } = worker
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    this.#deps.log.write('fault', 'kill', pid)
    this.#workers.delete(worker)
    this.#tellPorts()
  }

  stop({ child, pid }: Worker): void {
    this.#deps.log.write('fault', 'stop', pid)
    child.kill('SIGSTOP')
  }

  goOn({ child, pid }: Worker): void {
    child.kill('SIGCONT')
    this.#deps.log.write('over', 'stop', pid)
  }

  /** Makes a worker register approvals that it did not submit. */
  async track(worker: Worker, request: Omit<ToWorker, 'kind'>): Promise<Extract<FromWorker, { kind: 'tracked' }>> {
    const answer = once(worker.child, 'message')
    worker.child.send({ kind: 'track', ...request } satisfies ToWorker)
    // A ready worker sends only this type.
    const [tracked] = (await answer) as [Extract<FromWorker, { kind: 'tracked' }>]
    return tracked
  }

  /** Resolves when all replacements of killed workers are running. */
  async booted(): Promise<void> {
    await Promise.all(this.#booting)
  }

  async end(): Promise<void> {
    this.#ended = true
    await this.booted()
    await Promise.all(this.workers.map((worker) => this.#end(worker)))
  }

  /** Replaces a worker that died at random in a transaction. */
  #replace(worker: Worker): void {
    if (!this.#workers.delete(worker)) return
    this.#deps.log.write('fault', 'kill', worker.pid)
    this.#tellPorts()
    this.#bootAnother()
  }

  #bootAnother(): void {
    const booting = this.#bootUntilUp().finally(() => this.#booting.delete(booting))
    this.#booting.add(booting)
  }

  /** Starts a worker as a process supervisor does: retries while the store is down. */
  async #bootUntilUp(): Promise<void> {
    while (!this.#ended && 'refused' in (await this.boot())) await sleep(200)
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
    this.#deps.onPorts(this.workers.map(({ port }) => port))
  }
}
