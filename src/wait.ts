import type { Core } from './core.js'
import type { DecisionStatus, JsonObject, JsonValue } from './decision.js'
import { CheqpointError } from './errors.js'
import { readJson, readSealed } from './record.js'
import type { Resolver } from './resolver.js'
import { jitter } from './retry.js'
import type { Snapshot } from './store.js'
import { readDate } from './wire.js'

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
  readonly resolve: (completed: Completed) => void
  readonly reject: (error: CheqpointError) => void
}

/** Between two looks into the store; a completion in this process is seen at once. */
const lookEveryMs = 500
/** Records read from the store at a time. */
const batch = 64

/** Waits for completions: one loop for all who wait, reading each awaited record once a round. */
export class Waits {
  readonly #core: Core
  readonly #resolver: Resolver
  readonly #isSwept: () => boolean
  readonly #waiting = new Map<string, Set<Waiter>>()
  #timer: NodeJS.Timeout | undefined

  constructor(core: Core, resolver: Resolver, isSwept: () => boolean) {
    this.#core = core
    this.#resolver = resolver
    this.#isSwept = isSwept
  }

  /** Approvals that somebody in this process waits for. */
  get size(): number {
    return this.#waiting.size
  }

  /** See `Receiver.wait`. */
  wait(approvalId: string, { timeoutMs, signal }: WaitForOptions): Promise<Completed> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new CheqpointError('aborted', 'the wait was given up', { approvalId }))
      const end = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        const waiters = this.#waiting.get(approvalId)
        waiters?.delete(waiter)
        if (waiters?.size === 0) this.#waiting.delete(approvalId)
      }
      const waiter: Waiter = {
        resolve: (completed) => {
          end()
          resolve(completed)
        },
        reject: (error) => {
          end()
          reject(error)
        },
      }
      const onAbort = (): void => waiter.reject(new CheqpointError('aborted', 'the wait was given up', { approvalId }))
      const onTimeout = (): void =>
        waiter.reject(new CheqpointError('wait-timeout', `no completion within ${timeoutMs} ms`, { approvalId }))
      const timer = timeoutMs === undefined ? undefined : setTimeout(onTimeout, timeoutMs)
      signal?.addEventListener('abort', onAbort)
      const waiters = this.#waiting.get(approvalId) ?? new Set()
      this.#waiting.set(approvalId, waiters.add(waiter))
      void this.#look(approvalId) // it cannot reject
      this.#timer ??= this.#schedule()
    })
  }

  /** A completion happened in this process. */
  tell(approvalId: string): void {
    if (this.#waiting.has(approvalId)) void this.#look(approvalId) // it cannot reject
  }

  /** Rejects everybody who waits. */
  close(): void {
    clearTimeout(this.#timer)
    for (const [approvalId, waiters] of this.#waiting) {
      for (const waiter of waiters)
        waiter.reject(new CheqpointError('receiver-closed', 'the receiver was closed', { approvalId }))
    }
  }

  /** Holds the process: somebody waits for an answer and may have nothing else running. */
  #schedule(): NodeJS.Timeout {
    return setTimeout(() => void this.#round(), jitter(lookEveryMs, this.#core.random)) // it cannot reject
  }

  async #round(): Promise<void> {
    const ids = [...this.#waiting.keys()]
    for (let at = 0; at < ids.length; at += batch) {
      await Promise.all(ids.slice(at, at + batch).map((id) => this.#look(id)))
    }
    this.#timer = this.#waiting.size > 0 ? this.#schedule() : undefined
  }

  async #look(approvalId: string): Promise<void> {
    const { store, emit } = this.#core
    try {
      let found = await store.get(approvalId)
      if (found?.state === 'pending' && found.dueInMs <= 0 && !this.#isSwept()) {
        // Nobody else looks: whoever waits does.
        await this.#resolver.resolve(approvalId, 'poll')
        found = await store.get(approvalId)
      }
      this.#settle(approvalId, found)
    } catch (error) {
      emit({ type: 'store-failed', operation: 'wait', error })
    }
  }

  #settle(approvalId: string, found: Snapshot | null): void {
    const waiters = [...(this.#waiting.get(approvalId) ?? [])]
    if (found === null) {
      const error = new CheqpointError('approval-unknown', 'no such approval is being followed', { approvalId })
      for (const waiter of waiters) waiter.reject(error)
    } else if (found.state === 'parked') {
      const error = new CheqpointError('parked', `the approval is parked (${found.reason}) and waits for a person`, {
        approvalId,
      })
      for (const waiter of waiters) waiter.reject(error)
    } else if (found.state === 'done') {
      const completed = readCompleted(found.tombstone)
      for (const waiter of waiters) waiter.resolve(completed)
    }
  }
}

function readCompleted({
  id,
  action,
  outcome,
  sealed,
  result,
}: Extract<Snapshot, { state: 'done' }>['tombstone']): Completed {
  const truth = sealed === null ? null : readSealed(sealed)
  return {
    approvalId: id,
    action,
    status: outcome,
    modifiedDetails: truth?.modifiedDetails ?? null,
    note: truth?.note ?? null,
    decidedAt: readDate(truth?.decidedAt ?? null),
    result: result === null ? null : readJson(result),
  }
}
