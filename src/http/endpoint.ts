import { LRUCache } from 'lru-cache'
import { contradictions } from '../cheqpoint/wire.js'
import { type EventListener, type RefusalReason, refusalReasons } from '../model/events.js'
import type { Outcome } from '../model/outcome.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import type { Clock } from '../util/clock.js'
import type { SharedTimer } from '../util/shared-timer.js'
import {
  type Callback,
  checkMethod,
  checkRequest,
  type PlausibleCallback,
  type RequestRules,
} from './request-checks.js'
import { type CallbackResponse, toResponse } from './responses.js'

export interface EndpointDeps {
  readonly intake: RequestRules
  readonly pipeline: Pipeline
  readonly emit: EventListener
  readonly clock: Clock
  readonly maxInFlight: number
  /** Rings when a callback has waited long enough for its handler. */
  readonly ack: SharedTimer
  readonly isClosing: () => boolean
  readonly isSwept: () => boolean
  /** Resolves when the store has been looked at; rejects while it must not be used. */
  readonly ready: () => Promise<void> | undefined
}

/** What a host offers while a callback is handled. */
export interface HandleOptions {
  /** Keeps a serverless host alive for the given work, so that a slow handler need not hold up the answer. */
  readonly waitUntil?: ((work: Promise<unknown>) => void) | undefined
}

const refusals: ReadonlySet<string> = new Set(refusalReasons)

/** Ids of callbacks that came before their request was registered; it is due at once when it is. */
const earlyOptions = { maxSize: 1_000, sizeCalculation: () => 1, ttl: 60_000, ttlResolution: 0 }

/** Where callbacks come in: checks, then the pipeline, then the answer from the one table. */
export class Endpoint {
  readonly #deps: EndpointDeps
  readonly #early: LRUCache<string, true>
  #inFlight = 0

  constructor(deps: EndpointDeps) {
    this.#deps = deps
    // To lru-cache an entry stored at 0 is one without a time.
    this.#early = new LRUCache({ ...earlyOptions, perf: { now: () => deps.clock.elapsed() + 1 } })
  }

  /** Callbacks not yet answered. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Whether a callback for this id was refused as unknown a moment ago. */
  cameEarly(id: string): boolean {
    const early = this.#early.has(id)
    this.#early.delete(id)
    return early
  }

  /** Never rejects. */
  async handle(callback: Callback, options: HandleOptions = {}): Promise<CallbackResponse> {
    const { emit, isClosing, maxInFlight, intake, ready } = this.#deps
    const refused = checkMethod(callback)
    if (refused !== null) return this.#answer(refused, null)
    if (isClosing()) return this.#answer({ kind: 'closing' }, null)
    if (this.#inFlight >= maxInFlight) return this.#answer({ kind: 'overloaded' }, null)
    this.#inFlight++
    try {
      const plausible = await checkRequest(callback, intake)
      if (plausible.kind !== 'plausible') return this.#answer(plausible, null)
      const looking = ready()
      if (looking !== undefined) await looking
      const work = this.#deps.pipeline.resolve(plausible.payload.id, 'callback', plausible.ref)
      const outcome = await this.#acknowledge(plausible, work, options)
      // Answered, but what the handler's end tells of the callback is still worth knowing. It cannot reject.
      if (outcome.kind === 'running') void work.then((ended) => this.#report(plausible, ended))
      return this.#report(plausible, outcome)
    } catch (error) {
      emit({ type: 'store-failed', operation: 'handle', error })
      return this.#answer({ kind: 'store-unavailable', error }, null)
    } finally {
      this.#inFlight--
    }
  }

  /** The outcome, or that it is still to come where something else looks after it. */
  #acknowledge(callback: PlausibleCallback, work: Promise<Outcome>, { waitUntil }: HandleOptions): Promise<Outcome> {
    const { isSwept, ack } = this.#deps
    if (waitUntil !== undefined) keepAlive(waitUntil, work)
    if (!isSwept() && waitUntil === undefined) return work
    return new Promise((resolve) => {
      const disarm = ack.start(() => resolve({ kind: 'running', approvalId: callback.payload.id }))
      // It cannot reject.
      void work.then((outcome) => {
        disarm()
        resolve(outcome)
      })
    })
  }

  #report(callback: PlausibleCallback, outcome: Outcome): CallbackResponse {
    const { id } = callback.payload
    if (outcome.kind === 'unknown-approval') this.#early.set(id, true)
    if ('confirmed' in outcome && outcome.confirmed !== null) {
      const fields = contradictions(callback.payload, outcome.confirmed)
      if (fields.length > 0) this.#deps.emit({ type: 'mismatch', approvalId: id, fields })
    }
    return this.#answer(outcome, id)
  }

  /** From the one table. */
  #answer(outcome: Outcome, approvalId: string | null): CallbackResponse {
    const { kind } = outcome
    if (isRefusal(kind)) this.#deps.emit({ type: 'refused', reason: kind, approvalId })
    return toResponse(outcome, { swept: this.#deps.isSwept() })
  }
}

function isRefusal(kind: string): kind is RefusalReason {
  return refusals.has(kind)
}

/** A host whose `waitUntil` throws or rejects loses the early answer's safety net, not the answer. */
function keepAlive(waitUntil: (work: Promise<unknown>) => void, work: Promise<unknown>): void {
  try {
    const returned: unknown = waitUntil(work)
    Promise.resolve(returned).catch(() => {})
  } catch {
    // The lease and the sweep repair what a frozen host leaves behind.
  }
}
