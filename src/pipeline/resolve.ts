import type { Outcome } from '../model/outcome.js'
import { Admission } from './admission.js'
import { claim } from './claim.js'
import { confirm } from './confirm.js'
import type { PipelineContext, Trigger } from './context.js'
import { Lease } from './lease.js'
import { prepare } from './prepare.js'
import { record } from './record.js'
import type { Verified } from './verified-claim.js'

/**
 * The pipeline up to the handler, the same for every trigger: admit → claim → confirm → record. Either the decision is
 * confirmed, recorded and claimed, or nothing is held. Never rejects.
 */
export async function resolve(trigger: Trigger, context: PipelineContext): Promise<Verified | Outcome> {
  const admission = new Admission(trigger, context)
  let resolved: Verified | Outcome | undefined
  try {
    const lease = await claim(trigger, admission, context)
    if (!(lease instanceof Lease)) return lease
    if (lease.approval.decision === null) {
      const decision = await confirm(lease, trigger, admission, context)
      if ('kind' in decision) return decision
      const left = await record(lease, decision, admission, context)
      if (left !== null) return left
    }
    resolved = await prepare(lease, admission, context)
    return resolved
  } catch (error) {
    context.emit({ type: 'store-failed', operation: 'resolve', error })
    return { kind: 'store-unavailable', error }
  } finally {
    // A claim keeps its handler's place, and gives it back when it ends.
    if (resolved?.kind !== 'ok') admission.end()
  }
}
