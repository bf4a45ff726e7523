import { AsyncResource } from 'node:async_hooks'
import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { Decision } from '../model/decision.js'
import { CheqpointError } from '../model/errors.js'
import type { ParkReason } from '../model/park-reason.js'
import { type Completion, completion } from '../stores/store.js'
import { backoffMs } from '../util/backoff.js'
import type { JsonText } from '../util/json.js'
import type { PipelineContext } from './context.js'
import type { Lease } from './lease.js'
import { LeaseRenewal } from './lease-renewal.js'

/** What a handler returned may be no longer than this, as JSON. */
export const maxResultBytes = 16_384

/** A confirmed decision with the right to act on it. */
export interface Verified {
  readonly kind: 'ok'
  readonly claim: Claim
}

/** How a claim is given back. */
export interface ClaimReleaseOptions {
  /** When the decision runs again, in milliseconds. Default: by the number of attempts. */
  readonly waitMs?: number | undefined
  /** This attempt is not counted, because it did not get to matter. Default `false`. */
  readonly giveAttemptBack?: boolean | undefined
}

export interface ClaimParts {
  readonly lease: Lease
  readonly decision: Decision<unknown, unknown>
  readonly confirmed: ConfirmedDecision
  readonly giveBackSlot: () => void
}

/**
 * The right to act on one confirmed decision. The claim renews itself until it is completed, released or parked, and
 * for `runs.timeoutMs` at most. Every write is fenced: `lost` means that another process took over after the lease ran
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
  /** Aborts when the lease is lost, the claim takes longer than `runs.timeoutMs`, or the receiver closes. */
  readonly signal: AbortSignal
  readonly #controller = new AbortController()
  readonly #lease: Lease
  readonly #renewal: LeaseRenewal
  readonly #context: PipelineContext
  readonly #giveBackSlot: () => void
  /** Listeners of the signal run in the async context that the claim was made in. */
  readonly #ownContext = new AsyncResource('cheqpoint-callback claim')
  #isTransactional = false

  constructor({ lease, decision, confirmed, giveBackSlot }: ClaimParts, context: PipelineContext) {
    const { approval, approvalId } = lease
    this.approvalId = approvalId
    // The schemas of the action have checked it, and the caller names their types.
    this.decision = decision as Decision<Details, Context>
    this.confirmed = confirmed
    this.attempt = approval.attempts
    this.fence = approval.fence
    this.idempotencyKey = `cheqpoint:${approvalId}`
    this.signal = this.#controller.signal
    this.#lease = lease
    this.#context = context
    this.#giveBackSlot = giveBackSlot
    const onLost = (): void => this.#loseLease()
    const onEnd = (isOver: boolean): void => {
      this.abort(new Error('the run took longer than runs.timeoutMs'))
      if (isOver) this.end()
    }
    this.#renewal = new LeaseRenewal(lease, { onLost, onEnd }, context)
    // Hidden from those who print or copy a claim.
    Object.defineProperty(this, completion, { value: (result: unknown) => this.beginTransaction(result) })
    context.claims.add(this)
  }

  /** How much of the lease is left, in milliseconds. */
  get leftMs(): number {
    return this.#lease.leftMs
  }

  /** Whether a SQL store was asked to complete this claim inside a transaction. */
  get isTransactional(): boolean {
    return this.#isTransactional
  }

  /** Aborts {@link signal} for this reason. Writes nothing. */
  abort(reason: Error): void {
    this.#ownContext.runInAsyncScope(() => this.#controller.abort(reason))
  }

  /** Moves the end of the lease to a whole lease from now; the claim does so by itself too. */
  async extend(): Promise<'extended' | 'lost'> {
    const answer = await this.#lease.extend()
    if (answer === 'lost') this.#loseLease()
    return answer
  }

  /**
   * Records that the decision was acted on. `result` is kept for `wait`: JSON of 16 KiB at most.
   * Rejects with `not-json` for one that cannot be kept, and as the store does.
   */
  async complete(result?: unknown): Promise<'completed' | 'lost'> {
    const text = writeResult(result)
    if (text === undefined) throw notKept()
    return this.completeWith(text)
  }

  /** Completes with a result that is JSON text already. */
  async completeWith(result: JsonText | null): Promise<'completed' | 'lost'> {
    const answer = await this.#lease.complete(result)
    this.end()
    return answer
  }

  /** A fresh wait for {@link release}, by the number of attempts. */
  backoffMs(): number {
    return backoffMs(this.attempt, this.#context.runs.backoffMs, this.#context.random)
  }

  /** Gives the decision back, to run again later. */
  async release(options: ClaimReleaseOptions = {}): Promise<'released' | 'lost'> {
    const { waitMs = this.backoffMs(), giveAttemptBack = false } = options
    const answer = await this.#lease.release(waitMs, waitMs, giveAttemptBack)
    this.end()
    return answer
  }

  /** Leaves the decision to a person. `paths` are JSON Pointers of what was wrong. */
  async park(reason: ParkReason, paths: readonly string[] = []): Promise<'parked' | 'lost'> {
    const answer = await this.#lease.park(reason, paths)
    this.end()
    return answer
  }

  /** What the store says became of a claim that a transaction may have completed. */
  checkTransaction(): Promise<'completed' | 'open' | 'lost'> {
    return this.#lease.check()
  }

  /** Stops the renewals and gives the handler's place back. Writes nothing. */
  end(): void {
    this.#renewal.stop()
    this.#giveBackSlot()
    this.#context.claims.delete(this)
  }

  /** For SQL stores, which find it under the name `completion`: completes this claim inside the caller's transaction. */
  beginTransaction(result: unknown): Completion {
    const text = writeResult(result)
    if (text === undefined) throw notKept()
    this.#isTransactional = true
    const { key, step } = this.#lease.transaction(text)
    return { key, step, settle: () => this.#renewal.settle() }
  }

  #loseLease(): void {
    const { approvalId, decision, fence, signal } = this
    if (signal.aborted) return
    this.end()
    this.abort(new CheqpointError('lease-lost', 'the lease was lost', { approvalId }))
    this.#context.emit({ type: 'lease-lost', approvalId, action: decision.action, fence })
  }
}

/** JSON text of a result, `null` for none, `undefined` for one that cannot be kept. */
export function writeResult(value: unknown): JsonText | null | undefined {
  if (value === undefined || value === null) return null
  try {
    const text: string | undefined = JSON.stringify(value)
    return text !== undefined && Buffer.byteLength(text) <= maxResultBytes ? text : undefined
  } catch {
    return undefined
  }
}

function notKept(): CheqpointError {
  return new CheqpointError('not-json', `a result must be JSON of at most ${maxResultBytes} bytes`)
}
