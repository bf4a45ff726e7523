import type { EventListener } from '../model/events.js'
import type { Clock } from '../util/clock.js'
import type { SharedTimer } from '../util/shared-timer.js'
import type { Claim } from './claim.js'

/** What keeping a lease takes. */
export interface LeaseDeps {
  readonly emit: EventListener
  readonly clock: Clock
  readonly leaseMs: number
  /** Rings every third of a lease; shared by all claims. */
  readonly renewal: SharedTimer
}

/** Extends the lease of a claim every third of it until it is stopped; aborts the run when the lease is lost. */
export class LeaseRenewal {
  readonly #claim: Claim
  readonly #deps: LeaseDeps
  #heldUntil: number
  #unanswered = false
  #stopped = false
  #disarm: (() => void) | undefined

  constructor(claim: Claim, deps: LeaseDeps) {
    this.#claim = claim
    this.#deps = deps
    this.#heldUntil = claim.claimedAt + deps.leaseMs
    // Confirming may have taken most of the first lease.
    if (deps.clock.elapsed() - claim.claimedAt < deps.leaseMs / 3) this.#arm()
    else void this.#renew() // it cannot reject
  }

  stop(): void {
    this.#stopped = true
    this.#disarm?.()
  }

  #arm(): void {
    this.#disarm = this.#deps.renewal.start(() => void this.#renew()) // it cannot reject
  }

  async #renew(): Promise<void> {
    const { emit, clock, leaseMs } = this.#deps
    this.#arm()
    const askedAt = clock.elapsed()
    // A store that gives no answer must not keep the run from learning that its time is over.
    if (this.#unanswered && askedAt >= this.#heldUntil) return this.#lose()
    this.#unanswered = true
    try {
      if ((await this.#claim.extend()) === 'lost') return this.#lose()
      this.#heldUntil = Math.max(this.#heldUntil, askedAt + leaseMs)
      this.#unanswered = false
    } catch (error) {
      emit({ type: 'store-failed', operation: 'extend', error })
      if (clock.elapsed() >= this.#heldUntil) this.#lose()
    }
  }

  #lose(): void {
    if (this.#stopped) return
    this.stop()
    const { approvalId, decision, fence } = this.#claim
    this.#claim.abort(new Error('the lease was lost'))
    this.#deps.emit({ type: 'lease-lost', approvalId, action: decision.action, fence })
  }
}
