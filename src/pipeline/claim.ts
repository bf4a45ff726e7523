import * as steps from '../approvals/approval.js'
import { finishBinding } from '../approvals/bind.js'
import { approvalKey, type OpenApproval, readApproval, reservationKey, type Step } from '../approvals/entry.js'
import { parkUnheld } from '../approvals/operator.js'
import { addCandidate } from '../approvals/reservation.js'
import { CheqpointError } from '../model/errors.js'
import type { Outcome } from '../model/outcome.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Stored } from '../stores/store.js'
import { type Admission, type Denial, nudgedWithinMs } from './admission.js'
import type { PipelineContext, Trigger } from './context.js'
import { Lease } from './lease.js'

/** When a callback that came before its submission's response is worth sending again. */
const awaitingIdRetryMs = 5_000

type Answer =
  | ReturnType<typeof steps.claim>['result']
  | { readonly kind: 'denied'; readonly denial: Denial }
  | { readonly kind: 'limit-reached'; readonly reason: ParkReason; readonly action: string }

/**
 * Takes the lease of an approval, in one read and one write, if this process can serve it. Otherwise what became of the
 * trigger.
 */
export async function claim(
  trigger: Trigger,
  admission: Admission,
  context: PipelineContext,
): Promise<Lease | Outcome> {
  const { approvalId, ref } = trigger
  const { records, emit } = context
  const token = records.newToken()
  const stepped = await records.begin(approvalKey(approvalId), (stored) =>
    step(stored, token, trigger, admission, context),
  )
  const { result } = stepped
  switch (result.kind) {
    case 'claimed':
      return new Lease(approvalId, token, result.approval, stepped, context)
    case 'denied':
      return result.denial.outcome
    case 'unknown':
      return ref === undefined ? { kind: 'unknown-approval' } : awaitId(trigger, ref, admission, context)
    case 'token-mismatch':
      return { kind: 'token-refused' }
    case 'in-progress':
      return { kind: 'in-progress', approvalId, retryAfterMs: Math.min(result.forMs, 30_000) }
    case 'too-soon':
      return { kind: 'too-soon', approvalId, retryAfterMs: result.inMs }
    case 'parked':
      return { kind: 'parked', approvalId, reason: result.reason }
    case 'limit-reached':
      emit({ type: 'parked', approvalId, action: result.action, reason: result.reason, paths: [] })
      return { kind: 'parked', approvalId, reason: result.reason }
    case 'completed':
      emit({ type: 'duplicate', approvalId })
      return { kind: 'completed', approvalId, confirmed: result.tombstone.decision }
    case 'unreadable': {
      const message = 'the store holds an entry that this version cannot read; it is left alone'
      emit({
        type: 'store-failed',
        operation: 'claim',
        error: new CheqpointError('store-response', message, { approvalId }),
      })
      return { kind: 'parked', approvalId, reason: 'corrupt' }
    }
  }
}

function step(
  stored: Stored,
  token: string,
  trigger: Trigger,
  admission: Admission,
  context: PipelineContext,
): Step<Answer> {
  const { ref, via } = trigger
  const command = { token, leaseMs: context.runs.leaseMs, ref, force: via === 'manual', nudge: via === 'callback' }
  const claimed = steps.claim(stored, command)
  const approval = readApproval(stored)
  if (claimed.result.kind !== 'claimed' || claimed.next === undefined) return claimed
  if (approval === null || approval === 'unreadable' || approval.kind !== 'open') return claimed
  // While its handler runs here, or its completion is being written, the last attempt is not over.
  const reason = context.running.has(trigger.approvalId) ? null : limitReached(approval, context)
  if (reason !== null) {
    const { next } = parkUnheld(stored, { token, reason })
    return { result: { kind: 'limit-reached', reason, action: approval.action }, next }
  }
  const denial = admission.admit(approval)
  return denial === null ? claimed : { result: { kind: 'denied', denial }, ...written(stored, denial) }
}

function written(stored: Stored, { write, dueInMs = nudgedWithinMs }: Denial): Pick<Step<never>, 'next'> {
  if (write === 'nothing') return {}
  const { next } = write === 'nudge' ? steps.nudge(stored, { withinMs: dueInMs }) : steps.defer(stored, { dueInMs })
  return { next }
}

function limitReached({ attempts }: OpenApproval, { guarantee, runs }: PipelineContext): ParkReason | null {
  if (guarantee === 'at-most-once' && attempts > 0) return 'attempt-unfinished'
  return attempts >= runs.maxAttempts ? 'too-many-attempts' : null
}

/** A valid token, and an id that is not known: the submission may not have its response yet, or have lost it. */
async function awaitId(
  trigger: Trigger,
  ref: string,
  admission: Admission,
  context: PipelineContext,
): Promise<Lease | Outcome> {
  const { approvalId } = trigger
  const { records, emit } = context
  const kept = await records.change(reservationKey(ref), (stored) => addCandidate(stored, { id: approvalId }))
  if (kept.kind === 'kept') return { kind: 'awaiting-id', approvalId, retryAfterMs: awaitingIdRetryMs }
  if (kept.kind === 'unreadable') {
    const message = 'the store holds a reference that this version cannot read; it is left alone'
    const error = new CheqpointError('store-response', message, { approvalId, ref })
    emit({ type: 'store-failed', operation: 'claim', error })
    return { kind: 'parked', approvalId, reason: 'corrupt' }
  }
  // Bound meanwhile: to this id, which can be claimed now, or to another one, and then this one is unknown.
  const bound = kept.kind === 'binding' ? kept.reservation.id : kept.kind === 'bound' ? kept.id : null
  if (bound !== approvalId) return { kind: 'unknown-approval' }
  // The submission is still writing its approval. Finishing that here is safe, and this callback may not come again.
  if (kept.kind === 'binding') await finishBinding(context, ref, kept.reservation)
  const { entry } = await records.read(approvalKey(approvalId))
  return entry === null
    ? { kind: 'awaiting-id', approvalId, retryAfterMs: awaitingIdRetryMs }
    : claim(trigger, admission, context)
}
