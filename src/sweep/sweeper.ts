import { AsyncLocalStorage } from 'node:async_hooks'
import { argumentGroup, argumentNumber, argumentSignal } from '../options/option-checks.js'
import { clamp, jitter } from '../util/backoff.js'
import { longestTimer } from '../util/clock.js'
import { sleep } from '../util/sleep.js'
import { batch, Round, type SweepDeps, type SweepReport } from './round.js'

/** Counts of one sweep, and when something is due next. */
export interface ReconcileReport extends SweepReport {
  /** When the next key is due: 0 for now, `null` if nothing is open. For the next cron run. */
  readonly nextDueInMs: number | null
}

/** Options of `reconcile`. */
export interface ReconcileOptions {
  /** At most this many keys. Default: 1,000. */
  readonly limit?: number | undefined
  /** Takes no new key after this time, and waits for those in progress. Default: 25,000. */
  readonly timeoutMs?: number | undefined
  /** Takes no new key once it aborts. */
  readonly signal?: AbortSignal | undefined
}

/** How often one sweep checks whether approvals that wait for a token of its budget are due. */
const turnMs = 50
const shortestIdleMs = 10
const longestIdleMs = 1_000
/** The longest wait for a free slot. A slot that becomes free in this process ends it at once. */
const fullIdleMs = 100

/** Handlers that a sweep starts do not run in the asynchronous context of a caller. */
const inModuleContext = AsyncLocalStorage.snapshot()

/**
 * Takes what is due and sends each key through the pipeline, whether its callback arrived or not. Any number of
 * processes may sweep one store, which gives each due key to one of them.
 */
export class Sweeper {
  readonly #deps: SweepDeps
  #running = false
  #stopped = false
  #keepsAlive = true
  /** Something was registered since the store was last asked for due keys; its response may not include that. */
  #expectsWork = false
  #loop: Promise<void> | undefined
  #wake: () => void = () => {}
  #timer: NodeJS.Timeout | undefined

  constructor(deps: SweepDeps) {
    this.#deps = deps
  }

  /** Throws `argument-invalid` for wrong options. */
  static readOptions(options: unknown): ReconcileOptions {
    const given = argumentGroup(options, 'reconcile()', ['limit', 'timeoutMs', 'signal'])
    return {
      limit: argumentNumber(given['limit'], 'limit', 1_000, 1, 1_000_000),
      timeoutMs: argumentNumber(given['timeoutMs'], 'timeoutMs', 25_000, 0, longestTimer),
      signal: argumentSignal(given['signal']),
    }
  }

  get running(): boolean {
    return this.#running
  }

  /** With `unref` the sweep does not keep the process alive while something is open. */
  start({ unref }: { readonly unref: boolean }): void {
    if (this.#running || this.#stopped) return
    this.#running = true
    this.#deps.context.life.isSwept = true
    this.#keepsAlive = !unref
    this.#loop = inModuleContext(() => this.#run())
  }

  /** Takes no new key any more. Resolves once what it took is given back, settled or running; waits for no handler. */
  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#running) this.#deps.context.life.isSwept = false
    this.#running = false
    this.#wake()
    await this.#loop
  }

  /** Sweeps now: something may be due earlier than expected. */
  wake(): void {
    this.#wake()
  }

  /** Something is open from now on, which keeps the process alive. */
  expectWork(): void {
    this.#expectsWork = true
    if (this.#keepsAlive) this.#timer?.ref()
  }

  /** One sweep. Rejects if the store does not respond. */
  async reconcile({ limit = 1_000, timeoutMs = 25_000, signal }: ReconcileOptions): Promise<ReconcileReport> {
    const { context } = this.#deps
    const until = context.clock.elapsed() + timeoutMs
    const awaitingTurns = new Set<string>()
    const round = new Round(this.#deps, () => {}, awaitingTurns)
    let left = limit
    let nextDueInMs: number | null = null
    while (!this.#stopped && context.clock.elapsed() < until && signal?.aborted !== true) {
      let nextDueAt = Number.NEGATIVE_INFINITY
      if (left > 0 && round.hasRoom) {
        const sentAt = context.clock.elapsed()
        const isIdle = round.size === 0
        const taken = await round.take(left)
        nextDueInMs = taken.nextDueInMs
        left -= taken.count
        if (taken.count > 0) continue
        // Those in progress may be given a turn after the store answered.
        if (isIdle) nextDueAt = sentAt + (nextDueInMs ?? Number.POSITIVE_INFINITY)
      }
      left += round.giveDeferredBack()
      // What is in progress may make more due, or free a slot.
      if (round.size > 0) await round.next()
      else if (awaitingTurns.size === 0 || left === 0) break
      // Nothing is due by the last turn: other processes served those that wait for theirs.
      else if (nextDueAt > round.lastTurnAt + turnMs) break
      else await sleep(turnMs)
    }
    while (round.size > 0) await round.next()
    const report = round.report()
    context.emit({ type: 'swept', ...report })
    // Handlers took time: read again, without taking anything.
    if (left > 0) nextDueInMs = (await context.records.takeDue(0, 1)).nextDueInMs
    return { ...report, nextDueInMs }
  }

  async #run(): Promise<void> {
    const { context } = this.#deps
    const { emit, random } = context
    const wake = (): void => this.#wake()
    const round = new Round(this.#deps, wake)
    context.polls.onFree = wake
    context.handlers.onFree = wake
    while (this.#running) {
      let idleMs: number | null = longestIdleMs
      this.#expectsWork = false
      try {
        idleMs = await this.#takeAll(round)
      } catch (error) {
        emit({ type: 'store-failed', operation: 'sweep', error })
      }
      const report = round.report()
      if (report.taken > 0) emit({ type: 'swept', ...report })
      const isOpen = this.#expectsWork || round.size > 0 || (idleMs !== null && idleMs <= longestWaitMs(context))
      if (this.#running)
        await this.#rest(jitter(clamp(idleMs ?? longestIdleMs, shortestIdleMs, longestIdleMs), random), isOpen)
    }
    while (round.resolving > 0) await round.next()
  }

  /** Takes what is due while this process can serve it. Returns when the next key is due. */
  async #takeAll(round: Round): Promise<number | null> {
    for (;;) {
      if (!this.#running) return longestIdleMs
      if (!round.hasRoom) return fullIdleMs
      const { count, nextDueInMs } = await round.take(batch)
      if (count === 0 || (nextDueInMs !== null && nextDueInMs > 0) || nextDueInMs === null) return nextDueInMs
      // A long backlog must not block everything else in this process.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /** Waits for this time, or until `wake`. */
  async #rest(ms: number, isOpen: boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (!this.#running) return resolve()
      this.#timer = setTimeout(resolve, ms)
      // While something is open the process must not end.
      if (!isOpen || !this.#keepsAlive) this.#timer.unref()
    })
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#wake = () => {}
  }
}

/**
 * Nothing that is polled or retried is due later than this. References of completed idempotency keys are, and do not
 * keep a process alive.
 */
function longestWaitMs({ polling, runs }: SweepDeps['context']): number {
  return 2 * Math.max(polling.maxMs, runs.backoffMs[1], longestPauseMs)
}

/** The longest Retry-After that is followed. */
const longestPauseMs = 900_000
