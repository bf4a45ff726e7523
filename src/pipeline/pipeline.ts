import type { Via } from '../model/decision.js'
import type { Outcome } from '../model/outcome.js'
import type { Handler } from '../options/actions.js'
import type { PipelineContext, Trigger } from './context.js'
import { resolve } from './resolve.js'
import { type RunDeps, run } from './run-handler.js'

export interface PipelineDeps extends RunDeps {
  readonly core: PipelineContext
  readonly handlerFor: (action: string) => Handler | null
  /** Whether something looks after what is left open. */
  readonly isSwept: () => boolean
}

/** What is left of a flight, so that a table of flights that is garbage keeps nothing else from being freed. */
const over: Promise<Outcome> = Promise.resolve({ kind: 'closing' })

/** One look at an approval, and what came of it, for all who asked meanwhile. */
class Flight implements Trigger {
  readonly via: Via
  readonly ref: string | undefined
  /** The handler has been called. */
  running = false
  outcome = over
  /** Another callback joined since the record was last told. */
  #knocked = false

  constructor(via: Via, ref: string | undefined) {
    this.via = via
    this.ref = ref
  }

  knock(): void {
    this.#knocked = true
  }

  knocked(): boolean {
    const knocked = this.#knocked
    this.#knocked = false
    return knocked
  }
}

/**
 * From any trigger to a recorded completion. In one process there is one flight for an approval at a time: whoever
 * comes meanwhile shares it, and its outcome.
 */
export class Pipeline {
  readonly #deps: PipelineDeps
  readonly #flights = new Map<string, Flight>()

  constructor(deps: PipelineDeps) {
    this.#deps = deps
  }

  /** Approvals being worked on in this process. */
  get size(): number {
    return this.#flights.size
  }

  /** Resolves once nothing is being worked on. */
  async idle(): Promise<void> {
    while (this.#flights.size > 0) await Promise.allSettled([...this.#flights.values()].map(({ outcome }) => outcome))
  }

  /**
   * Never rejects. Those with another `ref` do not share: a token must be that of the record. Asked by hand while the
   * handler is at work it answers `running`, for it may be the handler that asks, and would wait for itself.
   */
  resolve(id: string, via: Via, ref?: string): Promise<Outcome> {
    const key = flightKey(id, ref)
    const current = this.#flights.get(key)
    if (current !== undefined) {
      if (via === 'callback') current.knock()
      if (via === 'manual' && current.running) return Promise.resolve({ kind: 'running', approvalId: id })
      return current.outcome
    }
    const flight = new Flight(via, ref)
    this.#flights.set(key, flight)
    flight.outcome = this.#fly(id, flight)
    return flight.outcome
  }

  async #fly(id: string, flight: Flight): Promise<Outcome> {
    const { core, isSwept, handlerFor } = this.#deps
    const { via, ref } = flight
    try {
      let found = await resolve(id, flight, core)
      if (
        found.kind === 'too-soon' &&
        via === 'callback' &&
        !isSwept() &&
        found.retryAfterMs <= core.confirm.minIntervalMs
      ) {
        // Nobody else will look, and the sender may not come again: wait the gap out.
        // A timer may ring a fraction of a millisecond early.
        const minIntervalMs = Math.ceil(found.retryAfterMs) + 1
        await new Promise((resolve) => setTimeout(resolve, minIntervalMs))
        found = await resolve(id, flight, core)
      }
      if (found.kind === 'ok') {
        const handler = handlerFor(found.claim.decision.action)
        flight.running = true
        // A claim is only verified where there are rules for its action, and rules come with a handler.
        return handler === null ? { kind: 'no-handler', approvalId: id } : await run(found.claim, handler, this.#deps)
      }
      // Where the store failed, everybody is told that nobody has the rest; asking it again would only hold that up.
      while (found.kind !== 'store-unavailable' && flight.knocked()) await this.#passOnKnock(id, ref)
      return found
    } finally {
      // In the step of the last check: a callback that joined in between would be told of a look that is over.
      this.#flights.delete(flightKey(id, ref))
      flight.outcome = over
    }
  }

  /** Tells the store of callbacks that joined too late to be told with the release. */
  async #passOnKnock(id: string, ref: string | undefined): Promise<void> {
    const { core, emit } = this.#deps
    try {
      await core.store.knock(id, { ref, withinMs: core.confirm.minIntervalMs })
    } catch (error) {
      emit({ type: 'store-failed', operation: 'knock', error })
    }
  }
}

function flightKey(id: string, ref: string | undefined): string {
  return ref === undefined ? id : `${id} ${ref}`
}
