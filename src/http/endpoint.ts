import { LRUCache } from 'lru-cache'
import { contradictions } from '../cheqpoint/wire.js'
import { CheqpointError } from '../model/errors.js'
import { type EventListener, type RefusalReason, refusalReasons } from '../model/events.js'
import type { Outcome } from '../model/outcome.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import type { Clock } from '../util/clock.js'
import { sleep } from '../util/sleep.js'
import { isRequest } from './hosts.js'
import {
  type Callback,
  checkMethod,
  checkRequest,
  isCallback,
  type PlausibleCallback,
  type RequestRules,
} from './request-checks.js'
import { type CallbackResponse, toResponse, withoutConnection } from './responses.js'

export interface EndpointDeps {
  readonly rules: RequestRules
  readonly pipeline: Pick<Pipeline, 'process'>
  readonly emit: EventListener
  readonly clock: Clock
  readonly maxInFlight: number
  /** How long a callback waits for its handler. */
  readonly ackAfterMs: number
  readonly minIntervalMs: number
  readonly isClosing: () => boolean
  readonly isSwept: () => boolean
  /** Resolves when the store was checked; rejects while it must not be used. */
  readonly ready: () => Promise<void> | undefined
}

/** What a host offers while a callback is handled. */
export interface HandleOptions {
  /** Keeps a serverless host alive for the given work, so that a slow handler need not hold up the response. */
  readonly waitUntil?: ((work: Promise<unknown>) => void) | undefined
}

const refusals: ReadonlySet<string> = new Set(refusalReasons)

/** Ids of callbacks that came before their request was registered; it is due at once when it is. */
const earlyOptions = { maxSize: 1_000, sizeCalculation: () => 1, ttl: 60_000, ttlResolution: 0 }

/** How much later than planned the minimum interval may end: a holder takes the store's time for later than it is. */
const skewMs = 250

/** Where callbacks come in: checks, then the pipeline, then the response from the one table. */
export class Endpoint {
  readonly #deps: EndpointDeps
  readonly #early: LRUCache<string, true>
  /** Approvals that a callback waits for until their minimum interval is over. */
  readonly #waiting = new Set<string>()
  #inFlight = 0
  #tokensRefused = 0

  constructor(deps: EndpointDeps) {
    this.#deps = deps
    // To lru-cache an entry stored at 0 is one without a time.
    this.#early = new LRUCache({ ...earlyOptions, perf: { now: () => deps.clock.elapsed() + 1 } })
  }

  /** Callbacks under way that have a body or a valid token. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Callbacks refused for their token since the receiver was made. */
  get tokensRefused(): number {
    return this.#tokensRefused
  }

  /** Whether a callback for this id was refused as unknown a moment ago. */
  cameEarly(id: string): boolean {
    const early = this.#early.has(id)
    this.#early.delete(id)
    return early
  }

  /** Rejects only with `argument-invalid`, for what is no callback. */
  async handle(callback: Callback, options: HandleOptions = {}): Promise<CallbackResponse> {
    if (!isCallback(callback)) throw notACallback(callback)
    const response = await this.#handle(callback, options)
    return (callback.httpMajor ?? 1) < 2 ? response : withoutConnection(response)
  }

  async #handle(callback: Callback, options: HandleOptions): Promise<CallbackResponse> {
    const { isClosing, maxInFlight, rules } = this.#deps
    const refused = checkMethod(callback)
    if (refused !== null) return this.#respond(refused, null)
    if (isClosing()) return this.#respond({ kind: 'closing' }, null)
    if (this.#inFlight >= maxInFlight) return this.#respond({ kind: 'overloaded' }, null)
    let isIn = false
    const enter = (): void => {
      if (!isIn) this.#inFlight++
      isIn = true
    }
    try {
      const plausible = await checkRequest(callback, rules, enter)
      if (plausible.kind !== 'plausible') return this.#respond(plausible, null)
      // Others may have taken the last place while the body came.
      if (!isIn && this.#inFlight >= maxInFlight) return this.#respond({ kind: 'overloaded' }, null)
      enter()
      return await this.#resolve(plausible, options)
    } catch (error) {
      this.#deps.emit({ type: 'store-failed', operation: 'handle', error })
      return this.#respond({ kind: 'store-unavailable', error }, null)
    } finally {
      if (isIn) this.#inFlight--
    }
  }

  async #resolve(callback: PlausibleCallback, options: HandleOptions): Promise<CallbackResponse> {
    const checked = this.#deps.ready()
    if (checked !== undefined) await checked
    const work = this.#process(callback)
    const outcome = await this.#acknowledge(callback, work, options)
    // Answered, but what the handler's end says of the callback is still worth reporting. It cannot reject.
    if (outcome.kind === 'running') void work.then((ended) => this.#report(callback, ended))
    return this.#report(callback, outcome)
  }

  async #process({ payload, ref }: PlausibleCallback): Promise<Outcome> {
    const { pipeline, isSwept, minIntervalMs } = this.#deps
    const { id: approvalId } = payload
    const trigger = { approvalId, via: 'callback', ref } as const
    const outcome = await pipeline.process(trigger)
    if (outcome.kind !== 'too-soon' || isSwept() || outcome.retryAfterMs > minIntervalMs + skewMs) return outcome
    // Nothing polls later, and the sender may not come again: one callback waits, and its copies are sent away.
    if (this.#waiting.has(approvalId)) return outcome
    this.#waiting.add(approvalId)
    try {
      // A timer may fire a fraction of a millisecond early.
      const waitMs = Math.ceil(outcome.retryAfterMs) + 1
      await sleep(waitMs)
      return await pipeline.process(trigger)
    } finally {
      this.#waiting.delete(approvalId)
    }
  }

  /** The outcome, or that it is still to come where something else takes care of it. */
  #acknowledge({ payload }: PlausibleCallback, work: Promise<Outcome>, { waitUntil }: HandleOptions): Promise<Outcome> {
    const { isSwept, ackAfterMs, emit } = this.#deps
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined
      // A host that does not take the work counts as one without `waitUntil`.
      const onRefused = (error: unknown): void => {
        emit({ type: 'wait-until-failed', error })
        if (!isSwept()) clearTimeout(timer)
      }
      if (isSwept() || waitUntil !== undefined)
        timer = setTimeout(() => resolve({ kind: 'running', approvalId: payload.id }), ackAfterMs).unref()
      if (waitUntil !== undefined) keepAlive(waitUntil, work, onRefused)
      // It cannot reject.
      void work.then((outcome) => {
        clearTimeout(timer)
        resolve(outcome)
      })
    })
  }

  #report({ payload }: PlausibleCallback, outcome: Outcome): CallbackResponse {
    const { id } = payload
    if (outcome.kind === 'unknown-approval') this.#early.set(id, true)
    if ('confirmed' in outcome && outcome.confirmed !== null) {
      const fields = contradictions(payload, outcome.confirmed)
      if (fields.length > 0) this.#deps.emit({ type: 'mismatch', approvalId: id, fields })
    }
    return this.#respond(outcome, id)
  }

  /** From the one table. */
  #respond(outcome: Outcome, approvalId: string | null): CallbackResponse {
    const { kind } = outcome
    if (kind === 'token-refused') this.#tokensRefused++
    if (isRefusal(kind)) this.#deps.emit({ type: 'refused', reason: kind, approvalId })
    return toResponse(outcome, { swept: this.#deps.isSwept() })
  }
}

function isRefusal(kind: string): kind is RefusalReason {
  return refusals.has(kind)
}

function keepAlive(
  waitUntil: (work: Promise<unknown>) => void,
  work: Promise<unknown>,
  onRefused: (error: unknown) => void,
): void {
  try {
    const returned: unknown = waitUntil(work)
    Promise.resolve(returned).catch(onRefused)
  } catch (error) {
    onRefused(error)
  }
}

function notACallback(given: unknown): CheqpointError {
  const fix = isRequest(given)
    ? 'call receiver.fetch(request) for a Web-standard request'
    : 'use an adapter, or make one with fromIncoming(request) or fromRequest(request)'
  return new CheqpointError('argument-invalid', `receiver.handle() takes a Callback; ${fix}`)
}
