import type { Outcome } from '../model/outcome.js'
import type { Telemetry } from '../model/telemetry.js'
import type { Handler } from '../options/actions.js'
import type { PipelineContext } from './context.js'
import { runHandler } from './run-handler.js'
import type { Claim } from './verified-claim.js'

/** The same as {@link runHandler}, within a span. */
export function runObserved(
  claim: Claim,
  handler: Handler,
  context: PipelineContext,
  telemetry: Telemetry,
): Promise<Outcome> {
  const { approvalId, attempt, fence, decision, confirmed, lease } = claim
  const { action, via } = decision
  const about = { approvalId, action, via, status: confirmed.status, attempt, fence }
  return telemetry.during({ kind: 'run', ...about, trace: lease.approval.trace ?? null }, async () =>
    runHandler(claim, handler, context),
  )
}
