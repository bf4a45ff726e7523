import { bind } from '../approvals/bind.js'
import { approvalKey, readApproval, reservationKey } from '../approvals/entry.js'
import * as steps from '../approvals/reservation.js'
import { CheqpointError } from '../model/errors.js'
import type { PipelineContext } from '../pipeline/context.js'
import { readKnown } from './outages.js'
import { pending, type Submission, summarize } from './submission.js'

type Reserving = Omit<steps.ReserveCommand, 'dueInMs' | 'forgotten'> & { readonly ref: string }

/** `null` if the request is to be sent now; otherwise the submission that the key stands for. */
export async function reserve(
  context: PipelineContext,
  submission: Reserving,
  forgotten?: string,
): Promise<Submission | null> {
  const { records, runs } = context
  const { ref, inFlightMs } = submission
  const command = { ...submission, dueInMs: inFlightMs + runs.leaseMs, forgotten }
  const reserved = await records.change(reservationKey(ref), (stored) => steps.reserve(stored, command))
  switch (reserved.kind) {
    case 'reserved':
      return null
    case 'bound': {
      const { id } = reserved
      const known = readApproval(await records.read(approvalKey(id)))
      // Without its tombstone the approval is forgotten, and the key with it.
      return known === null ? reserve(context, submission, id) : summarize(pending(id), known)
    }
    case 'binding': {
      const { id, beginning } = reserved.reservation
      // The id belongs to another request: its decision is none of this one.
      if ((await bind(context, ref, id, beginning)) === 'conflict') throw keyTaken('sent', ref)
      return summarize(pending(id), (await readKnown(context, id, 'submit'))?.kept ?? null)
    }
    default:
      throw keyTaken(reserved.kind, ref)
  }
}

const reasons = {
  'key-reused': ['key-reused', 'this idempotencyKey was used for another request; use one key per step'],
  'in-progress': [
    'submission-in-progress',
    'another submission with this idempotencyKey is in progress; try again later',
  ],
  sent: [
    'submission-unknown',
    'an earlier submission with this idempotencyKey may have been accepted; see receiver.unconfirmed()',
  ],
  unreadable: ['submission-unknown', 'the entry of this idempotencyKey in the store cannot be read'],
} as const

/** The error if nothing is sent under a key. */
export function keyTaken(reason: keyof typeof reasons, ref: string): CheqpointError {
  const [code, message] = reasons[reason]
  return new CheqpointError(code, message, { ref })
}
