import { add, nudge } from '../approvals/approval.js'
import { bind } from '../approvals/bind.js'
import { approvalKey } from '../approvals/entry.js'
import type { PipelineContext } from '../pipeline/context.js'
import { nextPollMs } from '../util/backoff.js'
import { type RequestLimits, type Tracked, writeRequest } from './tracked-request.js'

export interface TrackDeps {
  readonly context: Pick<PipelineContext, 'records' | 'polling' | 'random' | 'runs' | 'retentionMs'>
  readonly limits: () => RequestLimits
  /** Whether a callback for this id was refused as unknown in the last minute. */
  readonly cameEarly: (id: string) => boolean
}

/**
 * Follows a request whose approval id is known. `false` if it is followed already; then nothing changes. An unconfirmed
 * submission with the same reference is confirmed, with this id.
 * Rejects with `argument-invalid`, `not-json`, `details-too-large`, `assistant-unknown`, and as the store does.
 */
export async function track(approvalId: string, tracked: object, deps: TrackDeps): Promise<boolean> {
  const { context, limits, cameEarly } = deps
  const { records, polling, random } = context
  // Its fields are checked as they are written.
  const request = writeRequest(tracked as Tracked, limits())
  const key = approvalKey(approvalId)
  const dueInMs = cameEarly(approvalId) ? 0 : nextPollMs(0, polling, random)
  const beginning = { dueInMs, decision: null, parked: null }
  const added = await records.change(key, (stored) => add(stored, { request, beginning, intake: true }))
  const known = added.kind === 'added' ? request : added.known
  // It may be the id of an unconfirmed submission, whose idempotency key would otherwise be free once that is discarded.
  if (request.ref !== null && known !== 'unreadable' && known.ref === request.ref)
    await bind(context, request.ref, approvalId, beginning)
  // A callback that came during the write was refused, and may not be repeated.
  if (cameEarly(approvalId)) await records.change(key, (stored) => nudge(stored, { withinMs: 0 }))
  return added.kind === 'added'
}
