import type { EventListener } from '../model/events.js'
import type { Outcome } from '../model/outcome.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import type { DueKey, Store } from '../stores/store.js'
import { clamp, jitter } from '../util/backoff.js'
import type { Clock, Random } from '../util/clock.js'

export interface SweepDeps {
  readonly store: Store
  readonly pipeline: Pipeline
  readonly emit: EventListener
  readonly clock: Clock
  readonly random: Random
  /** Approvals at a time. */
  readonly concurrency: number
  /** How long a taken key is nobody else's. */
  readonly leaseMs: number
  /** Looks after a reservation whose submission never got an id. */
  readonly settle: (ref: string) => Promise<void>
}

/** What one sweep did. */
export interface SweepReport {
  /** Due keys that were looked into. */
  readonly taken: number
  /** Of these: handled to the end, now or before. */
  readonly decided: number
  /** Still undecided, or somebody else's. */
  readonly undecided: number
  /** Could not be confirmed or run; due again later. */
  readonly failed: number
}

/** What one sweep did, and when the next one is worth while. */
export interface ReconcileReport extends SweepReport {
  /** When the next key is due, 0 where some are now; `null` where nothing is open. For the next cron run. */
  readonly nextDueInMs: number | null
}

/** Bounds of one sweep. */
export interface ReconcileOptions {
  /** Keys to look into at the most. Default: 1,000. */
  readonly limit?: number | undefined
  /** Takes no new key after so long; what is under way ends. Default: 25,000. */
  readonly timeoutMs?: number | undefined
  /** Takes no new key once it aborts. */
  readonly signal?: AbortSignal | undefined
}

/** Keys taken from the store at a time. */
const batch = 32
const shortestIdleMs = 10
const longestIdleMs = 1_000

/**
 * The guarantee, where callbacks are the courtesy: takes what is due and sends each key through the pipeline. Any
 * number of processes may sweep one store; the store hands each key to one of them.
 */
export class Sweeper {
  readonly #deps: SweepDeps
  #running = false
  #stopped = false
  #loop: Promise<void> | undefined
  #wake: () => void = () => {}

  constructor(deps: SweepDeps) {
    this.#deps = deps
  }

  get running(): boolean {
    return this.#running
  }

  start(): void {
    if (this.#running || this.#stopped) return
    this.#running = true
    this.#loop = this.#run()
  }

  /** Takes no new key, for good; resolves when the loop has ended. What it started is the pipeline's. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#running = false
    this.#wake()
    await this.#loop
  }

  /** One sweep. Rejects where the store does not answer. */
  async reconcile({ limit = 1_000, timeoutMs = 25_000, signal }: ReconcileOptions = {}): Promise<ReconcileReport> {
    const { clock, store, emit } = this.#deps
    const until = clock.elapsed() + timeoutMs
    const round = new Round(this.#deps)
    let left = limit
    while (left > 0 && !this.#stopped && clock.elapsed() < until && signal?.aborted !== true) {
      const taken = await round.take(left)
      left -= taken
      if (taken === 0 && round.active.size === 0) break
      await Promise.race(round.active)
    }
    await Promise.all(round.active)
    const report = round.report()
    emit({ type: 'swept', ...report })
    return { ...report, nextDueInMs: await store.nextDueInMs() }
  }

  async #run(): Promise<void> {
    const { emit, store, concurrency, random } = this.#deps
    const round = new Round(this.#deps, () => this.#wake())
    while (this.#running) {
      let idleMs = longestIdleMs
      try {
        // With places left, an empty hand means that nothing is due; otherwise more may be.
        while (this.#running && (await round.take(batch)) > 0);
        idleMs = clamp((await store.nextDueInMs()) ?? longestIdleMs, shortestIdleMs, longestIdleMs)
      } catch (error) {
        emit({ type: 'store-failed', operation: 'sweep', error })
      }
      const report = round.report()
      if (report.taken > 0) emit({ type: 'swept', ...report })
      if (this.#running) await this.#rest(round.active.size < concurrency ? jitter(idleMs, random) : null)
    }
  }

  /** Waits for so long, or until a place is free where there is none. */
  async #rest(ms: number | null): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = ms === null || !this.#running ? resolve : () => this.#running || resolve()
      if (ms !== null) timer = setTimeout(resolve, ms).unref()
    })
    clearTimeout(timer)
    this.#wake = () => {}
  }
}

/** Keys under way, and how those that ended did so. */
class Round {
  readonly active: Set<Promise<void>> = new Set()
  readonly #deps: SweepDeps
  readonly #onEnd: () => void
  #ended = { taken: 0, decided: 0, undecided: 0, failed: 0 }

  constructor(deps: SweepDeps, onEnd: () => void = () => {}) {
    this.#deps = deps
    this.#onEnd = onEnd
  }

  /** Starts as many due keys as there are places for, and answers how many. */
  async take(most: number): Promise<number> {
    const { store, concurrency, leaseMs } = this.#deps
    const places = Math.min(concurrency - this.active.size, batch, most)
    if (places <= 0) return 0
    const keys = await store.takeDue(places, leaseMs)
    for (const key of keys) {
      const work: Promise<void> = this.#lookInto(key).finally(() => {
        this.active.delete(work)
        this.#onEnd()
      })
      this.active.add(work)
    }
    return keys.length
  }

  /** What ended since the last report. */
  report(): SweepReport {
    const report = this.#ended
    this.#ended = { taken: 0, decided: 0, undecided: 0, failed: 0 }
    return report
  }

  async #lookInto(key: DueKey): Promise<void> {
    const { pipeline, settle, emit } = this.#deps
    try {
      if (key.kind === 'approval') {
        // In its own step: a report while we wait takes the counts away.
        const outcome = await pipeline.resolve(key.id, 'poll')
        this.#ended[column(outcome)]++
      } else await settle(key.ref)
    } catch (error) {
      emit({ type: 'store-failed', operation: 'sweep', error })
    }
    this.#ended.taken++
  }
}

function column({ kind }: Outcome): 'decided' | 'undecided' | 'failed' {
  if (kind === 'handled' || kind === 'completed' || kind === 'edit-refused') return 'decided'
  return kind === 'undecided' || kind === 'in-progress' || kind === 'too-soon' || kind === 'over-budget'
    ? 'undecided'
    : 'failed'
}
