import type { PipelineContext } from '../pipeline/context.js'
import { sleep } from '../util/sleep.js'

/** The longest wait between two tries of a write that must not be given up at once: six tries in six seconds. */
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
