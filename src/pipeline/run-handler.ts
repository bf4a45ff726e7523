import type { Run } from '../model/decision.js'
import type { Outcome } from '../model/outcome.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Handler } from '../options/actions.js'
import type { JsonText } from '../util/json.js'
import type { SharedTimer } from '../util/shared-timer.js'
import type { Claim } from './claim.js'
import { type LeaseDeps, LeaseRenewal } from './lease.js'

/** What a run works with. The alarms are shared by all runs. */
export interface RunDeps extends LeaseDeps {
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly maxAttempts: number
  /** Rings when a run has taken too long, and for all when the receiver stops. */
  readonly timeout: SharedTimer
  /** Rings one lease after that. */
  readonly grace: SharedTimer
  readonly stop: Stop
}

/** Tells runs to end because the receiver closed and has drained for long enough; `timeout` rings for them then. */
export interface Stop {
  readonly stopped: boolean
}

/** What a handler returned may be no longer than this, as JSON. */
const maxResultBytes = 16_384

/**
 * Runs the handler under the claim: renews the lease meanwhile, records the completion when it returns, and gives the
 * decision back, or parks it, when it throws. Never rejects.
 */
export async function run(claim: Claim, handler: Handler, deps: RunDeps): Promise<Outcome> {
  const { approvalId, attempt, fence, decision, confirmed } = claim
  const { action } = decision
  const { emit, clock } = deps
  if (deps.stop.stopped) {
    // Confirmed as the receiver drained, and too late to start.
    await release(claim, 0, 'closing', deps)
    return { kind: 'closing' }
  }
  const startedAt = clock.elapsed()
  const lease = new LeaseRenewal(claim, deps)
  emit({ type: 'run-started', approvalId, action, attempt, fence, via: decision.via })
  const ended = await settle(claim, handler, deps)
  const durationMs = clock.elapsed() - startedAt
  try {
    if (ended.kind !== 'returned') {
      const timedOut = ended.kind === 'timed-out'
      emit({ type: 'run-failed', approvalId, action, attempt, durationMs, timedOut, error: ended.error })
      return await giveUp(claim, deps)
    }
    emit({ type: 'run-succeeded', approvalId, action, attempt, durationMs })
    const result = writeResult(ended.value)
    if (result === undefined) emit({ type: 'result-dropped', approvalId, action })
    const answer = await persist(() => claim.complete(result ?? null), deps)
    if (answer === 'lost') emit({ type: 'completed-after-takeover', approvalId, action, fence })
    if (answer === 'done') emit({ type: 'completed', approvalId, action, status: confirmed.status, via: decision.via })
    return { kind: 'handled', approvalId, status: confirmed.status, confirmed }
  } finally {
    lease.stop()
  }
}

type Ended =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw' | 'timed-out'; readonly error: unknown }

/**
 * Waits for the handler. When its time is up, or the receiver stops, its signal aborts; it then has one lease to come
 * to an end by itself. One that does not is given up, and reported should it finish after all.
 */
function settle(claim: Claim, handler: Handler, deps: RunDeps): Promise<Ended> {
  const { decision } = claim
  const handled = (async (): Promise<Ended> => {
    try {
      return { kind: 'returned', value: await handler(decision, new RunOf(claim)) }
    } catch (error) {
      return { kind: 'threw', error }
    }
  })()

  return new Promise((resolve) => {
    let disarm = deps.timeout.start(() => {
      const why = deps.stop.stopped ? 'the receiver was closed' : 'the run took longer than runs.timeoutMs'
      const error = new Error(why)
      claim.abort(error)
      disarm = deps.grace.start(() => {
        void handled.then((late) => reportLate(late, claim, deps)) // it cannot reject
        resolve({ kind: 'timed-out', error })
      })
    })
    // It cannot reject.
    void handled.then((ended) => {
      disarm()
      resolve(ended)
    })
  })
}

/** What a handler is told beside the decision. A class: a getter in a literal costs the engine a shape each time. */
class RunOf implements Run {
  readonly attempt: number
  readonly fence: number
  readonly idempotencyKey: string
  readonly #claim: Claim

  constructor(claim: Claim) {
    this.attempt = claim.attempt
    this.fence = claim.fence
    this.idempotencyKey = claim.idempotencyKey
    this.#claim = claim
  }

  get signal(): AbortSignal {
    return this.#claim.signal
  }
}

function reportLate(late: Ended, { approvalId, decision, fence }: Claim, { emit }: RunDeps): void {
  if (late.kind === 'returned') emit({ type: 'completed-after-takeover', approvalId, action: decision.action, fence })
}

/** Ends the claim of a run that failed. */
async function giveUp(claim: Claim, deps: RunDeps): Promise<Outcome> {
  const { approvalId, attempt, confirmed } = claim
  const { guarantee, maxAttempts, stop } = deps
  const waitMs = stop.stopped ? 0 : claim.backoffMs()
  if (guarantee === 'at-most-once') await park(claim, 'handler-failed', deps)
  else if (stop.stopped) await release(claim, 0, 'closing', deps)
  else if (attempt >= maxAttempts) await park(claim, 'too-many-attempts', deps)
  else await release(claim, waitMs, 'handler-failed', deps)
  return { kind: 'handler-failed', approvalId, confirmed, retryAfterMs: waitMs }
}

async function park(claim: Claim, reason: ParkReason, { emit }: RunDeps): Promise<void> {
  const { approvalId, decision } = claim
  try {
    if ((await claim.park(reason)) === 'lost') return
    emit({ type: 'parked', approvalId, action: decision.action, reason, paths: [] })
  } catch (error) {
    // The lease runs out by itself, and the record is due then.
    emit({ type: 'store-failed', operation: 'park', error })
  }
}

async function release(
  claim: Claim,
  waitMs: number,
  reason: 'closing' | 'handler-failed',
  { emit }: RunDeps,
): Promise<void> {
  const { approvalId } = claim
  try {
    if ((await claim.release({ waitMs, giveAttemptBack: reason === 'closing' })) === 'lost') return
    emit({ type: 'released', approvalId, reason, dueInMs: waitMs, code: null })
  } catch (error) {
    // The lease runs out by itself, and the record is due then.
    emit({ type: 'store-failed', operation: 'release', error })
  }
}

/** Repeats a write until the store accepts or refuses it; gives up only when the receiver stops. */
async function persist<Value>(write: () => Promise<Value>, { emit, stop }: RunDeps): Promise<Value | null> {
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5_000)) {
    try {
      return await write()
    } catch (error) {
      emit({ type: 'store-failed', operation: 'complete', error })
      if (stop.stopped) return null
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
}

/** JSON text of a result, `null` for none, `undefined` for one that cannot be kept. */
function writeResult(value: unknown): JsonText | null | undefined {
  if (value === undefined || value === null) return null
  try {
    const text: string | undefined = JSON.stringify(value)
    return text !== undefined && Buffer.byteLength(text) <= maxResultBytes ? text : undefined
  } catch {
    return undefined
  }
}
