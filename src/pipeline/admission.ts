import type { OpenApproval } from '../approvals/entry.js'
import type { Outcome } from '../model/outcome.js'
import { jitter } from '../util/backoff.js'
import type { PipelineContext, Trigger } from './context.js'

/** Why an approval is not claimed here and now, and what is written of that. */
export interface Denial {
  readonly outcome: Outcome
  /**
   * `nothing`: the approval comes again by itself. `nudge`: a callback found no room, and the sweep shall poll soon.
   * `defer`: it is due when this process can serve it.
   */
  readonly write: 'nothing' | 'nudge' | 'defer'
  readonly dueInMs?: number | undefined
}

/** A callback that finds no room makes its approval due within this time. */
export const nudgedWithinMs = 15_000
/** When to come again where all places are taken. */
const fullRetryMs = 1_000

/**
 * What one trigger holds of this process's capacity: a poll slot, a handler slot, a token of a budget. A process claims
 * only what it can serve, so that its own trouble never delays the others. {@link end} gives back what was not used.
 */
export class Admission {
  readonly #trigger: Trigger
  readonly #context: PipelineContext
  #hasPollSlot = false
  #hasHandlerSlot = false
  /** A token that was taken and not used, and what gives it back. */
  #giveBackToken: (() => void) | null = null
  #isPaid = false

  constructor(trigger: Trigger, context: PipelineContext) {
    this.#trigger = trigger
    this.#context = context
  }

  /** Between the read and the write of a claim: takes what serving this approval needs, or says why there is none. */
  admit(approval: OpenApproval): Denial | null {
    const { actions, fallback, life, client, onNoHandler, onNoKey } = this.#context
    const { approvalId, via } = this.#trigger
    const { action, assistant } = approval
    if (life.isClosing) {
      const outcome = { kind: 'closing' } as const
      // The sweep took it, which hides it from other processes.
      return via === 'poll' ? { outcome, write: 'defer', dueInMs: 0 } : { outcome, write: 'nothing' }
    }
    // The lease ran out, in an outage of the store perhaps, and the handler goes on: not beside itself.
    if (this.#context.running.has(approvalId))
      return { outcome: { kind: 'in-progress', approvalId, retryAfterMs: fullRetryMs }, write: 'nothing' }
    if (!actions.has(action) && fallback === null) {
      onNoHandler(action, approvalId)
      return { outcome: { kind: 'no-handler', approvalId }, write: 'nothing' }
    }
    // A recorded decision needs no API, nor what was taken for that before another process recorded it.
    if (approval.decision !== null) {
      this.end()
      return this.takeHandlerSlot() ? null : this.#full('nothing')
    }
    if (client.assistants?.has(assistant ?? '') === false) {
      onNoKey(assistant ?? '', approvalId)
      return { outcome: { kind: 'assistant-unknown', approvalId }, write: 'nothing' }
    }
    return this.#paused(assistant) ?? this.#takePollSlot() ?? this.#pay(assistant)
  }

  /** Takes a place for the handler. */
  takeHandlerSlot(): boolean {
    this.#hasHandlerSlot ||= this.#context.handlers.take()
    return this.#hasHandlerSlot
  }

  /** The GET is sent now: the token is spent. */
  spend(): void {
    this.#giveBackToken = null
  }

  /** The poll is over. */
  endPoll(): void {
    if (this.#hasPollSlot) this.#context.polls.giveBack()
    this.#hasPollSlot = false
  }

  /** Gives back what is left. */
  end(): void {
    this.endPoll()
    if (this.#hasHandlerSlot) this.#context.handlers.giveBack()
    this.#hasHandlerSlot = false
    this.#giveBackToken?.()
    this.#giveBackToken = null
  }

  #paused(assistant: string | null): Denial | null {
    const { approvalId, via } = this.#trigger
    const { pauses, random } = this.#context
    const pause = pauses.current(assistant)
    if (pause === null || via === 'manual') return null
    const { reason, leftMs } = pause
    // A refused key is this process's own trouble: another one may have a key that works.
    if (reason === 'api-key-refused') return { outcome: { kind: reason, approvalId }, write: 'nothing' }
    const outcome: Outcome = { kind: 'api-throttled', approvalId, retryAfterMs: leftMs }
    return via === 'poll'
      ? { outcome, write: 'defer', dueInMs: leftMs + jitter(1_000, random) }
      : { outcome, write: 'nudge' }
  }

  #takePollSlot(): Denial | null {
    const { polls } = this.#context
    const { via, ref } = this.#trigger
    const isCallback = via === 'callback'
    // Callbacks without a token leave a quarter of the places to all others.
    this.#hasPollSlot ||= polls.take(isCallback && ref === undefined ? polls.share(1 / 4) : 0)
    return this.#hasPollSlot ? null : this.#full(isCallback ? 'nudge' : 'nothing')
  }

  /** A callback with the token of its approval is no spoof, and pays nothing; nor do a person and a submission. */
  #pay(assistant: string | null): Denial | null {
    const { callbackBudget, turns } = this.#context
    const { approvalId, via, ref } = this.#trigger
    if (this.#isPaid || via === 'manual' || via === 'inline' || (via === 'callback' && ref !== undefined)) return null
    const isPoll = via === 'poll'
    const waitMs = isPoll ? turns.take(approvalId, assistant) : callbackBudget.take(assistant)
    if (waitMs > 0) {
      const outcome: Outcome = { kind: 'over-budget', approvalId, retryAfterMs: waitMs }
      return isPoll ? { outcome, write: 'defer', dueInMs: waitMs } : { outcome, write: 'nudge' }
    }
    this.#isPaid = true
    this.#giveBackToken = () => (isPoll ? turns : callbackBudget).giveBack(assistant)
    return null
  }

  #full(write: Denial['write']): Denial {
    const { approvalId } = this.#trigger
    return { outcome: { kind: 'no-free-slot', approvalId, retryAfterMs: fullRetryMs }, write }
  }
}
