import { bind, finishBinding } from '../approvals/bind.js'
import {
  approvalKey,
  type BindingReservation,
  type OpenReservation,
  readApproval,
  readReservation,
  reservationKey,
} from '../approvals/entry.js'
import * as steps from '../approvals/reservation.js'
import type { FetchedApproval } from '../cheqpoint/read-response.js'
import { heedFailure, type Judgement, judge, readFailure } from '../pipeline/confirm.js'
import type { PipelineContext } from '../pipeline/context.js'
import { nextPollMs } from '../util/backoff.js'
import { readDate } from '../util/dates.js'

/** The API's answer about a candidate that may be the reservation's. */
type Match = { readonly id: string } & Extract<Judgement, { kind: 'decided' }>

/** How far the clocks of Cheqpoint and of the store may differ. */
const clockSkewMs = 5_000

/**
 * Takes care of a reference that is due: resumes a binding, forgets what was never sent, keeps a keyed reference as long
 * as its approval, and looks for the approval of a submission whose response was lost. Rejects where the store fails.
 */
export async function settleReservation(
  ref: string,
  { context, submitTimeoutMs }: { readonly context: PipelineContext; readonly submitTimeoutMs: number },
): Promise<void> {
  const { records, runs } = context
  const stored = await records.read(reservationKey(ref))
  const known = readReservation(stored)
  if (known === null || known === 'unreadable' || known.kind === 'discarded') return
  if (known.kind === 'binding') return resumeBinding(ref, known, context)
  if (known.kind === 'bound') return keepBound(ref, known.id, context)
  const ageMs = stored.now - known.since
  const waitMs = submitTimeoutMs + runs.leaseMs - ageMs
  if (waitMs > 0) return postpone(ref, waitMs, context)
  if (known.sent) return findApproval(ref, known, ageMs, context)
  // Its process ended before it sent anything.
  const by = records.newToken()
  await records.change(reservationKey(ref), (now) => steps.discardUnsent(now, { by }))
}

async function resumeBinding(ref: string, binding: BindingReservation, context: PipelineContext): Promise<void> {
  const { id: approvalId, beginning } = binding
  await finishBinding(context, ref, binding)
  const bound = readApproval(await context.records.read(approvalKey(approvalId)))
  if (bound === null || bound === 'unreadable' || bound.kind !== 'open' || bound.ref !== ref) return
  const { action, parked } = bound
  // So late that it may have been handled and forgotten.
  if (parked !== null && beginning.parked === null)
    context.emit({ type: 'parked', approvalId, action, reason: parked.reason, paths: [] })
}

async function keepBound(ref: string, id: string, { records, retentionMs }: PipelineContext): Promise<void> {
  const stored = await records.read(approvalKey(id))
  const known = readApproval(stored)
  const isOpen = known === 'unreadable' || known?.kind === 'open'
  const until = isOpen ? null : (known?.until ?? stored.now + steps.keepEndedMs)
  const command = { dueInMs: retentionMs, keepMs: until === null ? null : until - stored.now }
  await records.change(reservationKey(ref), (now) => steps.keepBound(now, command))
}

async function postpone(ref: string, dueInMs: number, { records }: PipelineContext): Promise<void> {
  await records.change(reservationKey(ref), (stored) => steps.postpone(stored, { dueInMs }))
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
  const { candidates, request } = reservation
  const found = await Promise.all(candidates.map((id) => askAbout(id, reservation, ageMs, context)))
  const [only, another] = found.filter((each) => typeof each !== 'string')
  // A candidate that cannot be judged yet may turn out to be the one.
  if (only === undefined || another !== undefined || found.includes('later')) {
    emit({ type: 'submission-unknown', ref })
    return postpone(ref, nextPollMs(ageMs, polling, random), context)
  }
  const { id: approvalId, decision, late } = only
  if ((await bind(context, ref, approvalId, { dueInMs: 0, decision, parked: 'adopted' })) !== 'bound') return
  const about = { approvalId, action: request.action }
  if (late) emit({ type: 'late', ...about })
  emit({ type: 'confirmed', ...about, status: decision.status, via: 'poll' })
  emit({ type: 'adopted', approvalId, ref })
  emit({ type: 'parked', ...about, reason: 'adopted', paths: [] })
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
  const judged = isUndecided ? null : judge(fetched, request, 'poll', ageMs)
  if (judged?.kind !== 'decided') return 'later'
  const decidedAt = readDate(judged.decision.decidedAt)?.getTime()
  // By the wall clock of the API, as far as it is known here.
  const madeAt = (fetched.servedAt ?? clock.now()) - ageMs
  const isAfter = decidedAt !== undefined && decidedAt >= Math.min(madeAt, since) - clockSkewMs
  return isAfter ? { id, ...judged } : 'no'
}
