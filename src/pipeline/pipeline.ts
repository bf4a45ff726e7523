import type { Outcome } from '../model/outcome.js'
import type { Handler } from '../options/actions.js'
import type { PipelineContext, Trigger } from './context.js'
import { resolve } from './resolve.js'
import { runHandler } from './run-handler.js'
import type { Verified } from './verified-claim.js'

/**
 * From any trigger to a recorded completion:
 *
 *   admit ─► claim (lease) ─► confirm (GET) ─► record ─► run handler ─┬ returned → complete (tombstone)
 *                                                                     ├ threw    → release, retry later; park after maxAttempts
 *                                                                     └ bad edit → park for a person
 */
export class Pipeline {
  readonly #context: PipelineContext
  readonly #handlerFor: (action: string) => Handler | null
  readonly #inProgress = new Set<Promise<unknown>>()

  constructor(context: PipelineContext, handlerFor: (action: string) => Handler | null) {
    this.#context = context
    this.#handlerFor = handlerFor
  }

  /** Triggers being worked on in this process. */
  get size(): number {
    return this.#inProgress.size
  }

  /** Resolves once nothing is being worked on. */
  async idle(): Promise<void> {
    while (this.#inProgress.size > 0) await Promise.allSettled(this.#inProgress)
  }

  /** The whole way. Never rejects. */
  process(trigger: Trigger): Promise<Outcome> {
    return this.#track(this.#process(trigger))
  }

  /** The way up to the handler, and what runs that: for the sweep, whose places are for polls alone. Never rejects. */
  async begin(trigger: Trigger): Promise<() => Promise<Outcome>> {
    const resolved = await this.#track(resolve(trigger, this.#context))
    return () => this.#track(this.#run(resolved))
  }

  async #process(trigger: Trigger): Promise<Outcome> {
    return this.#run(await resolve(trigger, this.#context))
  }

  async #run(resolved: Verified | Outcome): Promise<Outcome> {
    if (resolved.kind !== 'ok') return resolved
    const { claim } = resolved
    const handler = this.#handlerFor(claim.decision.action)
    // A claim is only made where there is a handler.
    return handler === null
      ? { kind: 'no-handler', approvalId: claim.approvalId }
      : runHandler(claim, handler, this.#context)
  }

  #track<Value>(work: Promise<Value>): Promise<Value> {
    this.#inProgress.add(work)
    void work.finally(() => this.#inProgress.delete(work)) // it cannot reject
    return work
  }
}
