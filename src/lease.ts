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

/** Extends the lease every third of it until the returned function is called; aborts the run when it is lost. */
export function keepLease(claim: Claim, terms: LeaseTerms): () => void {
  const { emit, clock, leaseMs, renewal } = terms
  let heldUntil = claim.claimedAt + leaseMs
  let unanswered = false
  let stopped = false
  let disarm = (): void => {}
  const arm = (): void => {
    disarm = renewal.arm(() => void renew()) // it cannot reject
  }
  const stop = (): void => {
    stopped = true
    disarm()
  }
  const lose = (): void => {
    if (stopped) return
    stop()
    claim.abort(new Error('the lease was lost'))
    emit({ type: 'lease-lost', approvalId: claim.approvalId, action: claim.decision.action, fence: claim.fence })
  }
  const renew = async (): Promise<void> => {
    arm()
    const askedAt = clock.elapsed()
    // A store that gives no answer must not keep the run from learning that its time is over.
    if (unanswered && askedAt >= heldUntil) return lose()
    unanswered = true
    try {
      if ((await claim.extend()) === 'lost') return lose()
      heldUntil = Math.max(heldUntil, askedAt + leaseMs)
      unanswered = false
    } catch (error) {
      emit({ type: 'store-failed', operation: 'extend', error })
      if (clock.elapsed() >= heldUntil) lose()
    }
  }
  // Confirming may have taken most of the first lease.
  if (clock.elapsed() - claim.claimedAt < leaseMs / 3) arm()
  else void renew() // it cannot reject
  return stop
}
