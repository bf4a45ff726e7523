import type { Run } from '../model/decision.js'
import { isCheqpointError } from '../model/errors.js'
import type { Outcome } from '../model/outcome.js'
import type { Handler } from '../options/actions.js'
import { type Completion, completion } from '../stores/store.js'
import { elapsedMs, readDate } from '../util/dates.js'
import { sleep } from '../util/sleep.js'
import { writeResult } from './claim-arguments.js'
import type { PipelineContext } from './context.js'
import { type GiveBack, giveBack, parkApproval } from './give-back.js'
import type { Claim } from './verified-claim.js'

/** How a decision is given back whose handler did not get to start, or to matter. */
const closing = { reason: 'closing', dueInMs: 0, notBeforeMs: 0, giveAttemptBack: true } as const

/** The longest wait between two tries of a write that must not be given up. */
const longestRetryMs = 5_000

/**
 * Runs the handler under its claim, records the completion when it returns, and gives the decision back, or parks it,
 * when it throws. Never rejects.
 */
export function runHandler(claim: Claim, handler: Handler, context: PipelineContext): Promise<Outcome> {
  const { approvalId, attempt, fence, decision, confirmed, lease } = claim
  const { action, via } = decision
  const about = { approvalId, action, via, status: confirmed.status, attempt, fence }
  const span = { kind: 'run', ...about, trace: lease.approval.trace ?? null } as const
  return context.telemetry.during(span, () => run(claim, handler, context))
}

async function run(claim: Claim, handler: Handler, context: PipelineContext): Promise<Outcome> {
  const { approvalId, attempt, fence, decision } = claim
  const { action, via } = decision
  const { emit, clock, life } = context
  // Confirmed while the receiver drained, and too late to start.
  if (life.isStopped) {
    await giveUp(claim, closing, context)
    return { kind: 'closing' }
  }
  const startedAt = clock.elapsed()
  emit({ type: 'run-started', approvalId, action, attempt, fence, via })
  claim.hasHandler = true
  const ended = await start(claim, handler, context)
  const durationMs = clock.elapsed() - startedAt
  // What a transaction did to the claim only the store knows, whatever the handler says.
  if (claim.isTransactional) return endTransaction(claim, ended, durationMs, context)
  reportEnd(claim, ended, durationMs, context)
  return ended.kind === 'returned' ? complete(claim, ended.value, context) : fail(claim, context)
}

type Ended =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw' | 'timed-out'; readonly error: unknown }

/** Calls the handler. Only one that returns a promise is waited for. */
function start(claim: Claim, handler: Handler, context: PipelineContext): Ended | Promise<Ended> {
  try {
    const value = handler(claim.decision, new HandlerRun(claim))
    if (typeof Object(value).then !== 'function') return { kind: 'returned', value }
    return settle(claim, Promise.resolve(value), context)
  } catch (error) {
    return { kind: 'threw', error }
  }
}

/**
 * Waits for the handler. When its time is up, or the receiver stops, its signal aborts; it then has one lease to end by
 * itself. One that does not is given up, and reported should it finish after all.
 */
function settle(claim: Claim, work: Promise<unknown>, { runs, emit }: PipelineContext): Promise<Ended> {
  const { decision, fence, approvalId } = claim
  return new Promise((resolve) => {
    let grace: NodeJS.Timeout | undefined
    let isGivenUp = false
    claim.onAbort = (error) => {
      // A run whose lease was lost goes on until its time is up: another process may have taken over.
      if (isCheqpointError(error, 'lease-lost')) return
      grace ??= setTimeout(() => {
        isGivenUp = true
        resolve({ kind: 'timed-out', error })
      }, runs.leaseMs).unref()
    }
    work.then(
      (value) => {
        clearTimeout(grace)
        resolve({ kind: 'returned', value })
        // A transaction of one that was given up may have completed it.
        if (isGivenUp && claim.lease.state !== 'completed')
          emit({ type: 'completed-after-takeover', approvalId, action: decision.action, fence })
      },
      (error: unknown) => {
        clearTimeout(grace)
        resolve({ kind: 'threw', error })
      },
    )
  })
}

/** What the handler is given. `{ ...run }` keeps all of it. */
class HandlerRun implements Run {
  readonly attempt: number
  readonly fence: number
  readonly idempotencyKey: string
  declare readonly signal: AbortSignal
  readonly [completion]: (result: unknown) => Completion
  readonly #claim: Claim

  constructor(claim: Claim) {
    this.attempt = claim.attempt
    this.fence = claim.fence
    this.idempotencyKey = claim.idempotencyKey
    this.#claim = claim
    Object.defineProperty(this, 'signal', HandlerRun.#signal)
    this[completion] = (result) => claim.transaction(result)
  }

  /** Made at the first use. One description for all, or each run would get a shape of its own. */
  static readonly #signal = {
    enumerable: true,
    get(this: HandlerRun): AbortSignal {
      return this.#claim.signal
    },
  }
}

/** Repeats the write until the store accepts or refuses it; gives up only when the receiver stops. */
async function complete(claim: Claim, value: unknown, context: PipelineContext): Promise<Outcome> {
  const { emit, life } = context
  const { approvalId, decision, confirmed, fence, lease } = claim
  const { action } = decision
  const result = writeResult(value)
  if (result === undefined) emit({ type: 'result-dropped', approvalId, action })
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
    try {
      const answer = await lease.complete(result ?? null)
      if (answer === 'completed') reportCompleted(claim, context)
      else emit({ type: 'completed-after-takeover', approvalId, action, fence })
      break
    } catch (error) {
      emit({ type: 'store-failed', operation: 'complete', error })
      if (life.isStopped) break
      await sleep(waitMs)
    }
  }
  return { kind: 'handled', approvalId, status: confirmed.status, confirmed }
}

/** How the claim of a run that failed ends, and when the decision runs again. */
function failureOf(claim: Claim, { guarantee, runs, life }: PipelineContext): Failure {
  const waitMs = life.isStopped ? 0 : claim.backoffMs()
  if (guarantee === 'at-most-once') return { how: 'handler-failed', waitMs }
  if (life.isStopped) return { how: closing, waitMs }
  if (claim.attempt >= runs.maxAttempts) return { how: 'too-many-attempts', waitMs }
  return { how: { reason: 'handler-failed', dueInMs: waitMs, notBeforeMs: waitMs }, waitMs }
}

interface Failure {
  readonly how: GiveBack | 'handler-failed' | 'too-many-attempts'
  readonly waitMs: number
}

/** Ends the claim of a run that failed. */
async function fail(claim: Claim, context: PipelineContext): Promise<Outcome> {
  const { approvalId, confirmed } = claim
  const { how, waitMs } = failureOf(claim, context)
  await giveUp(claim, how, context)
  return { kind: 'handler-failed', approvalId, confirmed, retryAfterMs: waitMs }
}

async function giveUp(claim: Claim, how: Failure['how'], context: PipelineContext): Promise<void> {
  try {
    await writeFailure(claim, how, context)
  } catch (error) {
    // The lease runs out by itself, and the approval is due then.
    context.emit({ type: 'store-failed', operation: typeof how === 'string' ? 'park' : 'release', error })
  }
}

/** Parks the decision for this reason, or gives it back. Rejects where the store does not answer. */
async function writeFailure({ lease }: Claim, how: Failure['how'], context: PipelineContext): Promise<void> {
  if (typeof how === 'string') await parkApproval(lease, how, [], context)
  else await giveBack(lease, how, context)
}

/**
 * The outcome of a run that asked a SQL store to complete it inside a transaction is what the store says: a tombstone of
 * this run, or that our own release was accepted, which makes the completion impossible. While neither can be told the
 * question is repeated until the lease ends, or the receiver stops; then a sweep finds out.
 */
async function endTransaction(
  claim: Claim,
  ended: Ended,
  durationMs: number,
  context: PipelineContext,
): Promise<Outcome> {
  const { approvalId, confirmed, lease } = claim
  const { emit, runs, life } = context
  // A renewal would find what is written here, and take it for a loss of the lease.
  claim.end()
  const unknown: Outcome = { kind: 'in-progress', approvalId, retryAfterMs: runs.leaseMs }
  const { how, waitMs: retryAfterMs } = failureOf(claim, context)
  for (let waitMs = 50; lease.state !== 'lost'; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
    try {
      await writeFailure(claim, how, context)
    } catch (error) {
      // The transaction may hold the row still.
      if (!isCheqpointError(error, 'store-busy')) emit({ type: 'store-failed', operation: 'complete', error })
      if (life.isStopped || lease.leftMs() <= waitMs) return unknown
      await sleep(waitMs)
      continue
    }
    if (lease.state === 'completed') {
      reportEnd(claim, ended, durationMs, context)
      reportCompleted(claim, context)
      return { kind: 'handled', approvalId, status: confirmed.status, confirmed }
    }
    if (lease.state === 'given-back') {
      reportEnd(claim, uncommitted(ended), durationMs, context)
      return { kind: 'handler-failed', approvalId, confirmed, retryAfterMs }
    }
  }
  // Rolled back, since another process took over: that one acts on the decision.
  reportEnd(claim, uncommitted(ended), durationMs, context)
  return unknown
}

function uncommitted(ended: Ended): Ended {
  if (ended.kind !== 'returned') return ended
  return { kind: 'threw', error: new Error('the handler called completeIn, and its transaction was not committed') }
}

function reportEnd(claim: Claim, ended: Ended, durationMs: number, { emit }: PipelineContext): void {
  const { approvalId, attempt, decision } = claim
  const { action } = decision
  if (ended.kind === 'returned') emit({ type: 'run-succeeded', approvalId, action, attempt, durationMs })
  else {
    const timedOut = ended.kind === 'timed-out'
    emit({ type: 'run-failed', approvalId, action, attempt, durationMs, timedOut, error: ended.error })
  }
}

function reportCompleted({ approvalId, decision, confirmed }: Claim, { emit, clock }: PipelineContext): void {
  const { status, via, decidedAt } = confirmed
  // Not of the decision: the handler may have changed that.
  const handledAfterMs = elapsedMs(readDate(decidedAt)?.getTime(), clock.now())
  emit({ type: 'completed', approvalId, action: decision.action, status, via, handledAfterMs })
}
