import type { Run } from '../model/decision.js'
import { isCheqpointError } from '../model/errors.js'
import type { Outcome } from '../model/outcome.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Handler } from '../options/actions.js'
import { completion } from '../stores/store.js'
import { sleep } from '../util/sleep.js'
import type { PipelineContext } from './context.js'
import { type Claim, writeResult } from './verified-claim.js'

/** The longest wait between two tries of a write that must not be given up. */
const longestRetryMs = 5_000

/**
 * Runs the handler under its claim, records the completion when it returns, and gives the decision back, or parks it,
 * when it throws. Never rejects.
 */
export async function runHandler(claim: Claim, handler: Handler, context: PipelineContext): Promise<Outcome> {
  const { approvalId, attempt, fence, decision } = claim
  const { action, via } = decision
  const { emit, clock, isStopped } = context
  try {
    if (isStopped()) {
      // Confirmed while the receiver drained, and too late to start.
      await giveUp(claim, 'closing', 0, context)
      return { kind: 'closing' }
    }
    const startedAt = clock.elapsed()
    emit({ type: 'run-started', approvalId, action, attempt, fence, via })
    context.running.add(approvalId)
    const ended = await settle(claim, handler, context).finally(() => context.running.delete(approvalId))
    const durationMs = clock.elapsed() - startedAt
    // What a transaction did to the claim only the store knows, whatever the handler says.
    if (claim.isTransactional) return await endTransaction(claim, ended, durationMs, context)
    reportEnd(claim, ended, durationMs, context)
    return ended.kind === 'returned' ? await complete(claim, ended.value, context) : await fail(claim, context)
  } finally {
    claim.end()
  }
}

type Ended =
  | { readonly kind: 'returned'; readonly value: unknown }
  | { readonly kind: 'threw' | 'timed-out'; readonly error: unknown }

/**
 * Waits for the handler. When its time is up, or the receiver stops, its signal aborts; it then has one lease to end by
 * itself. One that does not is given up, and reported should it finish after all.
 */
function settle(claim: Claim, handler: Handler, { runs, emit }: PipelineContext): Promise<Ended> {
  const { decision, fence, approvalId } = claim
  const handled = (async (): Promise<Ended> => {
    try {
      return { kind: 'returned', value: await handler(decision, runOf(claim)) }
    } catch (error) {
      return { kind: 'threw', error }
    }
  })()
  return new Promise((resolve) => {
    let grace: NodeJS.Timeout | undefined
    const timeout = setTimeout(() => claim.abort(new Error('the run took longer than runs.timeoutMs')), runs.timeoutMs)
    const onAbort = (): void => {
      const error: unknown = claim.signal.reason
      // A run whose lease was lost goes on, unheard: its completion is refused.
      if (isCheqpointError(error, 'lease-lost')) return
      grace = setTimeout(() => {
        void handled.then((late) => {
          if (late.kind === 'returned')
            emit({ type: 'completed-after-takeover', approvalId, action: decision.action, fence })
        })
        resolve({ kind: 'timed-out', error })
      }, runs.leaseMs).unref()
    }
    timeout.unref()
    claim.signal.addEventListener('abort', onAbort, { once: true })
    // It cannot reject.
    void handled.then((ended) => {
      clearTimeout(timeout)
      clearTimeout(grace)
      claim.signal.removeEventListener('abort', onAbort)
      resolve(ended)
    })
  })
}

/** A plain object, so that `{ ...run }` keeps all of it. */
function runOf(claim: Claim): Run {
  const { attempt, fence, idempotencyKey, signal } = claim
  const run = {
    attempt,
    fence,
    idempotencyKey,
    signal,
    [completion]: (result: unknown) => claim.beginTransaction(result),
  }
  return run
}

async function complete(claim: Claim, value: unknown, context: PipelineContext): Promise<Outcome> {
  const { emit } = context
  const { approvalId, decision, fence, confirmed } = claim
  const { action } = decision
  const result = writeResult(value)
  if (result === undefined) emit({ type: 'result-dropped', approvalId, action })
  const answer = await persist(() => claim.completeWith(result ?? null), 'complete', context)
  if (answer === 'lost') emit({ type: 'completed-after-takeover', approvalId, action, fence })
  if (answer === 'completed') reportCompleted(claim, context)
  return { kind: 'handled', approvalId, status: confirmed.status, confirmed }
}

/** Ends the claim of a run that failed. */
async function fail(claim: Claim, context: PipelineContext): Promise<Outcome> {
  const { approvalId, attempt, confirmed } = claim
  const { guarantee, runs, isStopped } = context
  const waitMs = isStopped() ? 0 : claim.backoffMs()
  if (guarantee === 'at-most-once') await park(claim, 'handler-failed', context)
  else if (isStopped()) await giveUp(claim, 'closing', 0, context)
  else if (attempt >= runs.maxAttempts) await park(claim, 'too-many-attempts', context)
  else await giveUp(claim, 'handler-failed', waitMs, context)
  return { kind: 'handler-failed', approvalId, confirmed, retryAfterMs: waitMs }
}

/**
 * The outcome of a run that asked a SQL store to complete it inside a transaction is what the store says: a tombstone of
 * this run, or that our own release was accepted, which makes the completion impossible. While neither can be told the
 * question is repeated until the lease ends; then the sweep finds out.
 */
async function endTransaction(
  claim: Claim,
  ended: Ended,
  durationMs: number,
  context: PipelineContext,
): Promise<Outcome> {
  const { approvalId, confirmed } = claim
  const { emit, runs } = context
  for (let waitMs = 50; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
    try {
      const state = await claim.checkTransaction()
      if (state !== 'open') {
        reportEnd(claim, ended, durationMs, context)
        if (state === 'completed') reportCompleted(claim, context)
        return { kind: 'handled', approvalId, status: confirmed.status, confirmed }
      }
      const failed = await fail(claim, context)
      if ((await claim.checkTransaction()) !== 'completed') {
        const error = new Error('the handler called completeIn, and its transaction was not committed')
        reportEnd(claim, ended.kind === 'returned' ? { kind: 'threw', error } : ended, durationMs, context)
        return failed
      }
    } catch (error) {
      emit({ type: 'store-failed', operation: 'complete', error })
    }
    if (claim.leftMs <= waitMs) return { kind: 'in-progress', approvalId, retryAfterMs: runs.leaseMs }
    await sleep(waitMs)
  }
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

function reportCompleted({ approvalId, decision, confirmed }: Claim, { emit }: PipelineContext): void {
  emit({ type: 'completed', approvalId, action: decision.action, status: confirmed.status, via: decision.via })
}

async function park(claim: Claim, reason: ParkReason, { emit }: PipelineContext): Promise<void> {
  const { approvalId, decision } = claim
  try {
    if ((await claim.park(reason)) === 'lost') return
    emit({ type: 'parked', approvalId, action: decision.action, reason, paths: [] })
  } catch (error) {
    // The lease runs out by itself, and the approval is due then.
    emit({ type: 'store-failed', operation: 'park', error })
  }
}

async function giveUp(
  claim: Claim,
  reason: 'closing' | 'handler-failed',
  waitMs: number,
  { emit }: PipelineContext,
): Promise<void> {
  const { approvalId } = claim
  try {
    if ((await claim.release({ waitMs, giveAttemptBack: reason === 'closing' })) === 'lost') return
    emit({ type: 'released', approvalId, reason, dueInMs: waitMs, code: null })
  } catch (error) {
    // The lease runs out by itself, and the approval is due then.
    emit({ type: 'store-failed', operation: 'release', error })
  }
}

/** Repeats a write until the store accepts or refuses it; gives up only when the receiver stops. */
async function persist<Value>(
  write: () => Promise<Value>,
  operation: string,
  { emit, isStopped }: PipelineContext,
): Promise<Value | null> {
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, longestRetryMs)) {
    try {
      return await write()
    } catch (error) {
      emit({ type: 'store-failed', operation, error })
      if (isStopped()) return null
      await sleep(waitMs)
    }
  }
}
