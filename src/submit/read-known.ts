import { type ApprovalState, approvalKey, readApproval } from '../approvals/entry.js'
import type { PipelineContext } from '../pipeline/context.js'

/**
 * What is kept of an approval; `null`, and an event, where the store fails. Never rejects: the request is with
 * Cheqpoint, and a failure would look as if it were not.
 */
export async function readKnown(
  { records, emit }: Pick<PipelineContext, 'records' | 'emit'>,
  approvalId: string,
  operation: 'submit' | 'wait',
): Promise<Readonly<{ kept: ApprovalState | 'unreadable' | null; isDue: boolean }> | null> {
  try {
    const stored = await records.read(approvalKey(approvalId))
    const dueAt = stored.entry?.dueAt ?? Number.POSITIVE_INFINITY
    return { kept: readApproval(stored), isDue: dueAt <= stored.now }
  } catch (error) {
    emit({ type: 'store-failed', operation, error })
    return null
  }
}
