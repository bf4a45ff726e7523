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
import { elapsedMs, readDate } from '../util/dates.js'

/** The confirmed decision of a candidate that may belong to the reservation. */
type Match = { readonly id: string } & Extract<Judgement, { kind: 'decided' }>

/** How far the clocks of Cheqpoint and of the store may differ. */
const clockSkewMs = 5_000

/**
 * Works on a reference that is due: resumes a binding, forgets what was never sent, keeps a keyed reference as long as
 * its approval, and searches the approval of a submission whose response was lost. Rejects if the store fails.
 */
export async function settleReservation(
  ref: string,
  { context, submitTimeoutMs }: { readonly context: PipelineContext; readonly submitTimeoutMs: number },
): Promise<void> {
  const { records, runs, life } = context
  const stored = await records.read(reservationKey(ref))
  const known = readReservation(stored)
  if (known === null || known === 'unreadable' || known.kind === 'discarded') return
  if (known.kind === 'binding') return resumeBinding(ref, known, context)
  if (known.kind === 'bound') return keepBound(ref, known.id, context)
  if (life.isClosing) return postpone(ref, 0, context)
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
  // It may have been handled and forgotten meanwhile.
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
 * Candidates are the ids that callbacks with the token of this reference named. If exactly one of them is decided,
 * after the reservation was made, and not bound to another request, and no other is undecided, it is parked as
 * `adopted`. Otherwise the submission is reported, and the candidates are polled again later.
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
  // An undecided candidate may still be the one.
  if (only === undefined || another !== undefined || found.includes('later')) {
    emit({ type: 'submission-unknown', ref })
    return postpone(ref, nextPollMs(ageMs, polling, random), context)
  }
  const { id: approvalId, decision, decidedAt, late } = only
  if ((await bind(context, ref, approvalId, { dueInMs: 0, decision, parked: 'adopted' })) !== 'bound') return
  const about = { approvalId, action: request.action }
  if (late) emit({ type: 'late', ...about })
  const decidedAfterMs = elapsedMs(reservation.since, decidedAt)
  emit({ type: 'confirmed', ...about, status: decision.status, via: 'poll', decidedAfterMs })
  emit({ type: 'adopted', approvalId, ref })
  emit({ type: 'parked', ...about, reason: 'adopted', paths: [] })
}

/** The decision of a candidate that may belong to this reservation; `no` if it does not, `later` if that is unknown. */
async function askAbout(
  id: string,
  { request, since }: OpenReservation,
  ageMs: number,
  context: PipelineContext,
): Promise<Match | 'no' | 'later'> {
  const { records, pauses, turns, client, telemetry, clock } = context
  const { assistant } = request
  if ((await records.read(approvalKey(id))).entry !== null) return 'no'
  if (pauses.current(assistant) !== null || turns.take(id, assistant) > 0) return 'later'
  let fetched: FetchedApproval
  try {
    fetched = await telemetry.during({ kind: 'confirm', approvalId: id }, () => client.get(id, { assistant }))
  } catch (error) {
    const failure = readFailure(error)
    heedFailure(failure, assistant, context)
    return failure.code === 'api-not-found' ? 'no' : 'later'
  }
  // An undecided candidate does not expire here: it may belong to another request.
  const isUndecided = fetched.status === 'pending' || fetched.status === 'unknown'
  const judged = isUndecided ? null : judge(fetched, request, 'poll', ageMs)
  if (judged?.kind !== 'decided') return 'later'
  const decidedAt = readDate(judged.decision.decidedAt)?.getTime()
  // By the wall clock of the API, if known.
  const madeAt = (fetched.servedAt ?? clock.now()) - ageMs
  const isAfter = decidedAt !== undefined && decidedAt >= Math.min(madeAt, since) - clockSkewMs
  return isAfter ? { id, ...judged } : 'no'
}
