import { LRUCache } from 'lru-cache'
import type { CallbackPayload } from '../cheqpoint/wire.js'
import { CheqpointError, isCheqpointError } from '../model/errors.js'
import type { Outcome, Refusal } from '../model/outcome.js'
import { argumentGroup, optionalFunction } from '../options/option-checks.js'
import type { PipelineContext } from '../pipeline/context.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import { sleep } from '../util/sleep.js'
import { Copies } from './copies.js'
import { isRequest } from './hosts.js'
import { reportCallback } from './report.js'
import {
  type Callback,
  checkRequest,
  declaresTooMuch,
  headerOf,
  isCallback,
  type PlausibleCallback,
  type RequestRules,
} from './request-checks.js'
import { type CallbackResponse, toResponse, withClose, withoutConnection } from './responses.js'

export interface EndpointDeps {
  readonly context: PipelineContext
  readonly rules: RequestRules
  readonly pipeline: Pick<Pipeline, 'process'>
  /** Resolves once the store was checked; rejects while it must not be used. */
  readonly ready: () => Promise<void>
}

/** What the host offers while it handles a callback. */
export interface HandleOptions {
  /** Keeps a serverless host alive until the work ends, so that a slow handler does not delay the response. */
  readonly waitUntil?: ((work: Promise<unknown>) => void) | undefined
}

/** Ids of callbacks that arrived before their request was registered, as far as is known: it is then due at once. */
const earlyOptions = { maxSize: 1_000, sizeCalculation: () => 1, ttl: 60_000, ttlResolution: 0 }

/** The largest share of the places that copies of one callback take. */
const copiesShare = 1 / 16

/** How much later than planned the minimum interval may end: a lease holder assumes that the store's clock is ahead. */
const skewMs = 250

/** Handles callbacks: request checks, then the pipeline, then the response from the table. */
export class Endpoint {
  readonly #deps: EndpointDeps
  readonly #early: LRUCache<string, true>
  readonly #copies: Copies
  /** Approvals whose minimum interval a callback is waiting out. */
  readonly #waiting = new Set<string>()
  #inFlight = 0
  #tokensRefused = 0

  constructor(deps: EndpointDeps) {
    const { clock, life, callbacks } = deps.context
    this.#deps = deps
    this.#copies = new Copies({
      pipeline: deps.pipeline,
      concurrency: Math.max(2, Math.floor(callbacks.maxInFlight * copiesShare)),
      maxWaiting: callbacks.maxInFlight,
      isClosing: () => life.isClosing,
    })
    // lru-cache takes an entry stored at time 0 for one without a time.
    this.#early = new LRUCache({ ...earlyOptions, perf: { now: () => clock.elapsed() + 1 } })
  }

  /** Callbacks under way that have a body or a valid token. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Callbacks refused for their token since the receiver was made. */
  get tokensRefused(): number {
    return this.#tokensRefused
  }

  /** Whether a callback for this id was refused as unknown within the last minute, or may be now. Forgets it. */
  cameEarly(id: string): boolean {
    const early = this.#early.has(id)
    this.#early.delete(id)
    return early
  }

  /** Rejects only with `argument-invalid`, for anything but a callback and options. */
  async handle(callback: Callback, given?: HandleOptions | null): Promise<CallbackResponse> {
    if (!isCallback(callback)) throw notACallback(callback)
    const options = given === undefined || given === null ? {} : readOptions(given)
    const { context, rules, ready } = this.#deps
    const { maxInFlight } = context.callbacks
    let isIn = false
    const enter = (): void => {
      if (!isIn) this.#inFlight++
      isIn = true
    }
    const leave = (): void => {
      if (isIn) this.#inFlight--
      isIn = false
    }
    let response: CallbackResponse
    let checked: PlausibleCallback | Refusal | undefined
    try {
      checked = this.#refuse(callback) ?? (await checkRequest(callback, rules, enter))
      if (checked.kind !== 'plausible') response = this.#respond(checked, null)
      // Others may have taken the last place while the body arrived.
      else if (!isIn && this.#inFlight >= maxInFlight) response = this.#respond({ kind: 'overloaded' }, null)
      else {
        enter()
        await ready()
        const work = this.#process(checked, leave)
        // If nothing else continues the handler, the response waits for it.
        const isLonger = options.waitUntil !== undefined || context.life.isSwept
        const outcome = await (isLonger ? this.#acknowledge(checked, work, options) : work)
        response = this.#report(checked, outcome)
      }
    } catch (error) {
      // Later, it is an error of the store's check.
      if (checked === undefined && isCheqpointError(error, 'argument-invalid')) throw error
      context.emit({ type: 'store-failed', operation: 'handle', error })
      response = this.#respond({ kind: 'store-unavailable', error }, null)
    } finally {
      leave()
    }
    return this.#forConnection(callback, response)
  }

  /** Load shedding. Other methods than POST get their own refusal. */
  #refuse({ method }: Callback): Refusal | null {
    const { callbacks, life } = this.#deps.context
    if (method !== 'POST') return null
    if (life.isClosing) return { kind: 'closing' }
    return this.#inFlight >= callbacks.maxInFlight ? { kind: 'overloaded' } : null
  }

  /** Closes the connection if the rest of the body may be endless: Node.js would read it before the next request. */
  #forConnection(callback: Callback, response: CallbackResponse): CallbackResponse {
    if ((callback.httpMajor ?? 1) >= 2) return withoutConnection(response)
    if (response.status < 400 || !('stream' in callback.body)) return response
    const isLeft = declaresTooMuch(headerOf(callback, 'content-length'), this.#deps.rules)
    return isLeft ? withClose(response) : response
  }

  async #process({ payload, ref }: PlausibleCallback, leave: () => void): Promise<Outcome> {
    const { pipeline, context } = this.#deps
    const { id: approvalId } = payload
    const trigger = { approvalId, via: 'callback', ref } as const
    // Before the store is read: the approval may be registered between that read and its answer.
    this.#early.set(approvalId, true)
    const outcome = await this.#copies.process(trigger, leave)
    if (outcome.kind !== 'too-soon' || context.life.isSwept || this.#waiting.has(approvalId)) return outcome
    if (outcome.retryAfterMs > context.confirm.minIntervalMs + skewMs) return outcome
    // Nothing polls later, and the sender may not repeat it: one callback waits, and its copies are refused.
    this.#waiting.add(approvalId)
    try {
      // A timer may fire a fraction of a millisecond early.
      await sleep(Math.ceil(outcome.retryAfterMs) + 1)
      return await pipeline.process(trigger)
    } finally {
      this.#waiting.delete(approvalId)
    }
  }

  /** The outcome, or `running` after `ackAfterMs`. */
  #acknowledge(callback: PlausibleCallback, work: Promise<Outcome>, { waitUntil }: HandleOptions): Promise<Outcome> {
    const { callbacks, life, emit } = this.#deps.context
    return new Promise((resolve) => {
      let isAnswered = false
      const timer = setTimeout(() => {
        isAnswered = true
        resolve({ kind: 'running', approvalId: callback.payload.id })
      }, callbacks.ackAfterMs).unref()
      if (waitUntil !== undefined) {
        // A host that does not take the work counts as one without `waitUntil`.
        new Promise((taken) => taken(waitUntil(work))).catch((error: unknown) => {
          emit({ type: 'wait-until-failed', error })
          if (!life.isSwept) clearTimeout(timer)
        })
      }
      // It cannot reject.
      void work.then((outcome) => {
        clearTimeout(timer)
        // After the response, events still report how the run ended.
        if (isAnswered) this.#report(callback, outcome)
        else resolve(outcome)
      })
    })
  }

  #report({ payload }: PlausibleCallback, outcome: Outcome): CallbackResponse {
    // One whose handler seems to run may be refused later.
    if ('approvalId' in outcome && outcome.kind !== 'running') this.#early.delete(payload.id)
    return this.#respond(outcome, payload)
  }

  /** From the one table. */
  #respond(outcome: Outcome, payload: CallbackPayload | null): CallbackResponse {
    const { emit, life } = this.#deps.context
    if (outcome.kind === 'token-refused') this.#tokensRefused++
    reportCallback(outcome, payload, emit)
    return toResponse(outcome, { swept: life.isSwept })
  }
}

function readOptions(given: HandleOptions): HandleOptions {
  const { waitUntil } = argumentGroup(given, 'handle() as options', ['waitUntil'])
  optionalFunction(waitUntil, 'waitUntil', 'argument')
  return given
}

function notACallback(given: unknown): CheqpointError {
  const fix = isRequest(given)
    ? 'call receiver.fetch(request) for a Web-standard request'
    : 'use an adapter, or make one with fromIncoming(request) or fromRequest(request)'
  return new CheqpointError('argument-invalid', `receiver.handle() takes a Callback; ${fix}`)
}
