import { approvalKey, type Known, type OpenApproval, readApproval, type Step } from '../approvals/entry.js'
import * as steps from '../approvals/holder.js'
import type { Stepped } from '../approvals/records.js'
import type { ConfirmedDecision } from '../model/confirmed-decision.js'
import type { ParkReason } from '../model/park-reason.js'
import type { Completion, Stored } from '../stores/store.js'
import type { JsonText } from '../util/json.js'
import type { PipelineContext } from './context.js'

type LeaseContext = Pick<PipelineContext, 'records' | 'clock' | 'runs' | 'retentionMs'>

/**
 * The right to work on one approval until the lease ends. Every write is fenced: `lost` means that another holder took
 * over, and nothing was written. Each may be sent again after a rejection. A holder goes on from the entry that it wrote
 * last, and reads again only where that is not stored any more.
 */
export class Lease {
  readonly approvalId: string
  readonly #key: string
  readonly #token: string
  readonly #context: LeaseContext
  /** As it was claimed, or recorded. */
  approval: OpenApproval
  /** What was read or written last, at the store's time of the last read. */
  #stored: Known
  /** When that read was sent, by the clock's elapsed time. */
  #sentAt: number
  #renewedAt: number

  constructor(
    approvalId: string,
    token: string,
    approval: OpenApproval,
    { stored, sentAt }: Pick<Stepped<unknown>, 'stored' | 'sentAt'>,
    context: LeaseContext,
  ) {
    this.approvalId = approvalId
    this.#key = approvalKey(approvalId)
    this.#token = token
    this.#context = context
    this.approval = approval
    this.#stored = stored
    this.#sentAt = sentAt
    // Where the claim had landed before this read, what is left of its lease is less than a whole one.
    const givenMs = (approval.leaseEnd ?? stored.now) - stored.now
    this.#renewedAt = sentAt + Math.min(0, givenMs - context.runs.leaseMs)
  }

  /** Time since the approval was registered, by the store's clock. */
  get ageMs(): number {
    const { now } = this.#storedAt(this.#context.clock.elapsed())
    return now - this.approval.since
  }

  /** How much of the lease is left, in milliseconds, at least. */
  leftMs(elapsed: number = this.#context.clock.elapsed()): number {
    return this.#context.runs.leaseMs - (elapsed - this.#renewedAt)
  }

  extend(): Promise<'extended' | 'completed' | 'lost'> {
    const command = { token: this.#token, leaseMs: this.#context.runs.leaseMs }
    return this.#change((stored) => steps.extend(stored, command))
  }

  /** See `recordDecision` of the state machine. `false` where the lease was lost. */
  recordDecision(decision: ConfirmedDecision, countAttempt: boolean): Promise<boolean> {
    const command = { token: this.#token, leaseMs: this.#context.runs.leaseMs, decision, countAttempt }
    return this.#change((stored) => {
      const { result, next } = steps.recordDecision(stored, command)
      if (result.kind === 'recorded') this.approval = result.approval
      return { result: result.kind === 'recorded', next }
    })
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
    const step = this.#completion(result)
    return this.#change(step)
  }

  /**
   * By what was read or written last: `open` while this lease holds the approval, `given-back` if it gave the approval
   * back and it was not claimed since.
   */
  get state(): 'completed' | 'open' | 'given-back' | 'lost' {
    const stored = this.#storedAt(this.#context.clock.elapsed())
    const { result, next } = this.#completion(null)(stored)
    if (next !== undefined) return 'open'
    const known = readApproval(stored)
    const isLast = known !== null && known !== 'unreadable' && known.holder === this.#token
    return isLast && known.kind === 'open' ? 'given-back' : result
  }

  /** What a SQL store writes in the caller's transaction. */
  transaction(result: JsonText | null): Pick<Completion, 'key' | 'step'> {
    const complete = this.#completion(result)
    const step = (stored: Stored): ReturnType<Completion['step']> => {
      const { next } = complete(stored)
      if (stored.entry === null || next?.keepMs === undefined) return null
      return { expected: stored.entry.stamp, entry: this.#context.records.entryOf(next), keepMs: next.keepMs }
    }
    return { key: this.#key, step }
  }

  #completion(result: JsonText | null): (stored: Stored) => Step<'completed' | 'lost'> {
    const command = { token: this.#token, result, keepMs: this.#context.retentionMs }
    return (stored) => steps.complete(stored, command)
  }

  /**
   * What is held, at the store's time as it is known here: counted from when the last read was sent, it is never
   * behind, so that a lease never ends earlier in the store than its holder believes.
   */
  #storedAt(elapsed: number): Known {
    const { now, entry, known } = this.#stored
    return { now: now + Math.ceil(elapsed - this.#sentAt), entry, known }
  }

  /** Takes a step from what is held, and where another writer was faster, from what is stored. */
  async #change<Result>(step: (stored: Known) => Step<Result>): Promise<Result> {
    const { clock, records } = this.#context
    const startedAt = clock.elapsed()
    const over = this.#storedAt(startedAt)
    const { result, next } = step(over)
    if (next === undefined) return result
    const entry = records.entryOf(next)
    const isWritten = await records.write(this.#key, over, entry, next)
    const stepped = isWritten
      ? { result, stored: { now: this.#stored.now, entry, known: next.state }, sentAt: this.#sentAt }
      : await records.begin(this.#key, step)
    this.#stored = stepped.stored
    this.#sentAt = stepped.sentAt
    // Where the lease did not end with it, the write renewed it.
    this.#renewedAt = Math.max(this.#renewedAt, startedAt)
    return stepped.result
  }
}
