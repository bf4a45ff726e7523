import { bind } from '../approvals/bind.js'
import { approvalKey, readApproval, reservationKey, type TrackedRequest } from '../approvals/entry.js'
import * as steps from '../approvals/reservation.js'
import { CheqpointError } from '../model/errors.js'
import type { PipelineContext } from '../pipeline/context.js'
import { readKnown } from './read-known.js'
import { pending, type Submission, summarize } from './submission.js'
import { keyReused, unknown } from './submission-rules.js'

interface Reserving {
  readonly ref: string
  readonly request: TrackedRequest
  readonly digest: string | null
  readonly owner: string
  /** How long the request may be on its way. */
  readonly inFlightMs: number
}

/** `null` where the request is ours to send; otherwise what the key stands for already. */
export async function reserve(context: PipelineContext, submission: Reserving): Promise<Submission | null> {
  const { records, runs, retentionMs } = context
  const { ref, owner, request, digest, inFlightMs } = submission
  const command = { owner, request, digest, dueInMs: inFlightMs + runs.leaseMs, inFlightMs }
  const reserved = await records.change(reservationKey(ref), (stored) => steps.reserve(stored, command))
  switch (reserved.kind) {
    case 'reserved':
      return null
    case 'key-reused':
      throw keyReused(ref)
    case 'in-progress':
      throw new CheqpointError('submission-in-progress', 'a submission with this idempotencyKey is under way', {
        ref,
      })
    case 'sent':
      throw unknown('an earlier submission with this idempotencyKey may have been sent, and has no approval id', {
        ref,
      })
    case 'unreadable':
      throw unknown('the store holds a submission under this idempotencyKey that cannot be read', { ref })
    case 'bound': {
      const { id } = reserved
      const known = readApproval(await records.read(approvalKey(id)))
      if (known !== null) return summarize(pending(id), known)
      // Its tombstone is gone, and the key with it.
      await records.change(reservationKey(ref), (stored) => steps.free(stored, { id, by: owner }))
      return reserve(context, submission)
    }
    case 'binding': {
      const { id, beginning } = reserved.reservation
      await bind(records, ref, id, beginning, { resumeInMs: runs.leaseMs, retentionMs })
      return summarize(pending(id), (await readKnown(context, id)).kept)
    }
  }
}
