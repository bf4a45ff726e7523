import type { Outcome } from '../model/outcome.js'
import type { PipelineContext, Trigger } from './context.js'
import { resolve } from './resolve.js'
import { runHandler } from './run-handler.js'
import type { Claim } from './verified-claim.js'

/**
 * From any trigger to a recorded completion:
 *
 *   admit ─► claim (lease) ─► confirm (GET) ─► record ─► run handler ─┬ returned → complete (tombstone)
 *                                                                     ├ threw    → release, retry later; park after maxAttempts
 *                                                                     └ bad edit → park for a person
 */
export class Pipeline {
  readonly #context: PipelineContext
  #size = 0
  #onIdle: (() => void)[] = []

  constructor(context: PipelineContext) {
    this.#context = context
  }

  /** Triggers being worked on in this process. */
  get size(): number {
    return this.#size
  }

  /** Resolves once nothing is being worked on. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#size === 0) resolve()
      else this.#onIdle.push(resolve)
    })
  }

  /**
   * The whole way. Never rejects. `onResolved` is called before the handler starts: from then on the sweep does not count
   * the approval as a poll.
   */
  process(trigger: Trigger, onResolved?: () => void): Promise<Outcome> {
    const { approvalId, via } = trigger
    const work = (): Promise<Outcome> => this.#process(trigger, onResolved)
    if (via === 'manual' || via === 'inline') return work()
    return this.#context.telemetry.during({ kind: via === 'poll' ? 'sweep' : via, approvalId }, work)
  }

  async #process(trigger: Trigger, onResolved?: () => void): Promise<Outcome> {
    this.#size++
    let claim: Claim | undefined
    try {
      const resolved = await resolve(trigger, this.#context)
      onResolved?.()
      if (resolved.kind !== 'ok') return resolved
      claim = resolved.claim
      const { actions, fallback, running } = this.#context
      const handler = (actions.get(claim.decision.action) ?? fallback)?.handler
      // A claim is only made where there is a handler.
      if (handler === undefined) return { kind: 'no-handler', approvalId: claim.approvalId }
      running.add(claim.approvalId)
      return await runHandler(claim, handler, this.#context)
    } finally {
      if (claim !== undefined) {
        claim.end()
        this.#context.running.delete(claim.approvalId)
      }
      if (--this.#size === 0) for (const onIdle of this.#onIdle.splice(0)) onIdle()
    }
  }
}
