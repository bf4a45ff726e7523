import type { ErrorCode } from '../model/errors.js'
import type { ReleaseReason } from '../model/events.js'
import type { Outcome } from '../model/outcome.js'
import type { ParkReason } from '../model/park-reason.js'
import type { PipelineContext } from './context.js'
import type { Lease } from './lease.js'

export interface GiveBack {
  readonly reason: ReleaseReason
  readonly dueInMs: number
  /** Nothing but a forced claim gets the approval before. Default: the minimum interval. */
  readonly notBeforeMs?: number | undefined
  readonly giveAttemptBack?: boolean | undefined
  readonly code?: ErrorCode | undefined
}

/** Releases the lease and reports it. */
export async function giveBack(lease: Lease, how: GiveBack, { confirm, emit }: PipelineContext): Promise<void> {
  const { reason, dueInMs, notBeforeMs = confirm.minIntervalMs, giveAttemptBack = false, code = null } = how
  const answer = await lease.release(dueInMs, notBeforeMs, giveAttemptBack)
  if (answer === 'released') emit({ type: 'released', approvalId: lease.approvalId, reason, dueInMs, code })
}

/** Parks the approval, and reports it. `paths` are JSON Pointers of what was wrong, never values. */
export async function parkApproval(
  lease: Lease,
  reason: ParkReason,
  paths: readonly string[],
  { emit }: PipelineContext,
): Promise<Outcome> {
  const { approvalId, approval } = lease
  if ((await lease.park(reason, paths)) === 'parked')
    emit({ type: 'parked', approvalId, action: approval.action, reason, paths })
  return { kind: 'parked', approvalId, reason }
}
