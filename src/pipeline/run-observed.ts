import type { Outcome } from '../model/outcome.js'
import type { Handler } from '../options/actions.js'
import type { PipelineContext } from './context.js'
import { runHandler } from './run-handler.js'
import type { Claim } from './verified-claim.js'

/** The same as {@link runHandler}, shown by the telemetry that there is. */
export function runObserved(claim: Claim, handler: Handler, context: PipelineContext): Promise<Outcome> {
  const { approvalId, attempt, fence, decision, confirmed, lease } = claim
  const { telemetry } = context
  const run = (): Promise<Outcome> => runHandler(claim, handler, context)
  if (telemetry === undefined) return run()
  const { action, via } = decision
  const about = { approvalId, action, via, status: confirmed.status, attempt, fence }
  return telemetry.during({ kind: 'run', ...about, trace: lease.approval.trace ?? null }, run)
}
