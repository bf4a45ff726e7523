import { LRUCache } from 'lru-cache'
import { type EventListener, type RefusalReason, refusalReasons } from './events.js'
import { type Callback, checkMethod, type Hint, type IntakeRules, takeIn } from './intake.js'
import { type Answer, type Outcome, toAnswer } from './outcome.js'
import type { Resolver } from './resolver.js'
import type { Alarm, Clock } from './runtime.js'
import { contradictions } from './wire.js'

export interface EndpointTerms {
  readonly intake: IntakeRules
  readonly resolver: Resolver
  readonly emit: EventListener
  readonly clock: Clock
  readonly maxInFlight: number
  /** Rings when a callback has waited long enough for its handler. */
  readonly ack: Alarm
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
  readonly #terms: EndpointTerms
  readonly #early: LRUCache<string, true>
  #inFlight = 0

  constructor(terms: EndpointTerms) {
    this.#terms = terms
    // To lru-cache an entry stored at 0 is one without a time.
    this.#early = new LRUCache({ ...earlyOptions, perf: { now: () => terms.clock.elapsed() + 1 } })
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
  async handle(callback: Callback, options: HandleOptions = {}): Promise<Answer> {
    const { emit, isClosing, maxInFlight, intake, ready } = this.#terms
    const refused = checkMethod(callback)
    if (refused !== null) return this.#answer(refused, null)
    if (isClosing()) return this.#answer({ kind: 'closing' }, null)
    if (this.#inFlight >= maxInFlight) return this.#answer({ kind: 'overloaded' }, null)
    this.#inFlight++
    try {
      const hint = await takeIn(callback, intake)
      if (hint.kind !== 'hint') return this.#answer(hint, null)
      const looking = ready()
      if (looking !== undefined) await looking
      const work = this.#terms.resolver.resolve(hint.claim.id, 'callback', hint.ref)
      const outcome = await this.#acknowledge(hint, work, options)
      // Answered, but what the handler's end tells of the callback is still worth knowing. It cannot reject.
      if (outcome.kind === 'running') void work.then((ended) => this.#report(hint, ended))
      return this.#report(hint, outcome)
    } catch (error) {
      emit({ type: 'store-failed', operation: 'handle', error })
      return this.#answer({ kind: 'store-unavailable', error }, null)
    } finally {
      this.#inFlight--
    }
  }

  /** The outcome, or that it is still to come where something else looks after it. */
  #acknowledge(hint: Hint, work: Promise<Outcome>, { waitUntil }: HandleOptions): Promise<Outcome> {
    const { isSwept, ack } = this.#terms
    if (waitUntil !== undefined) keepAlive(waitUntil, work)
    if (!isSwept() && waitUntil === undefined) return work
    return new Promise((resolve) => {
      const disarm = ack.arm(() => resolve({ kind: 'running', approvalId: hint.claim.id }))
      // It cannot reject.
      void work.then((outcome) => {
        disarm()
        resolve(outcome)
      })
    })
  }

  #report(hint: Hint, outcome: Outcome): Answer {
    const { id } = hint.claim
    if (outcome.kind === 'unknown-approval') this.#early.set(id, true)
    if ('truth' in outcome && outcome.truth !== null) {
      const fields = contradictions(hint.claim, outcome.truth)
      if (fields.length > 0) this.#terms.emit({ type: 'mismatch', approvalId: id, fields })
    }
    return this.#answer(outcome, id)
  }

  /** From the one table. */
  #answer(outcome: Outcome, approvalId: string | null): Answer {
    const { kind } = outcome
    if (isRefusal(kind)) this.#terms.emit({ type: 'refused', reason: kind, approvalId })
    return toAnswer(outcome, { swept: this.#terms.isSwept() })
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
