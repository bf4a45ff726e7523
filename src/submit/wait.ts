import { showConfirmed } from '../model/confirmed-decision.js'
import type { DecisionStatus } from '../model/decision.js'
import { CheqpointError } from '../model/errors.js'
import type { PipelineContext } from '../pipeline/context.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import type { Tombstone } from '../stores/record.js'
import type { Snapshot } from '../stores/store.js'
import { jitter } from '../util/backoff.js'
import { longestTimer } from '../util/clock.js'
import { readDate } from '../util/dates.js'
import type { JsonObject, JsonValue } from '../util/json.js'
import { showJson } from '../util/json.js'

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
  readonly approvalId: string
  readonly signal: AbortSignal | undefined
  /** Ends the wait; once it is over, changes nothing. */
  readonly end: (result: Completed | CheqpointError) => void
}

/** Between two looks into the store; a completion in this process is seen at once. */
const lookEveryMs = 500
/** Records read from the store at a time. */
const batch = 64

/** Waits for completions: one loop for all who wait, reading each awaited record once a round. */
export class CompletionWaits {
  readonly #core: PipelineContext
  readonly #pipeline: Pipeline
  readonly #isSwept: () => boolean
  readonly #waiting = new Map<string, Set<Waiter>>()
  /** Approvals that somebody began to wait for, and that were not looked at since. */
  readonly #fresh = new Set<string>()
  /** By their signal, which has one listener however many share it. */
  readonly #bySignal = new Map<EventTarget | null, Set<Waiter>>()
  #timer: NodeJS.Timeout | undefined

  constructor(core: PipelineContext, pipeline: Pipeline, isSwept: () => boolean) {
    this.#core = core
    this.#pipeline = pipeline
    this.#isSwept = isSwept
  }

  /** See `Receiver.wait`. */
  wait(approvalId: string, { timeoutMs, signal }: WaitForOptions): Promise<Completed> {
    return new Promise((resolve, reject) => {
      checkTimeout(timeoutMs)
      if (signal?.aborted) throw givenUp(approvalId)
      const end: Waiter['end'] = (result) => {
        this.#remove(waiter)
        clearTimeout(timer)
        if (result instanceof CheqpointError) reject(result)
        else resolve(result)
      }
      const onTimeout = (): void =>
        end(new CheqpointError('wait-timeout', `no completion within ${timeoutMs} ms`, { approvalId }))
      const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs)
      const waiter: Waiter = { approvalId, signal, end }
      this.#add(waiter)
    })
  }

  /** A completion happened in this process. */
  tell(approvalId: string): void {
    void this.#look(approvalId) // it cannot reject
  }

  /** Rejects everybody who waits. */
  close(): void {
    for (const [approvalId, waiters] of this.#waiting) {
      const error = new CheqpointError('receiver-closed', 'the receiver was closed', { approvalId })
      for (const { end } of waiters) end(error)
    }
  }

  #add(waiter: Waiter): void {
    const { approvalId, signal } = waiter
    put(this.#waiting, approvalId, waiter)
    if (signal !== undefined) {
      put(this.#bySignal, signal, waiter)
      // The same function again is no other listener.
      signal.addEventListener('abort', this.#onAbort)
    }
    // All who begin to wait in this turn are looked at together.
    if (this.#fresh.size === 0) queueMicrotask(() => void this.#lookAtFresh()) // it cannot reject
    this.#fresh.add(approvalId)
    this.#timer ??= this.#schedule()
  }

  #remove(waiter: Waiter): void {
    const { approvalId, signal } = waiter
    take(this.#waiting, approvalId, waiter)
    if (signal !== undefined) {
      take(this.#bySignal, signal, waiter)
      if (!this.#bySignal.has(signal)) signal.removeEventListener('abort', this.#onAbort)
    }
    if (this.#waiting.size === 0) this.#rest()
  }

  readonly #onAbort = ({ target }: Event): void => {
    for (const { approvalId, end } of this.#bySignal.get(target) ?? []) end(givenUp(approvalId))
  }

  /** Holds the process: somebody waits for an answer and may have nothing else running. */
  #schedule(): NodeJS.Timeout {
    return setTimeout(() => void this.#round(), jitter(lookEveryMs, this.#core.random)) // it cannot reject
  }

  #rest(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #round(): Promise<void> {
    await this.#lookAt([...this.#waiting.keys()])
    this.#rest()
    if (this.#waiting.size > 0) this.#timer = this.#schedule()
  }

  async #lookAtFresh(): Promise<void> {
    const ids = [...this.#fresh]
    this.#fresh.clear()
    await this.#lookAt(ids)
  }

  async #lookAt(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length; at += batch) {
      await Promise.all(ids.slice(at, at + batch).map((id) => this.#look(id)))
    }
  }

  async #look(approvalId: string): Promise<void> {
    const { store, emit } = this.#core
    // Those who come later have a look of their own: what this one reads may be old by then.
    const waiters = [...(this.#waiting.get(approvalId) ?? [])]
    if (waiters.length === 0) return
    try {
      const found = await store.get(approvalId)
      if (found?.state === 'pending' && found.dueInMs <= 0 && !this.#isSwept()) {
        // Nobody else looks, so whoever waits does. Not waited for, or one slow handler would hold up all the others.
        void this.#pipeline.resolve(approvalId, 'poll') // it cannot reject
      }
      const result = readResult(approvalId, found)
      if (result !== null) for (const { end } of waiters) end(result)
    } catch (error) {
      emit({ type: 'store-failed', operation: 'wait', error })
    }
  }
}

function put<Key>(waiters: Map<Key, Set<Waiter>>, key: Key, waiter: Waiter): void {
  waiters.set(key, (waiters.get(key) ?? new Set()).add(waiter))
}

function take<Key>(waiters: Map<Key, Set<Waiter>>, key: Key, waiter: Waiter): void {
  const all = waiters.get(key)
  all?.delete(waiter)
  if (all?.size === 0) waiters.delete(key)
}

function checkTimeout(timeoutMs: number | undefined): void {
  if (timeoutMs === undefined || (Number.isInteger(timeoutMs) && timeoutMs >= 0 && timeoutMs <= longestTimer)) return
  throw new CheqpointError('argument-invalid', `timeoutMs must be a whole number from 0 to ${longestTimer}`)
}

function givenUp(approvalId: string): CheqpointError {
  return new CheqpointError('aborted', 'the wait was given up', { approvalId })
}

/** How the wait ends; `null` where it goes on. */
function readResult(approvalId: string, found: Snapshot | null): Completed | CheqpointError | null {
  if (found === null)
    return new CheqpointError('approval-unknown', 'no such approval is being followed', { approvalId })
  if (found.state === 'parked') {
    const message = `the approval is parked (${found.reason}) and waits for a person`
    return new CheqpointError('parked', message, { approvalId })
  }
  return found.state === 'done' ? readCompleted(found.tombstone) : null
}

function readCompleted({ id, action, outcome, sealed, result }: Tombstone): Completed {
  const confirmed = showConfirmed(sealed)
  return {
    approvalId: id,
    action,
    status: outcome,
    modifiedDetails: confirmed?.modifiedDetails ?? null,
    note: confirmed?.note ?? null,
    decidedAt: readDate(confirmed?.decidedAt ?? null),
    result: showJson(result),
  }
}
