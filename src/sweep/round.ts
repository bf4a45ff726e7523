import type { Outcome } from '../model/outcome.js'
import type { PipelineContext } from '../pipeline/context.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import { jitter } from '../util/backoff.js'

export interface SweepDeps {
  readonly context: PipelineContext
  readonly pipeline: Pick<Pipeline, 'process'>
  /** Works on a reference that is due. */
  readonly settleReservation: (ref: string) => Promise<void>
}

/** Counts of one sweep. */
export interface SweepReport {
  /** Due keys that were taken. One that found no token of the budget counts when it is taken again. */
  readonly taken: number
  /** Of these: completed, now or before. */
  readonly decided: number
  /** Still undecided, or in progress elsewhere. */
  readonly undecided: number
  /** Could not be confirmed or run; due again later. */
  readonly failed: number
}

/** Keys taken from the store at a time. */
export const batch = 32
/** How long a taken key is hidden from other sweepers, ±20 %. Then it is due again, if it was not served. */
const hideMs = 5_000

/** Pause after approvals that this process cannot serve, so that others take the next ones. None in a backlog. */
const yieldMs = 1_000

/** The keys in progress, and counts of those that ended. */
export class Round {
  readonly #deps: SweepDeps
  readonly #awaitingTurns: Set<string> | null
  /** Called when a key has ended, or its handler has begun. */
  #onChange: () => void
  #size = 0
  /** Of these, how many run their handler. */
  #running = 0
  #deferred = 0
  #lastTurnAt = Number.NEGATIVE_INFINITY
  /** The last key needed a handler slot, and none was free. */
  #wasFull = false
  /** Until then this process takes nothing. */
  #yieldsUntil = Number.NEGATIVE_INFINITY
  #wasBacklog = false
  #ended = { taken: 0, decided: 0, undecided: 0, failed: 0 }

  /** `awaitingTurns` contains the approvals that found no token of the budget, until they are taken again. */
  constructor(deps: SweepDeps, onChange: () => void, awaitingTurns: Set<string> | null = null) {
    this.#deps = deps
    this.#onChange = onChange
    this.#awaitingTurns = awaitingTurns
  }

  /** Keys in progress, with those that run their handler. */
  get size(): number {
    return this.#size
  }

  /** Of these, those whose handler does not run. */
  get resolving(): number {
    return this.#size - this.#running
  }

  /** Whether this process could serve another key. */
  get hasRoom(): boolean {
    return this.#places > 0
  }

  /** By the clock's elapsed time: those that found no token are due by then, unless another process serves them. */
  get lastTurnAt(): number {
    return this.#lastTurnAt
  }

  /** How many found no token since the last call: they count when they are taken again. */
  giveDeferredBack(): number {
    const deferred = this.#deferred
    this.#deferred = 0
    return deferred
  }

  /** Takes as many due keys as this process can serve. */
  async take(most: number): Promise<{ readonly count: number; readonly nextDueInMs: number | null }> {
    const { records, random } = this.#deps.context
    this.#wasFull = false
    const wanted = Math.min(this.#places, most)
    const { keys, nextDueInMs } = await records.takeDue(wanted, jitter(hideMs, random))
    this.#wasBacklog = keys.length === wanted
    for (const key of keys) void this.#process(key) // never rejects
    return { count: keys.length, nextDueInMs }
  }

  /**
   * A key may need a poll or a handler, which only its entry says. So there are never more keys in progress than poll
   * slots; without a free handler slot there is one key at a time, and none right after one that needed a handler.
   */
  get #places(): number {
    const { polls, handlers, polling, clock } = this.#deps.context
    if (clock.elapsed() < this.#yieldsUntil) return 0
    const places = Math.min(batch, polls.free, polling.concurrency - this.resolving)
    if (!handlers.isFull) return Math.min(places, Math.max(handlers.free, 1))
    return this.#wasFull ? 0 : Math.min(places, 1 - this.resolving)
  }

  /** Resolves once a key has ended, or its handler has begun. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#onChange = resolve
    })
  }

  /** Counts since the last report. */
  report(): SweepReport {
    const report = this.#ended
    this.#ended = { taken: 0, decided: 0, undecided: 0, failed: 0 }
    return report
  }

  async #process(key: string): Promise<void> {
    const { pipeline, settleReservation, context } = this.#deps
    const id = key.slice(2)
    let isRunning = false
    this.#size++
    try {
      if (key.startsWith('r:')) {
        this.#ended.taken++
        return await settleReservation(id)
      }
      this.#awaitingTurns?.delete(key)
      const outcome = await pipeline.process({ approvalId: id, via: 'poll' }, () => {
        isRunning = true
        this.#running++
        this.#onChange()
      })
      this.#count(key, outcome)
    } catch (error) {
      context.emit({ type: 'store-failed', operation: 'sweep', error })
    } finally {
      this.#size--
      if (isRunning) this.#running--
      this.#onChange()
    }
  }

  #count(key: string, outcome: Outcome): void {
    // It was given back: another process takes it.
    if (outcome.kind === 'closing') return
    if (outcome.kind === 'over-budget') {
      this.#deferred++
      this.#lastTurnAt = Math.max(this.#lastTurnAt, this.#deps.context.clock.elapsed() + outcome.retryAfterMs)
      this.#awaitingTurns?.add(key)
    } else {
      // Counted together, so that each report has both.
      this.#ended.taken++
      this.#ended[column(outcome)]++
    }
    this.#wasFull ||= outcome.kind === 'no-free-slot'
    if (isOwnTrouble(outcome) && !this.#wasBacklog) this.#yieldsUntil = this.#deps.context.clock.elapsed() + yieldMs
  }
}

/** Whether another process may be able to serve it. */
function isOwnTrouble({ kind }: Outcome): boolean {
  return kind === 'no-handler' || kind === 'api-key-refused' || kind === 'assistant-unknown'
}

function column({ kind }: Outcome): 'decided' | 'undecided' | 'failed' {
  if (kind === 'handled' || kind === 'completed' || kind === 'edit-refused') return 'decided'
  return kind === 'undecided' || kind === 'in-progress' || kind === 'too-soon' || kind === 'no-free-slot'
    ? 'undecided'
    : 'failed'
}
