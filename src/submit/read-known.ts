import { type ApprovalState, approvalKey, readApproval } from '../approvals/entry.js'
import type { PipelineContext } from '../pipeline/context.js'

interface Known {
  readonly kept: ApprovalState | 'unreadable' | null
  readonly isDue: boolean
}

/** Reads what is kept of an approval. Never rejects: the request is with Cheqpoint, and a failure would look as if it were not. */
export async function readKnown({ records, emit }: PipelineContext, approvalId: string): Promise<Known> {
  try {
    const stored = await records.read(approvalKey(approvalId))
    const dueAt = stored.entry?.dueAt ?? Number.POSITIVE_INFINITY
    return { kept: readApproval(stored), isDue: dueAt <= stored.now }
  } catch (error) {
    emit({ type: 'store-failed', operation: 'submit', error })
    return { kept: null, isDue: false }
  }
}
