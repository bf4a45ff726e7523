import { CheqpointError } from '../model/errors.js'
import type { Clock, Random } from '../util/clock.js'
import { isJsonObject, type JsonObject } from '../util/json.js'
import type { Faults } from './faults.js'
import { pause } from './pause.js'

/** How a reviewer, or a rule, decides. */
export interface DecisionInput {
  /** Any word but `pending`. Callbacks and inline answers say it in lower case, GET in upper case. */
  readonly status: 'approved' | 'rejected' | 'expired' | 'cancelled' | (string & Record<never, never>)
  readonly note?: string | null | undefined
  /** The edited details. */
  readonly modifiedDetails?: JsonObject | null | undefined
}

/** A request with everything that is known of it. A moment's view: it does not change. */
export interface SimulatedRequest {
  readonly id: string
  /** Name of the assistant whose key submitted it; `null` where there is one only. */
  readonly assistant: string | null
  readonly action: string
  readonly summary: string
  readonly details: JsonObject
  /** The whole body as it was submitted, with the fields above. */
  readonly submission: JsonObject
  /** Where a callback will go. Such a URL may hold the receiver's token. */
  readonly callbackUrl: string | null
  /** How long the submission is held open for its decision; 0 where it is not. */
  readonly maxWaitMs: number
  /** ISO 8601, as is `decidedAt`. */
  readonly submittedAt: string
  /** `pending`, or how it was decided, in lower case. */
  readonly status: string
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  readonly decidedAt: string | null
  /** The answer to the submission held the decision, so no callback is due. */
  readonly inline: boolean
}

/** What a submission says, checked. */
export type Submission = Pick<
  SimulatedRequest,
  'assistant' | 'action' | 'summary' | 'details' | 'submission' | 'callbackUrl' | 'maxWaitMs'
>

export interface RequestBookDeps {
  readonly clock: Clock
  readonly random: Random
  readonly onChange: (request: SimulatedRequest) => void
}

interface Entry {
  request: SimulatedRequest
  /** Wakes the submission while it is held open: from the first moment, so that no decision falls in between. */
  held: AbortController | null
  decidedElapsed: number
  staleReads: number
}

const undecided = { status: 'pending', modifiedDetails: null, note: null, decidedAt: null, inline: false } as const

/** What was submitted and how it was decided. */
export class RequestBook {
  readonly #entries = new Map<string, Entry>()
  readonly #clock: Clock
  readonly #random: Random
  readonly #onChange: (request: SimulatedRequest) => void

  constructor({ clock, random, onChange }: RequestBookDeps) {
    this.#clock = clock
    this.#random = random
    this.#onChange = onChange
  }

  add(submission: Submission): SimulatedRequest {
    const request = { id: this.#newId(), ...submission, submittedAt: this.#date(), ...undecided }
    const held = request.maxWaitMs > 0 ? new AbortController() : null
    this.#entries.set(request.id, { request, held, decidedElapsed: 0, staleReads: 0 })
    this.#onChange(request)
    return request
  }

  get(id: string): SimulatedRequest | undefined {
    return this.#entries.get(id)?.request
  }

  list(): readonly SimulatedRequest[] {
    return Array.from(this.#entries.values(), ({ request }) => request)
  }

  /** Records the decision. The first one stands: throws `argument-invalid` on another, as on an unknown id. */
  decide(id: string, input: DecisionInput, inline?: boolean): SimulatedRequest {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw new CheqpointError('argument-invalid', 'no request has this id', { approvalId: id })
    if (entry.request.status !== 'pending') {
      throw new CheqpointError('argument-invalid', `the request is decided already: ${entry.request.status}`, {
        approvalId: id,
      })
    }
    const request = {
      ...entry.request,
      ...readDecision(input),
      decidedAt: this.#date(),
      inline: inline ?? entry.held !== null,
    }
    entry.request = request
    entry.decidedElapsed = this.#clock.elapsed()
    entry.held?.abort()
    this.#onChange(request)
    return request
  }

  /** The request as a read sees it, which is the past where the faults say so. */
  read(request: SimulatedRequest, { staleReads, staleMs }: Pick<Faults, 'staleReads' | 'staleMs'>): SimulatedRequest {
    const entry = this.#entries.get(request.id)
    if (entry === undefined || request.status === 'pending') return request
    const stale = entry.staleReads < staleReads || this.#clock.elapsed() - entry.decidedElapsed < staleMs
    if (!stale) return request
    entry.staleReads++
    return { ...request, ...undecided }
  }

  /** Holds a request for as long as it asks, until its decision or a signal. Resolves with the request as it is then. */
  async hold(request: SimulatedRequest, signals: readonly AbortSignal[]): Promise<SimulatedRequest> {
    const entry = this.#entries.get(request.id)
    if (entry === undefined || entry.held === null) return request
    await pause(request.maxWaitMs, [entry.held.signal, ...signals])
    // In one step with reading the answer, so that a decision is told exactly once: inline or by callback.
    entry.held = null
    return entry.request
  }

  #date(): string {
    return new Date(this.#clock.now()).toISOString()
  }

  /** Ends with a count, so that ids differ whatever `random` yields. */
  #newId(): string {
    const letters = Array.from({ length: 16 }, () => Math.floor(this.#random() * 36).toString(36))
    return `req_${letters.join('')}${this.#entries.size.toString(36)}`
  }
}

function readDecision({
  status,
  note,
  modifiedDetails,
}: DecisionInput): Pick<SimulatedRequest, 'status' | 'note' | 'modifiedDetails'> {
  const word = typeof status === 'string' ? status.toLowerCase() : ''
  if (word === '' || word === 'pending') {
    throw new CheqpointError('argument-invalid', 'status must be a word that decides, such as approved or rejected')
  }
  // Copied, so that what the caller does to the object later is no second decision.
  const edit: unknown = JSON.parse(JSON.stringify(modifiedDetails ?? null))
  if (edit !== null && !isJsonObject(edit)) {
    throw new CheqpointError('argument-invalid', 'modifiedDetails must be a JSON object or null')
  }
  return { status: word, note: note ?? null, modifiedDetails: edit }
}
