import type { Client, FetchedApproval } from '../cheqpoint/client.js'
import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { Via } from '../model/decision.js'
import { CheqpointError, type ErrorCode } from '../model/errors.js'
import type { ApprovalRecord } from '../stores/record.js'
import { readDate } from '../util/dates.js'

/** What the API says of a request, as far as it can be acted on. */
export type Confirmation =
  | {
      readonly kind: 'decided'
      readonly sealed: ConfirmedDecision /** Approved, but after `expiresAt`. */
      readonly late: boolean
    }
  | {
      readonly kind: 'undecided' /** The status word where nobody documented it. */
      readonly unknownWord: string | null
    }
  | Failure

export interface Failure {
  readonly kind: 'api-failed' | 'api-throttled' | 'api-key-refused' | 'assistant-unknown'
  readonly code: ErrorCode
  /** How long nothing shall be asked for this assistant; 0 where the fault may be this request's own. */
  readonly pauseMs: number
}

/** Pause where a throttled answer does not say how long. */
const throttledPauseMs = 30_000
/** Pause after a refused key, so that a key mended by a rotation elsewhere is found within a minute. */
const refusedKeyPauseMs = 60_000

/** Fetches the decision from the API. Never rejects. */
export async function confirm(
  record: ApprovalRecord,
  via: Via,
  client: Pick<Client, 'get'>,
  now: () => number,
): Promise<Confirmation> {
  const askedAt = now()
  try {
    return judge(await client.get(record.id, { assistant: record.assistant }), record.expiresAt, via, now(), askedAt)
  } catch (error) {
    return readFailure(error)
  }
}

/**
 * What an answer means at this moment. Approved counts when it was decided by `expiresAt`, however late we learn of
 * it; decided later, or undated and learned later, it is `expired`. Undecided past `expiresAt` is `expired` too.
 */
export function judge(
  answer: FetchedApproval,
  expiresAt: number | null,
  via: Via,
  nowMs: number,
  askedMs: number = nowMs,
): Confirmation {
  const { status, modifiedDetails, note, decidedAt } = answer
  if (status === 'pending' || status === 'unknown') {
    // It was undecided at some moment since it was asked; by now it may have been decided in time.
    if (expiresAt === null || askedMs <= expiresAt)
      return { kind: 'undecided', unknownWord: status === 'unknown' ? answer.word : null }
    return {
      kind: 'decided',
      sealed: { status: 'expired', modifiedDetails: null, note: null, decidedAt: null, via },
      late: false,
    }
  }
  const late = status === 'approved' && expiresAt !== null && (readDate(decidedAt)?.getTime() ?? nowMs) > expiresAt
  return { kind: 'decided', sealed: { status: late ? 'expired' : status, modifiedDetails, note, decidedAt, via }, late }
}

function readFailure(error: unknown): Failure {
  if (!(error instanceof CheqpointError)) return { kind: 'api-failed', code: 'api-unreachable', pauseMs: 0 }
  const { code } = error
  if (code === 'assistant-unknown') return { kind: code, code, pauseMs: 0 }
  // A 401 is about the key, a 403 may be about this approval alone.
  if (code === 'api-key-refused') return { kind: code, code, pauseMs: error.httpStatus === 401 ? refusedKeyPauseMs : 0 }
  if (code === 'api-throttled') return { kind: code, code, pauseMs: error.retryAfterMs ?? throttledPauseMs }
  return { kind: 'api-failed', code, pauseMs: 0 }
}
