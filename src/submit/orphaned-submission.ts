import { bind, finishBinding } from '../approvals/bind.js'
import {
  approvalKey,
  type EndedReservation,
  type OpenReservation,
  readApproval,
  readReservation,
  reservationKey,
} from '../approvals/entry.js'
import * as steps from '../approvals/reservation.js'
import type { FetchedApproval } from '../cheqpoint/read-response.js'
import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import { heedFailure, type Judgement, judge, readFailure } from '../pipeline/confirm.js'
import type { PipelineContext } from '../pipeline/context.js'
import { nextPollMs } from '../util/backoff.js'
import { readDate } from '../util/dates.js'

export interface OrphanDeps {
  readonly context: PipelineContext
  readonly submitTimeoutMs: number
}

/** The API's answer about a candidate that may be the reservation's. */
interface Match {
  readonly id: string
  readonly decision: ConfirmedDecision
  /** Approved, but after `expiresAt`. */
  readonly late: boolean
}

/** How far the clocks of Cheqpoint and of the store may differ. */
const clockSkewMs = 5_000

/**
 * Takes care of a reference that is due: resumes a binding, forgets what was never sent, keeps a keyed reference as long
 * as its approval, and looks for the approval of a submission whose response was lost. Rejects where the store fails.
 */
export async function settleReservation(ref: string, deps: OrphanDeps): Promise<void> {
  const { context, submitTimeoutMs } = deps
  const { records, runs, retentionMs } = context
  const stored = await records.read(reservationKey(ref))
  const known = readReservation(stored)
  if (known === null || known === 'unreadable' || known.kind === 'discarded') return
  if (known.kind === 'binding') {
    await finishBinding(records, ref, known, { resumeInMs: runs.leaseMs, retentionMs })
    const { id: approvalId, beginning } = known
    const bound = readApproval(await records.read(approvalKey(approvalId)))
    if (bound === null || bound === 'unreadable' || bound.kind !== 'open') return
    const reason = bound.ref === ref && beginning.parked === null ? bound.parked?.reason : undefined
    // So late that it may have been handled and forgotten.
    if (reason !== undefined) context.emit({ type: 'parked', approvalId, action: bound.action, reason, paths: [] })
    return
  }
  if (known.kind === 'bound') return keepBound(ref, known, context)
  const ageMs = stored.now - known.since
  const waitMs = submitTimeoutMs + runs.leaseMs - ageMs
  if (waitMs > 0) return postpone(ref, waitMs, context)
  if (known.sent) return findApproval(ref, known, ageMs, context)
  // Its process ended before it sent anything.
  const by = records.newToken()
  await records.change(reservationKey(ref), (now) => steps.discardUnsent(now, { by }))
}

/**
 * If exactly one of the ids that callbacks with the reference's token named confirms, decided after the reservation was
 * made and bound to nothing else, and none of the others is undecided, it is the approval of the submission: it is
 * parked as `adopted`, for a person. Otherwise the submission is reported, and the ids are asked about again later.
 */
async function findApproval(
  ref: string,
  reservation: OpenReservation,
  ageMs: number,
  context: PipelineContext,
): Promise<void> {
  const { emit, polling, random } = context
  const found = await Promise.all(reservation.candidates.map((id) => askAbout(id, reservation, ageMs, context)))
  const [only, another] = found.filter((each) => typeof each !== 'string')
  // A candidate that cannot be judged yet may turn out to be the one.
  if (only !== undefined && another === undefined && !found.includes('later'))
    return adopt(ref, reservation, only, context)
  emit({ type: 'submission-unknown', ref })
  await postpone(ref, nextPollMs(ageMs, polling, random), context)
}

/** The decision on a candidate that may be this reservation's, or that it is not, or not known yet. */
async function askAbout(
  id: string,
  { request, since }: OpenReservation,
  ageMs: number,
  context: PipelineContext,
): Promise<Match | 'no' | 'later'> {
  const { records, pauses, turns, client, clock } = context
  const { assistant } = request
  if ((await records.read(approvalKey(id))).entry !== null) return 'no'
  if (pauses.current(assistant) !== null || turns.take(id, assistant) > 0) return 'later'
  let fetched: FetchedApproval
  try {
    fetched = await client.get(id, { assistant })
  } catch (error) {
    const failure = readFailure(error)
    heedFailure(failure, assistant, context)
    return failure.code === 'api-not-found' ? 'no' : 'later'
  }
  // A candidate that is still undecided has not expired: it may be another request's.
  const isUndecided = fetched.status === 'pending' || fetched.status === 'unknown'
  const judged: Judgement | null = isUndecided ? null : judge(fetched, request, 'poll', ageMs)
  if (judged?.kind !== 'decided') return 'later'
  const decidedAt = readDate(judged.decision.decidedAt)?.getTime()
  // By the wall clock of the API, as far as it is known here.
  const madeAt = (fetched.servedAt ?? clock.now()) - ageMs
  const isAfter = decidedAt !== undefined && decidedAt >= Math.min(madeAt, since) - clockSkewMs
  return isAfter ? { id, decision: judged.decision, late: judged.late } : 'no'
}

async function adopt(
  ref: string,
  { request }: OpenReservation,
  { id: approvalId, decision, late }: Match,
  { records, runs, retentionMs, emit }: PipelineContext,
): Promise<void> {
  const { action } = request
  const beginning = { dueInMs: 0, decision, parked: 'adopted' } as const
  const times = { resumeInMs: runs.leaseMs, retentionMs }
  if ((await bind(records, ref, approvalId, beginning, times)) !== 'bound') return
  if (late) emit({ type: 'late', approvalId, action })
  emit({ type: 'confirmed', approvalId, action, status: decision.status, via: 'poll' })
  emit({ type: 'adopted', approvalId, ref })
  emit({ type: 'parked', approvalId, action, reason: 'adopted', paths: [] })
}

async function keepBound(
  ref: string,
  { id }: Extract<EndedReservation, { kind: 'bound' }>,
  { records, retentionMs }: PipelineContext,
): Promise<void> {
  const stored = await records.read(approvalKey(id))
  const known = readApproval(stored)
  const keepMs = keepsFor(known, stored.now)
  const command = { dueInMs: retentionMs, keepMs }
  await records.change(reservationKey(ref), (now) => steps.keepBound(now, command))
}

async function postpone(ref: string, dueInMs: number, { records }: PipelineContext): Promise<void> {
  await records.change(reservationKey(ref), (stored) => steps.postpone(stored, { dueInMs }))
}

/** How long a reference is kept that is bound to this approval; `null` while that is open. */
function keepsFor(known: ReturnType<typeof readApproval>, now: number): number | null {
  if (known === null) return steps.keepEndedMs
  return known === 'unreadable' || known.kind === 'open' ? null : known.until - now
}
