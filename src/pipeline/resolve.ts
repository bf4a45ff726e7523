import { showConfirmed, writeConfirmed } from '../model/confirmed-decision.js'
import { CheqpointError } from '../model/errors.js'
import type { Outcome } from '../model/outcome.js'
import type { ClaimAnswer } from '../stores/store.js'
import { ClaimedApproval } from './claimed-approval.js'
import type { PipelineContext, Trigger, Verified } from './context.js'

/** A callback over the budget makes its approval due within this time. */
const pullMs = 15_000
/** A callback with the token of its record waits so long for its turn, and is left to the sweep where that is not enough. */
const queueMs = 5_000
/** When a callback that came before its submission's answer is worth sending again. */
const unboundRetryMs = 5_000

/**
 * The pipeline up to the handler, the same for every trigger: claim, confirm, seal. Either the decision is confirmed,
 * sealed and held under a lease, or nothing is held. Never rejects.
 */
export async function resolve(id: string, trigger: Trigger, core: PipelineContext): Promise<Verified | Outcome> {
  /** Whose token of the callbacks' budget was taken, until it is spent. */
  let fare: { readonly assistant: string | null } | null = null
  try {
    if (trigger.via === 'callback') {
      const assistant = core.manyAssistants ? await assistantOf(id, core) : null
      const pausedMs = core.pauses.leftMs(assistant)
      const waitMs = pausedMs || core.callbackBudget.takeSpare(assistant)
      if (waitMs > 0) {
        const left = await queue(id, trigger, core, { assistant, waitMs, paused: pausedMs > 0 })
        if (left !== null) return left
      }
      fare = { assistant }
    }

    const token = core.newToken()
    const claimedAt = core.clock.elapsed()
    const answer = await core.store.claim(id, token, core.runs.leaseMs, {
      ref: trigger.ref,
      force: trigger.via === 'manual',
      knock: trigger.via === 'callback',
    })
    if (answer.kind === 'unreadable') core.emit({ type: 'store-failed', operation: 'claim', error: unreadable(id) })
    if (answer.kind === 'unknown' && trigger.ref !== undefined) return await unconfirmed(id, trigger, trigger.ref, core)
    if (answer.kind !== 'claimed') return readRefusal(id, answer, core)

    const held = new ClaimedApproval(answer, { token, claimedAt }, trigger, core)
    const rules = core.rulesFor(answer.record.action)
    if (core.isClosing()) return await held.release('closing', 0, { kind: 'closing' })
    if (rules === null)
      return await held.release('no-handler', held.nextPollMs(), { kind: 'no-handler', approvalId: id })
    if (core.guarantee === 'at-most-once' && answer.starts > 0) return await held.park('attempt-unfinished')
    if (answer.starts >= core.runs.maxAttempts) return await held.park('too-many-attempts')

    if (answer.sealed === null) fare = null
    const found = answer.sealed ?? (await held.confirm())
    if (typeof found !== 'string' && 'kind' in found) return found
    const text = typeof found === 'string' ? found : writeConfirmed(found)
    const seal = await core.store.seal(id, token, text)
    if (seal.kind === 'lost') return lost(id, core)
    // Recorded before, by a holder whose claim was lost meanwhile, it may differ from what was confirmed here.
    const confirmed = typeof found !== 'string' && seal.sealed === text ? found : null
    const verified = await held.prepare({ sealed: seal.sealed, starts: seal.starts, confirmed }, rules)
    // A process that stood still until its lease was over may have been followed by another.
    const isOver = verified.kind === 'ok' && core.clock.elapsed() - claimedAt >= core.runs.leaseMs
    return isOver && (await verified.claim.extend()) === 'lost' ? lost(id, core) : verified
  } catch (error) {
    core.emit({ type: 'store-failed', operation: 'resolve', error })
    return { kind: 'store-unavailable', error }
  } finally {
    // Only an unsealed claim asks the API; everything else needs no token of the budget.
    if (fare !== null) core.callbackBudget.giveBack(fare.assistant)
  }
}

/**
 * Takes a token of the callbacks' budget that has none to spare, and answers `null`, or leaves the record to the sweep
 * without claiming it. Half of what the budget holds is for ids that the store knows, each once in a while: neither
 * spoofs that come again and again nor ids that nobody knows keep a genuine callback waiting. One that has the token of
 * its record is genuine, and waits for its turn.
 */
async function queue(
  id: string,
  trigger: Trigger,
  core: PipelineContext,
  {
    assistant,
    waitMs,
    paused,
  }: { readonly assistant: string | null; readonly waitMs: number; readonly paused: boolean },
): Promise<Verified | Outcome | null> {
  const left = await leaveToSweep(id, waitMs, trigger, core)
  if (left.kind !== 'over-budget' || paused) return left
  if (core.latecomers.add(id) && core.callbackBudget.take(assistant) === 0) return null
  return trigger.ref !== undefined && (await hasTurn(assistant, core)) ? null : left
}

/** Waits for a token of the callbacks' budget. `false`, with none taken, where that is too far off or the API asked to wait. */
async function hasTurn(assistant: string | null, core: PipelineContext): Promise<boolean> {
  const turnMs = core.callbackBudget.reserveWithin(queueMs, assistant)
  if (turnMs === null) return false
  if (turnMs > 0) await new Promise((resolve) => setTimeout(resolve, turnMs))
  if (core.pauses.leftMs(assistant) === 0) return true
  core.callbackBudget.giveBack(assistant)
  return false
}

function lost(approvalId: string, { runs }: PipelineContext): Outcome {
  return { kind: 'in-progress', approvalId, retryAfterMs: runs.leaseMs }
}

/** The record is not claimed, and due soon. */
async function leaveToSweep(
  id: string,
  waitMs: number,
  trigger: Trigger,
  core: PipelineContext,
): Promise<Verified | Outcome> {
  const answer = await core.store.knock(id, { ref: trigger.ref, withinMs: pullMs })
  if (answer === 'knocked') return { kind: 'over-budget', approvalId: id, retryAfterMs: waitMs }
  if (answer === 'foreign') return { kind: 'token-refused' }
  if (answer === 'unknown')
    return trigger.ref === undefined ? { kind: 'unknown-approval' } : unconfirmed(id, trigger, trigger.ref, core)
  if (answer === 'parked') return { kind: 'parked', approvalId: id, reason: null }
  core.emit({ type: 'duplicate', approvalId: id })
  return { kind: 'completed', approvalId: id, confirmed: null }
}

/** A valid token, and an id that we do not know: the submission may not have its answer yet, or have lost it. */
async function unconfirmed(
  id: string,
  trigger: Trigger,
  ref: string,
  core: PipelineContext,
): Promise<Verified | Outcome> {
  const answer = await core.store.hold(ref, id)
  if (answer === 'unknown') return { kind: 'unknown-approval' }
  // Remembered nowhere, so nobody must be told otherwise.
  if (answer === 'full') return { kind: 'unknown-approval' }
  if (answer !== 'bound') return { kind: 'awaiting-id', approvalId: id, retryAfterMs: unboundRetryMs }
  // Bound meanwhile: to this id, which can be claimed now, or to another one, and then this one is a stranger's.
  return (await core.store.get(id)) === null ? { kind: 'unknown-approval' } : resolve(id, trigger, core)
}

async function assistantOf(id: string, core: PipelineContext): Promise<string | null> {
  const found = await core.store.get(id)
  if (found === null) return null
  return found.state === 'done' ? found.tombstone.assistant : found.record.assistant
}

function unreadable(approvalId: string): CheqpointError {
  return new CheqpointError(
    'store-answer',
    'the store holds a record that this version cannot read; it is left alone',
    { approvalId },
  )
}

function readRefusal(id: string, answer: Exclude<ClaimAnswer, { kind: 'claimed' }>, core: PipelineContext): Outcome {
  switch (answer.kind) {
    case 'unknown':
      return { kind: 'unknown-approval' }
    case 'foreign':
      return { kind: 'token-refused' }
    case 'held':
      return { kind: 'in-progress', approvalId: id, retryAfterMs: Math.min(answer.forMs, 30_000) }
    case 'too-soon':
      return { kind: 'too-soon', approvalId: id, retryAfterMs: answer.inMs }
    case 'parked':
      return { kind: 'parked', approvalId: id, reason: answer.reason }
    case 'unreadable':
      return { kind: 'parked', approvalId: id, reason: 'corrupt' }
    case 'done': {
      core.emit({ type: 'duplicate', approvalId: id })
      return { kind: 'completed', approvalId: id, confirmed: showConfirmed(answer.tombstone.sealed) }
    }
  }
}
