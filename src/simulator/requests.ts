import { CheqpointError } from '../model/errors.js'
import type { Clock, Random } from '../util/clock.js'
import { isJsonObject, type JsonObject } from '../util/json.js'
import type { Faults } from './faults.js'
import { pause } from './pause.js'

/** A decision of a reviewer or a rule. */
export interface DecisionInput {
  /** Any word but `pending`. Callbacks and inline responses use lower case, GET uses upper case. */
  readonly status: 'approved' | 'rejected' | 'expired' | 'cancelled' | (string & Record<never, never>)
  readonly note?: string | null | undefined
  /** The edited details. */
  readonly modifiedDetails?: JsonObject | null | undefined
}

/** A request with all its data. An immutable snapshot. */
export interface SimulatedRequest {
  readonly id: string
  /** Name of the assistant whose key submitted it; `null` if there is only one. */
  readonly assistant: string | null
  readonly action: string
  readonly summary: string
  readonly details: JsonObject
  /** The whole submitted body, including the fields above. */
  readonly submission: JsonObject
  /** Where the callback is sent. The URL may contain the receiver's token. */
  readonly callbackUrl: string | null
  /** How long the submission is held open for its decision; 0 if it is not. */
  readonly maxWaitMs: number
  /** ISO 8601, as is `decidedAt`. */
  readonly submittedAt: string
  /** `pending`, or how it was decided, in lower case. */
  readonly status: string
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  readonly decidedAt: string | null
  /** The response to the submission contained the decision, so no callback is due. */
  readonly inline: boolean
}

/** The checked fields of a submission. */
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
  /** Wakes the submission while it is held open. Exists from the start, so that no decision is missed. */
  held: AbortController | null
  decidedElapsed: number
  staleReads: number
}

const undecided = { status: 'pending', modifiedDetails: null, note: null, decidedAt: null, inline: false } as const

/** Requests and their decisions. */
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

  /** Records the first decision. Throws `argument-invalid` on another one or an unknown id. */
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

  /** The request as a read returns it; faults can make it stale. */
  read(request: SimulatedRequest, { staleReads, staleMs }: Pick<Faults, 'staleReads' | 'staleMs'>): SimulatedRequest {
    const entry = this.#entries.get(request.id)
    if (entry === undefined || request.status === 'pending') return request
    const stale = entry.staleReads < staleReads || this.#clock.elapsed() - entry.decidedElapsed < staleMs
    if (!stale) return request
    entry.staleReads++
    return { ...request, ...undecided }
  }

  /** Waits for the decision, at most `maxWaitMs` or until a signal aborts. Resolves with the request as it is then. */
  async hold(request: SimulatedRequest, signals: readonly AbortSignal[]): Promise<SimulatedRequest> {
    const entry = this.#entries.get(request.id)
    if (entry === undefined || entry.held === null) return request
    await pause(request.maxWaitMs, [entry.held.signal, ...signals])
    // Synchronous with reading the request, so that a decision is sent exactly once: inline or by callback.
    entry.held = null
    return entry.request
  }

  #date(): string {
    return new Date(this.#clock.now()).toISOString()
  }

  /** Ends with a counter, so that ids are unique whatever `random` returns. */
  #newId(): string {
    const letters = Array.from({ length: 16 }, () => Math.floor(this.#random() * 36).toString(36))
    return `req_${letters.join('')}${this.#entries.size.toString(36)}`
  }
}

function readDecision(input: DecisionInput): Pick<SimulatedRequest, 'status' | 'note' | 'modifiedDetails'> {
  const { status, note, modifiedDetails, ...unknown } = input ?? {}
  const [name] = Object.keys(unknown)
  if (name !== undefined) throw new CheqpointError('argument-invalid', `a decision has no field ${name}`)
  const word = typeof status === 'string' ? status.toLowerCase() : ''
  if (word === '' || word === 'pending') {
    throw new CheqpointError('argument-invalid', 'status must be a word that decides, such as approved or rejected')
  }
  const edit = copied(modifiedDetails ?? null)
  if (edit !== null && !isJsonObject(edit)) {
    throw new CheqpointError('argument-invalid', 'modifiedDetails must be a JSON object or null')
  }
  return { status: word, note: note ?? null, modifiedDetails: edit }
}

/** A copy, so that the caller cannot change the decision later; `undefined` for what is no JSON. */
export function copied(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value))
  } catch {
    return undefined
  }
}
