import { type ConfirmedDecision, readConfirmed } from '../model/confirmed-decision.js'
import type { Decision } from '../model/decision.js'
import type { Outcome } from '../model/outcome.js'
import type { ActionRules } from '../options/actions.js'
import { backoffMs } from '../util/backoff.js'
import { readDate } from '../util/dates.js'
import { type JsonObject, type JsonValue, readJson } from '../util/json.js'
import type { Admission } from './admission.js'
import type { PipelineContext } from './context.js'
import { effectiveDetails, validate } from './effective-details.js'
import { giveBack, parkApproval } from './give-back.js'
import type { Lease } from './lease.js'
import { Claim, type Verified } from './verified-claim.js'

/** How often a lease is renewed before a handler that would start late on it is given up. */
const mostRenewals = 2

/**
 * Makes the decision that the handler gets of what was recorded, or parks what must not run. A handler never starts with
 * less than two thirds of a lease left.
 */
export async function prepare(
  lease: Lease,
  admission: Admission,
  context: PipelineContext,
): Promise<Verified | Outcome> {
  const { approvalId, approval } = lease
  const recorded = readRecorded(lease)
  if (recorded === null) return parkApproval(lease, 'corrupt', [], context)
  const { confirmed } = recorded
  const rules = context.rulesFor(approval.action)
  // A claim is only made where there are rules for its action.
  if (rules === null) return { kind: 'no-handler', approvalId }
  const made = await makeDecision(lease, recorded, rules)
  if (made.kind === 'schema-failed') return failAttempt(lease, confirmed, made.error, context)
  if (made.kind === 'refused') {
    const parked = await parkApproval(lease, made.reason, made.paths, context)
    return made.isEdit ? { kind: 'edit-refused', approvalId, reason: made.reason, confirmed } : parked
  }
  if (!(await hasEnough(lease, context))) return { kind: 'in-progress', approvalId, retryAfterMs: context.runs.leaseMs }
  return {
    kind: 'ok',
    claim: new Claim({ lease, confirmed, decision: made.decision, giveBackSlot: admission.handOverSlot() }, context),
  }
}

interface Recorded {
  readonly confirmed: ConfirmedDecision
  readonly original: JsonValue
  readonly context: JsonValue
}

/** What is kept, parsed; `null` where it is damaged. */
function readRecorded({ approval }: Lease): Recorded | null {
  const confirmed = readConfirmed(approval.decision)
  if (confirmed === null) return null
  try {
    return { confirmed, original: readJson(approval.details), context: readJson(approval.context) }
  } catch {
    return null
  }
}

type Made =
  | { readonly kind: 'made'; readonly decision: Decision<unknown, unknown> }
  | Readonly<{ kind: 'refused'; reason: RefusedReason; paths: readonly string[]; isEdit: boolean }>
  | { readonly kind: 'schema-failed'; readonly error: unknown }

type RefusedReason = 'edit-invalid' | 'edit-ambiguous' | 'edit-refused' | 'details-invalid' | 'context-invalid'

async function makeDecision({ approvalId, approval }: Lease, recorded: Recorded, rules: ActionRules): Promise<Made> {
  const { confirmed, original } = recorded
  const { action } = approval
  // A handler and a schema get copies of their own: what they do to one must not show in another.
  const edit = (): JsonObject | null => structuredCloneOrNull(confirmed.modifiedDetails)
  try {
    const context = await validate(rules.context, recorded.context)
    if (!context.ok) return { kind: 'refused', reason: 'context-invalid', paths: context.paths, isEdit: false }
    // Spread last below: keys that follow a spread cost the engine a shape of its own each time.
    const base = {
      approvalId,
      action,
      originalDetails: readJson(approval.details),
      modifiedDetails: edit(),
      note: confirmed.note,
      decidedAt: readDate(confirmed.decidedAt),
      context: context.value,
      via: confirmed.via,
    }
    const { status } = confirmed
    if (status !== 'approved') return { kind: 'made', decision: { status, ...base } }
    const effective = await effectiveDetails(rules, original, edit())
    if (effective.ok) {
      const { details, changedPaths } = effective
      return { kind: 'made', decision: { status, details, changedPaths, ...base } }
    }
    const { reason, paths } = effective
    return { kind: 'refused', reason, paths, isEdit: confirmed.modifiedDetails !== null }
  } catch (error) {
    return { kind: 'schema-failed', error }
  }
}

/** A schema that throws says nothing about the details: the attempt failed, and is repeated. */
async function failAttempt(
  lease: Lease,
  confirmed: ConfirmedDecision,
  error: unknown,
  context: PipelineContext,
): Promise<Outcome> {
  const { approvalId, approval } = lease
  const { runs, random, guarantee, emit } = context
  const { action, attempts: attempt } = approval
  emit({ type: 'run-failed', approvalId, action, attempt, durationMs: 0, timedOut: false, error })
  const retryAfterMs = backoffMs(attempt, runs.backoffMs, random)
  if (attempt >= runs.maxAttempts) await parkApproval(lease, 'too-many-attempts', [], context)
  else {
    // The handler did not start, so even at-most-once may try again.
    const giveAttemptBack = guarantee === 'at-most-once'
    const how = { reason: 'handler-failed', dueInMs: retryAfterMs, notBeforeMs: retryAfterMs, giveAttemptBack } as const
    await giveBack(lease, how, context)
  }
  return { kind: 'handler-failed', approvalId, confirmed, retryAfterMs }
}

/** Renews a lease that confirming or a slow store used up. `false` where it was lost, or stays too short and is given back. */
async function hasEnough(lease: Lease, context: PipelineContext): Promise<boolean> {
  const enoughMs = (context.runs.leaseMs * 2) / 3
  for (let renewals = 0; lease.leftMs < enoughMs; renewals++) {
    if (renewals === mostRenewals) {
      await giveBack(lease, { reason: 'lease-too-short', dueInMs: 0, notBeforeMs: 0, giveAttemptBack: true }, context)
      return false
    }
    if ((await lease.extend()) === 'lost') return false
  }
  return true
}

function structuredCloneOrNull(value: JsonObject | null): JsonObject | null {
  // A copy of a JSON object is one; by its text, which keeps keys such as __proto__.
  return value === null ? null : (readJson(JSON.stringify(value)) as JsonObject)
}
