import type { OpenApproval, Step } from '../approvals/entry.js'
import type { HeldEntry } from '../approvals/held-entry.js'
import * as steps from '../approvals/holder.js'
import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Completion, Stored } from '../stores/store.js'
import type { JsonText } from '../util/json.js'
import type { PipelineContext } from './context.js'

type LeaseDeps = Pick<PipelineContext, 'clock' | 'runs' | 'retentionMs'>

/**
 * The right to work on one approval until the lease ends. Every write is fenced: `lost` means that another holder took
 * over, and nothing was written. Each may be sent again after a rejection.
 */
export class Lease {
  readonly approvalId: string
  readonly #held: HeldEntry
  readonly #token: string
  readonly #deps: LeaseDeps
  #approval: OpenApproval
  #renewedAt: number

  constructor(approvalId: string, token: string, approval: OpenApproval, held: HeldEntry, deps: LeaseDeps) {
    this.approvalId = approvalId
    this.#token = token
    this.#held = held
    this.#approval = approval
    // Where the claim had landed before this read, what is left of its lease is less than a whole one.
    const { now } = held.stored
    const endsInMs = (approval.leaseEnd ?? now) - now
    this.#renewedAt = Math.min(held.readAt, deps.clock.elapsed() + endsInMs - deps.runs.leaseMs)
    this.#deps = deps
  }

  /** The approval as it was written last. */
  get approval(): OpenApproval {
    return this.#approval
  }

  /** Time since the approval was registered, by the store's clock. */
  get ageMs(): number {
    return this.#held.stored.now - this.#approval.since
  }

  /** How much of the lease is left, in milliseconds, at least. */
  get leftMs(): number {
    return this.#deps.runs.leaseMs - (this.#deps.clock.elapsed() - this.#renewedAt)
  }

  async extend(): Promise<'extended' | 'lost'> {
    const { clock, runs } = this.#deps
    const sentAt = clock.elapsed()
    const answer = await this.#change((stored) => steps.extend(stored, { token: this.#token, leaseMs: runs.leaseMs }))
    if (answer === 'extended') this.#renewedAt = Math.max(this.#renewedAt, sentAt)
    return answer
  }

  /** See `recordDecision` of the state machine. `false` where the lease was lost. */
  async recordDecision(decision: ConfirmedDecision, countAttempt: boolean): Promise<boolean> {
    const { clock, runs } = this.#deps
    const sentAt = clock.elapsed()
    const command = { token: this.#token, leaseMs: runs.leaseMs, decision, countAttempt }
    const answer = await this.#change((stored) => steps.recordDecision(stored, command))
    if (answer.kind === 'lost') return false
    this.#approval = answer.approval
    this.#renewedAt = sentAt
    return true
  }

  release(dueInMs: number, notBeforeMs: number, giveAttemptBack = false): Promise<'released' | 'lost'> {
    const command = { token: this.#token, dueInMs, notBeforeMs, giveAttemptBack }
    return this.#change((stored) => steps.release(stored, command))
  }

  park(reason: ParkReason, paths: readonly string[] = []): Promise<'parked' | 'lost'> {
    const command = { token: this.#token, reason, note: paths.join(' ') }
    return this.#change((stored) => steps.park(stored, command))
  }

  complete(result: JsonText | null): Promise<'completed' | 'lost'> {
    return this.#change((stored) => steps.complete(stored, this.#completion(result)))
  }

  /** What the store says became of it: `open` where it is still this lease's. */
  async check(): Promise<'completed' | 'open' | 'lost'> {
    return this.#change((stored) => {
      const completed = steps.complete(stored, this.#completion(null))
      return { result: completed.next === undefined ? completed.result : ('open' as const) }
    })
  }

  /** What a SQL store writes in the caller's transaction. The same write each time, until something else is stored. */
  transaction(result: JsonText | null): Pick<Completion, 'key' | 'step'> {
    const complete = (stored: Stored): Step<'completed' | 'lost'> => steps.complete(stored, this.#completion(result))
    const first = this.#held.prepare(complete)
    const written = (prepared: typeof first): ReturnType<Completion['step']> => {
      const { expected, entry, keepMs } = prepared
      return expected === null || entry === null || keepMs === undefined ? null : { expected, entry, keepMs }
    }
    return {
      key: this.#held.key,
      step: (stored) => written(stored === undefined ? first : this.#held.prepare(complete, stored)),
    }
  }

  #completion(result: JsonText | null): Parameters<typeof steps.complete>[1] {
    return { token: this.#token, result, keepMs: this.#deps.retentionMs }
  }

  #change<Result>(step: (stored: Stored) => Step<Result>): Promise<Result> {
    return this.#held.change(step)
  }
}
