import { type ConfirmedDecision, readConfirmed } from '../model/confirmed-decision.js'
import type { Decision } from '../model/decision.js'
import type { ErrorCode } from '../model/errors.js'
import type { ReleaseReason } from '../model/events.js'
import type { Outcome } from '../model/outcome.js'
import type { ParkReason } from '../model/park-reason.js'
import type { ActionRules } from '../options/actions.js'
import type { ApprovalRecord } from '../stores/record.js'
import type { ClaimAnswer } from '../stores/store.js'
import { backoffMs, jitter, nextPollMs } from '../util/backoff.js'
import { readDate } from '../util/dates.js'
import type { JsonObject, JsonValue } from '../util/json.js'
import { type JsonText, readJson } from '../util/json.js'
import { Claim } from './claim.js'
import { confirm, type Failure } from './confirm.js'
import { heedFailure, type PipelineContext, type Trigger, type Verified } from './context.js'
import { effectiveDetails, validate } from './effective-details.js'

/** How long after `expiresAt` we go on asking an API that gives no readable answer. */
const unconfirmedAfterMs = 86_400_000

/** Failures that are an answer about this very approval. */
const answeredCodes: ReadonlySet<ErrorCode> = new Set(['api-not-found', 'api-unreadable', 'api-refused', 'id-invalid'])

/** A claimed record on its way to a confirmed decision. */
export class ClaimedApproval {
  readonly record: ApprovalRecord
  readonly #facts: Extract<ClaimAnswer, { kind: 'claimed' }>
  readonly #token: string
  readonly #claimedAt: number
  readonly #trigger: Trigger
  readonly #core: PipelineContext

  constructor(
    facts: Extract<ClaimAnswer, { kind: 'claimed' }>,
    { token, claimedAt }: { readonly token: string; readonly claimedAt: number },
    trigger: Trigger,
    core: PipelineContext,
  ) {
    this.record = facts.record
    this.#facts = facts
    this.#token = token
    this.#claimedAt = claimedAt
    this.#trigger = trigger
    this.#core = core
  }

  /** The decision, from the API; where there is none, what became of the record. */
  async confirm(): Promise<ConfirmedDecision | Outcome> {
    const { id, assistant, action } = this.record
    const { clock, emit, client, confirm: rules } = this.#core
    if (this.#trigger.via === 'poll') {
      const waiting = await this.#waitForBudget()
      if (waiting !== null) return waiting
    }
    const found = await confirm(this.record, this.#trigger.via, client, () => clock.now())
    if (found.kind === 'decided') {
      if (found.late) emit({ type: 'late', approvalId: id, action })
      emit({ type: 'confirmed', approvalId: id, action, status: found.sealed.status, via: this.#trigger.via })
      return found.sealed
    }
    if (found.kind === 'undecided') {
      if (found.unknownWord !== null) this.#core.onUnknownWord(found.unknownWord, id)
      return this.release('undecided', this.nextPollMs(), {
        kind: 'undecided',
        approvalId: id,
        retryAfterMs: rules.minIntervalMs,
      })
    }
    heedFailure(this.#core, assistant, found)
    return this.#fail(found)
  }

  async #fail({ kind, code, pauseMs }: Failure): Promise<Outcome> {
    const { id: approvalId, expiresAt } = this.record
    const dueInMs = pauseMs > 0 ? jitter(pauseMs, this.#core.random) : this.nextPollMs()
    if (kind === 'api-failed') {
      if (expiresAt !== null && this.#isUnconfirmable(expiresAt, code)) return this.park('unconfirmed')
      return this.release(
        kind,
        dueInMs,
        { kind, approvalId, code, retryAfterMs: Math.max(this.#core.confirm.minIntervalMs, 10_000) },
        code,
      )
    }
    if (kind === 'api-throttled') return this.release(kind, dueInMs, { kind, approvalId, retryAfterMs: pauseMs }, code)
    return this.release(kind, dueInMs, { kind, approvalId }, code)
  }

  /** An API that cannot be asked at all has this process's whole hour to come back: we may have been down ourselves. */
  #isUnconfirmable(expiresAt: number, code: ErrorCode): boolean {
    const { clock, createdAt } = this.#core
    if (clock.now() <= expiresAt + unconfirmedAfterMs) return false
    return answeredCodes.has(code) || clock.elapsed() - createdAt >= 3_600_000
  }

  /** Waits under the lease for a token of the sweep's budget; gives the claim back where that would take too long. */
  async #waitForBudget(): Promise<Outcome | null> {
    const { pauses, callbackBudget, latecomers, sweepBudget, runs, random } = this.#core
    const { assistant, id: approvalId } = this.record
    let waitMs = pauses.leftMs(assistant)
    if (waitMs === 0) {
      // A callback caused this look, and may pay for it: what spoofs pull forward is then not paid for by the sweep.
      if (latecomers.has(approvalId) && callbackBudget.takeSpare(assistant) === 0) return null
      const turnMs = sweepBudget.reserve(assistant)
      const inTime = turnMs <= runs.leaseMs / 3
      if (inTime && turnMs > 0) await new Promise((resolve) => setTimeout(resolve, turnMs))
      // The API may have asked to slow down meanwhile.
      waitMs = inTime ? pauses.leftMs(assistant) : turnMs
      if (waitMs === 0) return null
      sweepBudget.giveBack(assistant)
    }
    return this.release(
      'over-budget',
      jitter(waitMs, random),
      { kind: 'over-budget', approvalId, retryAfterMs: waitMs },
      null,
      waitMs,
    )
  }

  /**
   * Makes the decision that the handler gets, each run its own copy, or parks what must not run. `confirmed` is what `sealed`
   * says, where that is known.
   */
  async prepare(
    seal: { readonly sealed: JsonText; readonly starts: number; readonly confirmed: ConfirmedDecision | null },
    rules: ActionRules,
  ): Promise<Verified | Outcome> {
    const { id: approvalId, action } = this.record
    const stored = this.#read(seal.sealed, seal.confirmed)
    if (stored === null) return this.park('corrupt')
    const { confirmed, original } = stored
    const context = await validate(rules.context, stored.context)
    if (!context.ok) return this.park('context-invalid', context.paths)
    // A handler gets copies of its own: what it does to one must not show in another, nor in what is reported.
    const edit = (): JsonObject | null =>
      confirmed.modifiedDetails === null ? null : readConfirmed(seal.sealed).modifiedDetails
    // Spread last below: keys that follow a spread cost the engine a shape of its own each time.
    const base = {
      approvalId,
      action,
      originalDetails: readJson(this.record.details),
      modifiedDetails: edit(),
      note: confirmed.note,
      decidedAt: readDate(confirmed.decidedAt),
      context: context.value,
      via: confirmed.via,
    }
    if (confirmed.status !== 'approved')
      return this.#verified({ status: confirmed.status, ...base }, confirmed, seal.starts)
    const effective = await effectiveDetails(rules, original, edit())
    if (effective.ok) {
      const { details, changedPaths } = effective
      return this.#verified({ status: confirmed.status, details, changedPaths, ...base }, confirmed, seal.starts)
    }
    await this.park(effective.reason, effective.paths)
    return { kind: 'edit-refused', approvalId, reason: effective.reason, confirmed }
  }

  #verified(decision: Decision<unknown, unknown>, confirmed: ConfirmedDecision, attempt: number): Verified {
    const { store, runs, retentionMs, random } = this.#core
    const facts = {
      token: this.#token,
      claimedAt: this.#claimedAt,
      fence: this.#facts.fence,
      attempt,
      decision,
      confirmed,
    }
    const deps = {
      store,
      leaseMs: runs.leaseMs,
      retentionMs,
      backoffMs: () => backoffMs(attempt, runs.backoffMs, random),
    }
    return { kind: 'ok', claim: new Claim(facts, deps) }
  }

  /** What the store kept, parsed; `null` where it is damaged. */
  #read(
    sealed: JsonText,
    confirmed: ConfirmedDecision | null,
  ): { readonly confirmed: ConfirmedDecision; readonly original: JsonValue; readonly context: JsonValue } | null {
    try {
      return {
        confirmed: confirmed ?? readConfirmed(sealed),
        original: readJson(this.record.details),
        context: readJson(this.record.context),
      }
    } catch {
      return null
    }
  }

  /** Time until the next look, not sleeping through `expiresAt`. */
  nextPollMs(): number {
    const { polling, random, clock } = this.#core
    const look = nextPollMs(this.#facts.ageMs, polling, random)
    const left = (this.record.expiresAt ?? Number.POSITIVE_INFINITY) - clock.now()
    return left < 0 ? look : Math.min(look, left + 1)
  }

  async release(
    reason: ReleaseReason,
    dueInMs: number,
    outcome: Outcome,
    code: ErrorCode | null = null,
    notBeforeMs: number = reason === 'closing' ? 0 : this.#core.confirm.minIntervalMs,
  ): Promise<Outcome> {
    const knocked = this.#trigger.knocked()
    const answer = await this.#core.store.release(this.record.id, this.#token, { dueInMs, notBeforeMs, knocked })
    if (answer === 'released') this.#core.emit({ type: 'released', approvalId: this.record.id, reason, dueInMs, code })
    return outcome
  }

  async park(reason: ParkReason, paths: readonly string[] = []): Promise<Outcome> {
    const { id: approvalId, action } = this.record
    const answer = await this.#core.store.park(approvalId, this.#token, reason, paths.join(' '))
    if (answer === 'parked') this.#core.emit({ type: 'parked', approvalId, action, reason, paths })
    return { kind: 'parked', approvalId, reason }
  }
}
