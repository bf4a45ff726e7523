import { type ConfirmedDecision, readConfirmed } from '../model/confirmed-decision.js'
import type { Decision } from '../model/decision.js'
import type { Outcome } from '../model/outcome.js'
import type { ActionRules } from '../options/actions.js'
import { backoffMs } from '../util/backoff.js'
import { readDate } from '../util/dates.js'
import { type JsonObject, type JsonText, type JsonValue, readJson } from '../util/json.js'
import type { Admission } from './admission.js'
import type { PipelineContext } from './context.js'
import { type Effective, effectiveDetails, validate } from './effective-details.js'
import { giveBack, parkApproval } from './give-back.js'
import type { Lease } from './lease.js'
import { Claim, type Verified } from './verified-claim.js'

/** How often a lease is renewed before a handler that would start late on it is given up. */
const mostRenewals = 2

type Prepared = Verified | Outcome

/**
 * Makes the decision that the handler gets of what was recorded, or parks what must not run. A handler never starts with
 * less than two thirds of a lease left.
 */
export async function prepare(lease: Lease, admission: Admission, context: PipelineContext): Promise<Prepared> {
  const { approvalId, approval } = lease
  const confirmed = readConfirmed(approval.decision)
  const original = readKept(approval.details)
  const kept = readKept(approval.context)
  if (confirmed === null || original === undefined || kept === undefined)
    return parkApproval(lease, 'corrupt', [], context)
  const rules = context.actions.get(approval.action) ?? context.fallback
  // A claim is only made where there are rules for its action.
  if (rules === null) return { kind: 'no-handler', approvalId }
  let checked: Checked
  try {
    checked = await checkRules(rules, original, kept, confirmed)
  } catch (error) {
    return failAttempt(lease, confirmed, error, context)
  }
  if (!checked.ok) return refuse(lease, confirmed, checked, context)
  if (lease.leftMs() < enoughMs(context) && !(await renew(lease, context)))
    return { kind: 'in-progress', approvalId, retryAfterMs: context.runs.leaseMs }
  const decision = decisionOf(lease, confirmed, checked)
  return { kind: 'ok', claim: new Claim(lease, confirmed, decision, admission, context) }
}

/** What the rules of the action make of details and context. */
type Checked =
  | {
      readonly ok: true
      readonly context: unknown
      readonly details: unknown
      readonly changedPaths: readonly string[]
    }
  | (
      | Extract<Effective, { ok: false }>
      | { readonly ok: false; readonly reason: 'context-invalid'; readonly paths: readonly string[] }
    )

/** Rejects where a schema throws or rejects. */
async function checkRules(
  rules: ActionRules,
  original: JsonValue,
  kept: JsonValue,
  { status, modifiedDetails }: ConfirmedDecision,
): Promise<Checked> {
  const checked = await validate(rules.context, kept)
  if (!checked.ok) return { ok: false, reason: 'context-invalid', paths: checked.paths }
  const { value: context } = checked
  if (status !== 'approved') return { ok: true, context, details: null, changedPaths: [] }
  // A schema gets a copy of its own: what it does to one must not show in another.
  const effective = await effectiveDetails(rules, original, copyOf(modifiedDetails))
  if (!effective.ok) return effective
  const { details, changedPaths } = effective
  return { ok: true, context, details, changedPaths }
}

function decisionOf(
  { approvalId, approval }: Lease,
  { status, modifiedDetails, note, decidedAt, via }: ConfirmedDecision,
  { context, details, changedPaths }: Extract<Checked, { ok: true }>,
): Decision<unknown, unknown> {
  // Spread last below: keys that follow a spread cost the engine a shape of its own each time.
  const base = {
    approvalId,
    action: approval.action,
    originalDetails: readKept(approval.details),
    modifiedDetails: copyOf(modifiedDetails),
    note,
    decidedAt: readDate(decidedAt),
    context,
    via,
  }
  return status === 'approved' ? { status, details, changedPaths, ...base } : { status, ...base }
}

async function refuse(
  lease: Lease,
  confirmed: ConfirmedDecision,
  { reason, paths }: Extract<Checked, { ok: false }>,
  context: PipelineContext,
): Promise<Outcome> {
  const parked = await parkApproval(lease, reason, paths, context)
  const isEdit = reason !== 'context-invalid' && confirmed.modifiedDetails !== null
  return isEdit ? { kind: 'edit-refused', approvalId: lease.approvalId, reason, confirmed } : parked
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
async function renew(lease: Lease, context: PipelineContext): Promise<boolean> {
  for (let renewals = 0; lease.leftMs() < enoughMs(context); renewals++) {
    if (renewals === mostRenewals) {
      await giveBack(lease, { reason: 'lease-too-short', dueInMs: 0, notBeforeMs: 0, giveAttemptBack: true }, context)
      return false
    }
    if ((await lease.extend()) !== 'extended') return false
  }
  return true
}

function enoughMs({ runs }: PipelineContext): number {
  return (runs.leaseMs * 2) / 3
}

/** What is kept, parsed; `undefined` where it is damaged. */
function readKept(text: JsonText): JsonValue | undefined {
  try {
    // JSON.parse yields nothing but JSON values.
    return JSON.parse(text) as JsonValue
  } catch {
    return undefined
  }
}

function copyOf(value: JsonObject | null): JsonObject | null {
  // A copy of a JSON object is one; by its text, which keeps keys such as __proto__.
  return value === null ? null : (readJson(JSON.stringify(value)) as JsonObject)
}
