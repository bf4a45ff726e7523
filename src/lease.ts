import type { Claim } from './claim.js'
import type { EventListener } from './events.js'
import type { Alarm, Clock } from './runtime.js'

/** What keeping a lease takes. */
export interface LeaseTerms {
  readonly emit: EventListener
  readonly clock: Clock
  readonly leaseMs: number
  /** Rings every third of a lease; shared by all claims. */
  readonly renewal: Alarm
}

/** Extends the lease of a claim every third of it until it is stopped; aborts the run when the lease is lost. */
export class LeaseKeeper {
  readonly #claim: Claim
  readonly #terms: LeaseTerms
  #heldUntil: number
  #unanswered = false
  #stopped = false
  #disarm: (() => void) | undefined

  constructor(claim: Claim, terms: LeaseTerms) {
    this.#claim = claim
    this.#terms = terms
    this.#heldUntil = claim.claimedAt + terms.leaseMs
    // Confirming may have taken most of the first lease.
    if (terms.clock.elapsed() - claim.claimedAt < terms.leaseMs / 3) this.#arm()
    else void this.#renew() // it cannot reject
  }

  stop(): void {
    this.#stopped = true
    this.#disarm?.()
  }

  #arm(): void {
    this.#disarm = this.#terms.renewal.arm(() => void this.#renew()) // it cannot reject
  }

  async #renew(): Promise<void> {
    const { emit, clock, leaseMs } = this.#terms
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
    this.#terms.emit({ type: 'lease-lost', approvalId, action: decision.action, fence })
  }
}
