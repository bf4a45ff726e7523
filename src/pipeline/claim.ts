import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { Decision } from '../model/decision.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Store } from '../stores/store.js'

export interface ClaimState {
  readonly token: string
  readonly claimedAt: number
  readonly fence: number
  readonly attempt: number
  readonly decision: Decision<unknown, unknown>
  readonly confirmed: ConfirmedDecision
}

/** What a claim needs of its surroundings. */
export interface ClaimDeps {
  readonly store: Store
  readonly leaseMs: number
  readonly retentionMs: number
  /** Wait before this decision runs again. */
  readonly backoffMs: () => number
}

/** How a claim is given back. */
export interface ClaimReleaseOptions {
  readonly waitMs?: number | undefined
  readonly giveAttemptBack?: boolean | undefined
}

/**
 * The right to act on one confirmed decision, as long as the lease is extended. Every write is fenced: `lost` means
 * that somebody took over after the lease ran out, and that nothing was written. Each may be sent again after a
 * rejection.
 */
export class Claim {
  readonly approvalId: string
  readonly decision: Decision<unknown, unknown>
  /** The decision as it stands sealed in the store. */
  readonly confirmed: ConfirmedDecision
  /** When the claim was asked for, by the clock's `elapsed()`: its first lease ends no earlier than one lease after. */
  readonly claimedAt: number
  readonly attempt: number
  readonly fence: number
  readonly idempotencyKey: string
  readonly #token: string
  readonly #deps: ClaimDeps
  #controller: AbortController | undefined
  #aborted: Error | undefined

  constructor(facts: ClaimState, deps: ClaimDeps) {
    this.approvalId = facts.decision.approvalId
    this.decision = facts.decision
    this.confirmed = facts.confirmed
    this.claimedAt = facts.claimedAt
    this.attempt = facts.attempt
    this.fence = facts.fence
    this.idempotencyKey = `cheqpoint:${this.approvalId}`
    this.#token = facts.token
    this.#deps = deps
  }

  /** Aborts when the claim is lost or `abort` is called. Made on first use: most handlers never look. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#aborted !== undefined) this.#controller.abort(this.#aborted)
    return this.#controller.signal
  }

  /** Aborts {@link signal} for this reason. Writes nothing: the claim is given back, or runs out, as otherwise. */
  abort(reason: Error): void {
    this.#aborted ??= reason
    this.#controller?.abort(this.#aborted)
  }

  /** Moves the end of the lease to a whole lease from now. */
  async extend(): Promise<'extended' | 'lost'> {
    const answer = await this.#deps.store.extend(this.approvalId, this.#token, this.#deps.leaseMs)
    if (answer === 'lost') this.abort(new Error('the lease was lost'))
    return answer
  }

  /** Records that the decision was acted on. `result` is JSON text, kept for whoever waits. */
  complete(result: string | null = null): Promise<'done' | 'lost'> {
    const end = { outcome: this.confirmed.status, result }
    return this.#deps.store.complete(this.approvalId, this.#token, end, this.#deps.retentionMs)
  }

  /** A fresh wait for {@link release}, by the number of starts. */
  backoffMs(): number {
    return this.#deps.backoffMs()
  }

  /**
   * Gives the decision back to run again after `waitMs`. With `giveAttemptBack` this start is not counted, because it did
   * not get to matter.
   */
  release({
    waitMs = this.backoffMs(),
    giveAttemptBack = false,
  }: ClaimReleaseOptions = {}): Promise<'released' | 'lost'> {
    const options = { dueInMs: waitMs, notBeforeMs: waitMs, giveAttemptBack }
    return this.#deps.store.release(this.approvalId, this.#token, options)
  }

  /** Leaves the decision to a person. */
  park(reason: ParkReason, paths: readonly string[] = []): Promise<'parked' | 'lost'> {
    return this.#deps.store.park(this.approvalId, this.#token, reason, paths.join(' '))
  }
}
