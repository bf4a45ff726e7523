import { type ApprovalState, approvalKey, isOfThisFormat, readApproval } from '../approvals/entry.js'
import type { PipelineContext } from '../pipeline/context.js'
import { sleep } from '../util/sleep.js'

interface Found {
  readonly kept: ApprovalState | 'unreadable' | null
  readonly isDue: boolean
  /** A newer version wrote it, whose processes work on it. */
  readonly isForNewer: boolean
}

/**
 * The entry of an approval; `null`, and an event, if the store fails. Never rejects: the request was accepted by
 * Cheqpoint, and a failure would suggest that it was not.
 */
export async function readKnown(
  { records, emit }: Pick<PipelineContext, 'records' | 'emit'>,
  approvalId: string,
  operation: 'submit' | 'wait',
): Promise<Found | null> {
  try {
    const stored = await records.read(approvalKey(approvalId))
    const { entry, now } = stored
    const dueAt = entry?.dueAt ?? Number.POSITIVE_INFINITY
    const isForNewer = entry !== null && entry.parkedAt === null && !isOfThisFormat(entry.state)
    return { kept: readApproval(stored), isDue: dueAt <= now, isForNewer }
  } catch (error) {
    emit({ type: 'store-failed', operation, error })
    return null
  }
}

/** The longest wait between two attempts of such a write: six attempts in six seconds. */
const longestRetryMs = 3_200

/** Repeats a write through a short outage of the store, and reports each failure. */
export async function persist<Value>(
  { emit }: Pick<PipelineContext, 'emit'>,
  operation: string,
  write: () => Promise<Value>,
): Promise<Value> {
  for (let waitMs = 200; ; waitMs *= 2) {
    try {
      return await write()
    } catch (error) {
      emit({ type: 'store-failed', operation, error })
      if (waitMs > longestRetryMs) throw error
      await sleep(waitMs)
    }
  }
}
