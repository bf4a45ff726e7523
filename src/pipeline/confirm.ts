import type { OpenApproval } from '../approvals/entry.js'
import type { FetchedApproval } from '../cheqpoint/read-response.js'
import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { Via } from '../model/decision.js'
import { type CheqpointError, type ErrorCode, isCheqpointError } from '../model/errors.js'
import type { Outcome } from '../model/outcome.js'
import { jitter, nextPollMs } from '../util/backoff.js'
import { elapsedMs, readDate } from '../util/dates.js'
import type { Admission } from './admission.js'
import type { PipelineContext, Trigger } from './context.js'
import { giveBack, parkApproval } from './give-back.js'
import type { Lease } from './lease.js'

/** How long after it expired an approval is polled whose API gives no readable response. */
const unconfirmedAfterMs = 86_400_000
/** How long this process may have been without the API itself. */
const ownOutageMs = 3_600_000
/** Pause where a throttled response does not say how long. */
const throttledPauseMs = 30_000
/** Pause after a refused key, so that a rotation elsewhere is noticed within a minute. */
const refusedKeyPauseMs = 60_000
/** When another process, with another key or another deploy, may try what this one could not. */
const ownTroubleMs = 5_000

/** Failures that say something about this very approval. */
const answeredCodes: ReadonlySet<ErrorCode> = new Set(['api-not-found', 'api-unreadable', 'api-refused', 'id-invalid'])

/** What the API says of an approval, as far as it can be acted on. */
export type Judgement =
  | {
      readonly kind: 'decided'
      readonly decision: ConfirmedDecision
      /** In milliseconds since the epoch, by the API's clock, where it is dated. */
      readonly decidedAt: number | undefined
      /** Approved, but after `expiresAt`. */
      readonly late: boolean
    }
  | {
      readonly kind: 'undecided'
      /** The status word where it is not documented. */
      readonly unknownWord: string | null
    }

/** When an approval expires: as a date, and as an age in store time. */
export interface Expiry {
  readonly expiresAt: number | null
  readonly expiresAfterMs: number | null
}

/**
 * Fetches the decision on a claimed approval. Where there is none yet, or the API fails, the approval is given back and
 * what became of it is returned.
 */
export async function confirm(
  lease: Lease,
  trigger: Trigger,
  admission: Admission,
  context: PipelineContext,
): Promise<ConfirmedDecision | Outcome> {
  const { approvalId, via } = trigger
  const { client, telemetry, emit, onUnknownWord, confirm: options } = context
  const { assistant, action } = lease.approval
  const ageMs = lease.ageMs
  admission.spend()
  let fetched: FetchedApproval
  try {
    fetched = await telemetry.during({ kind: 'confirm', approvalId }, () => client.get(approvalId, { assistant }))
  } catch (error) {
    return fail(lease, error, context)
  } finally {
    admission.endPoll()
  }
  const found = judge(fetched, lease.approval, via, ageMs)
  if (found.kind === 'decided') {
    if (found.late) emit({ type: 'late', approvalId, action })
    const decidedAfterMs = elapsedMs(lease.approval.since, found.decidedAt)
    emit({ type: 'confirmed', approvalId, action, status: found.decision.status, via, decidedAfterMs })
    return found.decision
  }
  if (found.unknownWord !== null) onUnknownWord(found.unknownWord, approvalId)
  await giveBack(lease, { reason: 'undecided', dueInMs: nextPoll(lease, context) }, context)
  return { kind: 'undecided', approvalId, retryAfterMs: options.minIntervalMs }
}

/**
 * What a response means. Approved counts when it was decided by `expiresAt`, however late that is learned. What is
 * undated or undecided is judged by the age of the approval in store time, and by the API's clock where it was sent:
 * it has expired when both say so. No process's clock decides.
 */
export function judge(fetched: FetchedApproval, expiry: Expiry, via: Via, ageMs: number): Judgement {
  const { status, modifiedDetails, note, decidedAt } = fetched
  if (status === 'pending' || status === 'unknown') {
    // It was undecided when the API responded; it may have been decided in time since then.
    if (!hasExpired(expiry, ageMs, fetched.servedAt))
      return { kind: 'undecided', unknownWord: status === 'unknown' ? fetched.word : null }
    const decision = { status: 'expired', modifiedDetails: null, note: null, decidedAt: null, via } as const
    return { kind: 'decided', decision, decidedAt: undefined, late: false }
  }
  const decided = readDate(decidedAt)?.getTime()
  const isPast =
    decided === undefined
      ? hasExpired(expiry, ageMs, fetched.servedAt)
      : expiry.expiresAt !== null && decided > expiry.expiresAt
  const late = status === 'approved' && isPast
  return {
    kind: 'decided',
    decision: { status: late ? 'expired' : status, modifiedDetails, note, decidedAt, via },
    decidedAt: decided,
    late,
  }
}

function hasExpired({ expiresAt, expiresAfterMs }: Expiry, ageMs: number, servedAt: number | null): boolean {
  if (expiresAt === null || expiresAfterMs === null || ageMs <= expiresAfterMs) return false
  return servedAt === null || servedAt > expiresAt
}

/** Time until the next poll, not sleeping through the moment it expires. */
export function nextPoll(lease: Lease, { polling, random, confirm: { minIntervalMs } }: PipelineContext): number {
  const { ageMs, approval } = lease
  const pollMs = nextPollMs(ageMs, polling, random)
  const leftMs = (approval.expiresAfterMs ?? Number.POSITIVE_INFINITY) - ageMs
  // Due before the minimum interval is over it would be taken for nothing, and hidden for longer.
  return Math.max(leftMs < 0 ? pollMs : Math.min(pollMs, leftMs + 1), minIntervalMs)
}

async function fail(lease: Lease, error: unknown, context: PipelineContext): Promise<Outcome> {
  const { random, confirm: options } = context
  const { approvalId } = lease
  const failure = readFailure(error)
  const { kind, code, pauseMs } = failure
  heedFailure(failure, lease.approval.assistant, context)
  if (kind === 'api-failed') {
    if (isUnconfirmable(lease, code, context)) return parkApproval(lease, 'unconfirmed', [], context)
    await giveBack(lease, { reason: kind, dueInMs: nextPoll(lease, context), code }, context)
    return { kind, approvalId, code, retryAfterMs: Math.max(options.minIntervalMs, 10_000) }
  }
  if (kind === 'api-throttled') {
    await giveBack(lease, { reason: kind, dueInMs: jitter(pauseMs, random), code }, context)
    return { kind, approvalId, retryAfterMs: pauseMs }
  }
  await giveBack(lease, { reason: kind, dueInMs: jitter(ownTroubleMs, random), code }, context)
  return { kind, approvalId }
}

/** An API that cannot be reached at all has an hour of this process's life to come back: the outage may be our own. */
function isUnconfirmable({ approval, ageMs }: Lease, code: ErrorCode, { clock, createdAt }: PipelineContext): boolean {
  if (approval.expiresAfterMs === null || ageMs <= approval.expiresAfterMs + unconfirmedAfterMs) return false
  return answeredCodes.has(code) || clock.elapsed() - createdAt >= ownOutageMs
}

export interface Failure {
  readonly kind: 'api-failed' | 'api-throttled' | 'api-key-refused' | 'assistant-unknown'
  readonly code: ErrorCode
  /** How long nothing is sent for this assistant; 0 where the failure may concern this request alone. */
  readonly pauseMs: number
}

/** Pauses the assistant where a failure asks for it, and reports a refused key; within a pause once. */
export function heedFailure(
  { kind, pauseMs }: Failure,
  assistant: OpenApproval['assistant'],
  { pauses, emit }: Pick<PipelineContext, 'pauses' | 'emit'>,
): void {
  const isPause = kind === 'api-throttled' || kind === 'api-key-refused'
  const isNew = isPause && pauseMs > 0 && pauses.pause(assistant, pauseMs, kind)
  if (isNew) emit({ type: 'paused', assistant, forMs: pauseMs })
  if (kind === 'api-key-refused' && (isNew || pauseMs === 0)) emit({ type: 'api-key-refused', assistant })
}

export function readFailure(error: unknown): Failure {
  if (!isCheqpointError(error)) return { kind: 'api-failed', code: 'api-unreachable', pauseMs: 0 }
  const { code }: CheqpointError = error
  if (code === 'assistant-unknown') return { kind: code, code, pauseMs: 0 }
  // A 401 is about the key, a 403 may be about this approval alone.
  if (code === 'api-key-refused') return { kind: code, code, pauseMs: error.httpStatus === 401 ? refusedKeyPauseMs : 0 }
  if (code === 'api-throttled') return { kind: code, code, pauseMs: error.retryAfterMs ?? throttledPauseMs }
  return { kind: 'api-failed', code, pauseMs: 0 }
}
