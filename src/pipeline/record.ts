import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { Outcome } from '../model/outcome.js'
import type { Admission } from './admission.js'
import type { PipelineContext } from './context.js'
import type { Lease } from './lease.js'

/**
 * Records the confirmed decision. Where there is a place for the handler the attempt is counted in the same write;
 * otherwise the approval is given back, due at once, and its next claim needs no API. `null`: the handler may start.
 */
export async function record(
  lease: Lease,
  decision: ConfirmedDecision,
  admission: Admission,
  { runs, emit, life }: PipelineContext,
): Promise<Outcome | null> {
  const { approvalId } = lease
  const mayStart = !life.isStopped && admission.takeHandlerSlot()
  if (!(await lease.recordDecision(decision, mayStart)))
    return { kind: 'in-progress', approvalId, retryAfterMs: runs.leaseMs }
  if (mayStart) return null
  const reason = life.isStopped ? 'closing' : 'no-free-slot'
  emit({ type: 'released', approvalId, reason, dueInMs: 0, code: null })
  return reason === 'closing' ? { kind: 'closing' } : { kind: 'no-free-slot', approvalId, retryAfterMs: 1_000 }
}
