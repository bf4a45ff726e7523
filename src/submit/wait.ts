import { type ApprovalState, approvalKey, readApproval, type Tombstone } from '../approvals/entry.js'
import { readConfirmed } from '../model/confirmed-decision.js'
import type { DecisionStatus } from '../model/decision.js'
import { CheqpointError } from '../model/errors.js'
import { argumentGroup, argumentNumber, argumentSignal } from '../options/option-checks.js'
import type { PipelineContext } from '../pipeline/context.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import { jitter } from '../util/backoff.js'
import { longestTimer } from '../util/clock.js'
import { readDate } from '../util/dates.js'
import { type JsonObject, type JsonValue, showJson } from '../util/json.js'

/** How long to wait. */
export interface WaitForOptions {
  /** Rejects with `wait-timeout` after so long; the request goes on. Default: no bound. */
  readonly timeoutMs?: number | undefined
  /** Rejects with `aborted` when it aborts; the request goes on. */
  readonly signal?: AbortSignal | undefined
}

/** A decision that was acted on, in whichever process. */
export interface Completed {
  readonly approvalId: string
  readonly action: string
  /** `cancelled` where a person ended it without a run. */
  readonly status: DecisionStatus | 'cancelled'
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  readonly decidedAt: Date | null
  /** What the handler returned; `null` where it returned nothing. */
  readonly result: JsonValue
}

interface Waiter {
  /** Ends the wait; once it is over, changes nothing. */
  readonly end: (result: Completed | CheqpointError) => void
}

/** Between two reads of the store; a completion in this process is noticed at once. */
const readEveryMs = 500
/** Approvals read from the store at a time. */
const batch = 64

/** Waits for completions: one loop for all who wait, reading each awaited approval once a round. */
export class CompletionWaits {
  readonly #context: PipelineContext
  readonly #pipeline: Pick<Pipeline, 'process'>
  readonly #isSwept: () => boolean
  readonly #waiting = new Map<string, Set<Waiter>>()
  /** Approvals that a wait began for, and that were not read since. */
  readonly #fresh = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(context: PipelineContext, pipeline: Pick<Pipeline, 'process'>, isSwept: () => boolean) {
    this.#context = context
    this.#pipeline = pipeline
    this.#isSwept = isSwept
  }

  /** See `Receiver.wait`. */
  async wait(approvalId: string, options: WaitForOptions): Promise<Completed> {
    const given = argumentGroup(options, 'wait()', ['timeoutMs', 'signal'])
    const timeoutMs =
      given['timeoutMs'] === undefined ? undefined : argumentNumber(given['timeoutMs'], 'timeoutMs', 0, 0, longestTimer)
    const signal = argumentSignal(given['signal'])
    if (this.#isClosed) throw closed(approvalId)
    if (signal?.aborted === true) throw givenUp(approvalId)
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        end: (result) => {
          clearTimeout(timer)
          signal?.removeEventListener('abort', onAbort)
          this.#remove(approvalId, waiter)
          if (result instanceof CheqpointError) reject(result)
          else resolve(result)
        },
      }
      const onAbort = (): void => waiter.end(givenUp(approvalId))
      const onTimeout = (): void =>
        waiter.end(new CheqpointError('wait-timeout', `no completion within ${timeoutMs} ms`, { approvalId }))
      const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs)
      signal?.addEventListener('abort', onAbort)
      this.#add(approvalId, waiter)
    })
  }

  /** A completion happened in this process. */
  notify(approvalId: string): void {
    void this.#read(approvalId) // it cannot reject
  }

  /** Rejects every wait, now and from now on. */
  close(): void {
    this.#isClosed = true
    for (const [approvalId, waiters] of this.#waiting) for (const { end } of waiters) end(closed(approvalId))
  }

  #add(approvalId: string, waiter: Waiter): void {
    this.#waiting.set(approvalId, (this.#waiting.get(approvalId) ?? new Set()).add(waiter))
    // All waits that begin in this turn are read together.
    if (this.#fresh.size === 0) queueMicrotask(() => void this.#readFresh()) // it cannot reject
    this.#fresh.add(approvalId)
    this.#timer ??= this.#schedule()
  }

  #remove(approvalId: string, waiter: Waiter): void {
    const all = this.#waiting.get(approvalId)
    all?.delete(waiter)
    if (all?.size === 0) this.#waiting.delete(approvalId)
    if (this.#waiting.size === 0) this.#rest()
  }

  /** Keeps the process alive: the caller waits for an answer and may have nothing else running. */
  #schedule(): NodeJS.Timeout {
    return setTimeout(() => void this.#round(), jitter(readEveryMs, this.#context.random)) // it cannot reject
  }

  #rest(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #round(): Promise<void> {
    await this.#readAll([...this.#waiting.keys()])
    this.#rest()
    if (this.#waiting.size > 0) this.#timer = this.#schedule()
  }

  async #readFresh(): Promise<void> {
    const ids = [...this.#fresh]
    this.#fresh.clear()
    await this.#readAll(ids)
  }

  async #readAll(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += batch) {
      await Promise.all(ids.slice(at, at + batch).map((id) => this.#read(id)))
    }
  }

  async #read(approvalId: string): Promise<void> {
    const { records, emit } = this.#context
    // Later waits have a read of their own: what this one finds may be old by then.
    const waiters = [...(this.#waiting.get(approvalId) ?? [])]
    if (waiters.length === 0) return
    try {
      const stored = await records.read(approvalKey(approvalId))
      const known = readApproval(stored)
      const dueAt = stored.entry?.dueAt ?? Number.POSITIVE_INFINITY
      if (dueAt <= stored.now && !this.#isSwept()) {
        // Nothing else polls, so the wait does. Not awaited, or one slow handler would hold up all the others.
        void this.#pipeline.process({ approvalId, via: 'poll' }) // it cannot reject
      }
      const result = readResult(approvalId, known)
      if (result !== null) for (const { end } of waiters) end(result)
    } catch (error) {
      emit({ type: 'store-failed', operation: 'wait', error })
    }
  }
}

function givenUp(approvalId: string): CheqpointError {
  return new CheqpointError('aborted', 'the wait was given up', { approvalId })
}

function closed(approvalId: string): CheqpointError {
  return new CheqpointError('receiver-closed', 'the receiver was closed', { approvalId })
}

/** How the wait ends; `null` where it goes on. */
function readResult(approvalId: string, known: ApprovalState | 'unreadable' | null): Completed | CheqpointError | null {
  if (known === null)
    return new CheqpointError('approval-unknown', 'no approval with this id is tracked', { approvalId })
  if (known === 'unreadable') return parked(approvalId, 'corrupt')
  if (known.kind === 'completed') return readCompleted(approvalId, known)
  return known.parked === null ? null : parked(approvalId, known.parked.reason)
}

function parked(approvalId: string, reason: string): CheqpointError {
  return new CheqpointError('parked', `the approval is parked (${reason}) and waits for a person`, { approvalId })
}

function readCompleted(approvalId: string, { action, outcome, decision, result }: Tombstone): Completed {
  const confirmed = readConfirmed(decision)
  return {
    approvalId,
    action,
    status: outcome,
    modifiedDetails: confirmed?.modifiedDetails ?? null,
    note: confirmed?.note ?? null,
    decidedAt: readDate(confirmed?.decidedAt ?? null),
    result: showJson(result),
  }
}
