import { AsyncResource } from 'node:async_hooks'
import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { Decision } from '../model/decision.js'
import { CheqpointError } from '../model/errors.js'
import type { ParkReason } from '../model/park-reason.js'
import { type Completion, completion } from '../stores/store.js'
import { backoffMs } from '../util/backoff.js'
import type { Place } from '../util/in-flight.js'
import type { Admission } from './admission.js'
import { type ClaimReleaseOptions, checkPark, demandResult, readRelease } from './claim-arguments.js'
import type { Abortable, PipelineContext } from './context.js'
import type { Lease } from './lease.js'

/** A confirmed decision with the right to act on it. */
export interface Verified {
  readonly kind: 'ok'
  readonly claim: Claim
}

/**
 * The right to act on one confirmed decision. The claim renews itself until it is completed, released or parked, and
 * for `runs.timeoutMs` and one lease at most. Every write is fenced: `lost` means that another process took over after the lease ran
 * out, and nothing was written. Each may be sent again after a rejection.
 */
export class Claim<Details = unknown, Context = unknown> {
  readonly approvalId: string
  /** The decision, its details and context read by the rules of the action. */
  readonly decision: Decision<Details, Context>
  /** The decision as it is recorded in the store. */
  readonly confirmed: ConfirmedDecision
  /** 1 for the first attempt of this decision. */
  readonly attempt: number
  /** Rises with every claim of this approval: a resource that remembers it can refuse a stalled, older run. */
  readonly fence: number
  /** `cheqpoint:<approvalId>`, the same on every attempt. Pass it to whatever you call. */
  readonly idempotencyKey: string
  /** @internal */
  readonly lease: Lease
  /** Called with each reason to abort; the signal keeps the first. @internal */
  onAbort: (reason: Error) => void = () => {}
  /** Set by what runs a handler under this claim, and calls {@link end} when the handler ended. @internal */
  hasHandler = false
  readonly #admission: Admission
  readonly #place: Place<Abortable>
  readonly #context: PipelineContext
  #aborted: Error | undefined
  #signal: { readonly controller: AbortController; readonly resource: AsyncResource } | undefined
  #isTransactional = false
  /** From a call of `completeIn` until its row is known to be free: so long the end of the lease proves nothing. */
  #isInTransaction = false
  #timer: NodeJS.Timeout | undefined
  /** When the claim takes too long, by the clock's elapsed time; and after that, when it is given up. */
  #overAt: number
  #renewing: Promise<void> | undefined
  /** The last renewal was not answered, or failed. */
  #hasFailed = false
  #isTimedOut = false
  #isOver = false

  constructor(
    lease: Lease,
    confirmed: ConfirmedDecision,
    decision: Decision<unknown, unknown>,
    admission: Admission,
    context: PipelineContext,
  ) {
    const { approval, approvalId } = lease
    this.approvalId = approvalId
    // The schemas of the action have checked it, and the caller names their types.
    this.decision = decision as Decision<Details, Context>
    this.confirmed = confirmed
    this.attempt = approval.attempts
    this.fence = approval.fence
    this.idempotencyKey = `cheqpoint:${approvalId}`
    this.lease = lease
    this.#admission = admission
    this.#context = context
    const now = context.clock.elapsed()
    this.#overAt = now + context.runs.timeoutMs
    this.#schedule(now)
    this.#place = context.claims.add(this)
  }

  /**
   * Aborts when the lease is lost, the claim takes longer than `runs.timeoutMs`, or the receiver closes. Its listeners
   * run in the async context of those who asked for it first.
   */
  get signal(): AbortSignal {
    // Most handlers never ask.
    if (this.#signal === undefined) {
      const controller = new AbortController()
      this.#signal = { controller, resource: new AsyncResource('cheqpoint-callback claim') }
      if (this.#aborted !== undefined) controller.abort(this.#aborted)
    }
    return this.#signal.controller.signal
  }

  /** Whether a SQL store was asked to complete this claim inside a transaction. */
  get isTransactional(): boolean {
    return this.#isTransactional
  }

  /** Aborts {@link signal} for this reason. Writes nothing. */
  abort(reason: Error): void {
    // One that lost its lease before goes on until its time is up.
    this.onAbort(reason)
    if (this.#aborted !== undefined) return
    this.#aborted = reason
    this.#signal?.resource.runInAsyncScope(() => this.#signal?.controller.abort(reason))
  }

  /** Moves the end of the lease to a whole lease from now; the claim does so by itself too. */
  async extend(): Promise<'extended' | 'lost'> {
    const answer = await this.lease.extend()
    if (answer === 'lost') this.#loseLease()
    return answer === 'extended' ? answer : 'lost'
  }

  /**
   * Records that the decision was acted on. `result` is kept for `wait`: JSON of 16 KiB at most.
   * Rejects with `not-json` for one that cannot be kept, and as the store does.
   */
  async complete(result?: unknown): Promise<'completed' | 'lost'> {
    return this.#endWith(await this.lease.complete(demandResult(result)))
  }

  /** A fresh wait for {@link release}, by the number of attempts. */
  backoffMs(): number {
    return backoffMs(this.attempt, this.#context.runs.backoffMs, this.#context.random)
  }

  /** Gives the decision back, to run again later. */
  async release(options: ClaimReleaseOptions = {}): Promise<'released' | 'lost'> {
    const { waitMs, giveAttemptBack } = readRelease(options, this.backoffMs())
    return this.#endWith(await this.lease.release(waitMs, waitMs, giveAttemptBack))
  }

  /** Leaves the decision to a person. `paths` are JSON Pointers of what was wrong. */
  async park(reason: ParkReason, paths: readonly string[] = []): Promise<'parked' | 'lost'> {
    checkPark(reason, paths)
    return this.#endWith(await this.lease.park(reason, paths))
  }

  /** Stops the renewals and gives the handler's place back. Writes nothing. */
  end(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#admission.end()
    this.#context.claims.remove(this.#place)
  }

  /** Completes this claim inside the caller's transaction. @internal */
  transaction(result: unknown): Completion {
    const { key, step: complete } = this.lease.transaction(demandResult(result))
    this.#isTransactional = true
    this.#isInTransaction = true
    // The end of the caller's transaction is not reported here, so the place is given back now.
    if (!this.hasHandler) this.#admission.end()
    const settle = async (): Promise<void> => {
      // By the next renewal the transaction holds its row.
      if (!this.#isOver) this.#schedule(this.#context.clock.elapsed())
      await this.#renewing
    }
    // Its row is locked now, whatever a renewal found before.
    const step: Completion['step'] = (stored) => {
      this.#isInTransaction = true
      return complete(stored)
    }
    return { key, step, settle }
  }

  static {
    // Where SQL stores find it, hidden from those who print or copy a claim.
    const value = function (this: Claim, result: unknown): Completion {
      return this.transaction(result)
    }
    Object.defineProperty(Claim.prototype, completion, { value })
  }

  #endWith<Answer>(answer: Answer): Answer {
    this.end()
    return answer
  }

  /** Waits until the lease is to be renewed, which is every third of it, or until the claim takes too long. */
  #schedule(now: number): void {
    clearTimeout(this.#timer)
    const thirdMs = this.#context.runs.leaseMs / 3
    const leftMs = this.lease.leftMs(now)
    // Where renewals fail, the very end of the lease must be noticed.
    const renewInMs = leftMs > 0 ? Math.min(leftMs, thirdMs) : thirdMs
    const overInMs = Math.max(0, this.#overAt - now)
    const next = overInMs <= renewInMs ? (): void => this.#timeOut() : (): void => this.#renew()
    this.#timer = setTimeout(next, Math.min(overInMs, renewInMs)).unref()
  }

  /** Aborts the signal of a run that takes too long, which then has one lease to end by itself. */
  #timeOut(): void {
    if (this.#isTimedOut) this.end()
    this.#isTimedOut = true
    this.#overAt += this.#context.runs.leaseMs
    this.abort(new Error('the run took longer than runs.timeoutMs'))
    if (!this.#isOver) this.#schedule(this.#context.clock.elapsed())
  }

  #renew(): void {
    const now = this.#context.clock.elapsed()
    this.#schedule(now)
    const isUnanswered = this.#hasFailed || this.#renewing !== undefined
    // A store that does not answer must not keep the run from learning that its time is over.
    if (this.lease.leftMs(now) <= 0 && isUnanswered && !this.#isInTransaction) this.#loseLease()
    else this.#renewing ??= this.#extend()
  }

  async #extend(): Promise<void> {
    // A transaction that begins meanwhile locks the row after this renewal.
    const isWaiting = this.#isInTransaction
    try {
      const answer = await this.lease.extend()
      this.#hasFailed = false
      if (isWaiting) this.#isInTransaction = false
      if (answer === 'lost' && !this.#isOver) this.#loseLease()
      if (answer === 'completed' && !this.hasHandler) this.end()
    } catch (error) {
      // While a transaction holds the row, this says nothing.
      if (this.#isInTransaction) return
      this.#hasFailed = true
      this.#context.emit({ type: 'store-failed', operation: 'extend', error })
      if (this.lease.leftMs() <= 0 && !this.#isOver) this.#loseLease()
    } finally {
      this.#renewing = undefined
    }
  }

  #loseLease(): void {
    // A handler that goes on keeps its place until it ends, or its time is up.
    if (!this.hasHandler) this.end()
    if (this.#aborted !== undefined) return
    const { approvalId, decision, fence } = this
    this.abort(new CheqpointError('lease-lost', 'the lease was lost', { approvalId }))
    this.#context.emit({ type: 'lease-lost', approvalId, action: decision.action, fence })
  }
}
