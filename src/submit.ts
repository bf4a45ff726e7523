import { createHash, randomBytes } from 'node:crypto'
import { type ActionRules, validate } from './action.js'
import type { CallbackUrls } from './callback-url.js'
import type { Client, Confirmed, SubmitRequest } from './client.js'
import { judge } from './confirm.js'
import type { Core } from './core.js'
import type { DecisionStatus, JsonObject, JsonValue } from './decision.js'
import { CheqpointError, isCheqpointError } from './errors.js'
import type { Outcome } from './outcome.js'
import { type Draft, readJson, readSealed, writeSealed } from './record.js'
import { type Tracked, writeDraft } from './register.js'
import type { Resolver } from './resolver.js'
import { nextLookMs } from './retry.js'
import { readDate, type WireAnswer } from './wire.js'

export interface SubmitOptions extends Pick<Tracked, 'context' | 'expiresAt' | 'assistant'> {
  /** How long Cheqpoint may hold the call for a decision; it caps this at 10,000. Default: not at all. */
  readonly maxWaitMs?: number | undefined
  /**
   * The same key gives the first submission's approval back instead of a second request: for an agent's step that may
   * be executed again. Known for as long as the record or its tombstone is.
   */
  readonly idempotencyKey?: string | undefined
}

/** What became of a submission. */
export type Submission =
  | {
      readonly status: 'pending'
      readonly approvalId: string /** Where a person decides, if Cheqpoint said. */
      readonly reviewUrl: string | null
    }
  | DecidedSubmission

export interface DecidedSubmission {
  readonly status: DecisionStatus
  readonly approvalId: string
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  readonly decidedAt: Date | null
  /** What the handler returned; `null` where it returned nothing or has not ended. */
  readonly result: JsonValue
}

export interface SubmitTerms {
  readonly core: Core
  readonly client: Pick<Client, 'inbound'>
  readonly resolver: Resolver
  readonly isId: (id: string) => boolean
  /** `null` where no callback URL is configured: decisions are found by looking. */
  readonly urls: CallbackUrls | null
  readonly rulesFor: (action: string) => ActionRules | null
  readonly assistants: ReadonlySet<string> | null
  readonly expiresAfterMs: number
  readonly retentionMs: number
  readonly submitTimeoutMs: number
  /** Whether a callback for this id came a moment ago and was refused as unknown. */
  readonly cameEarly: (id: string) => boolean
}

/** Answers that say for certain that Cheqpoint did not take the request. */
const refusedStatuses: ReadonlySet<number> = new Set([
  400, 401, 402, 403, 404, 405, 406, 411, 413, 414, 415, 422, 429, 431,
])
/** How long a bound id is offered to a store that does not answer. */
const bindTries = 6

/**
 * Submits requests so that none is lost and none is sent twice: reserve under our own reference, send with the
 * reference in the callback URL, bind the id that comes back.
 */
export class Submitter {
  readonly #terms: SubmitTerms
  readonly #underWay = new Map<string, Promise<Submission>>()

  constructor(terms: SubmitTerms) {
    this.#terms = terms
  }

  /** See `Receiver.submit`. */
  async submit(request: SubmitRequest, options: SubmitOptions): Promise<Submission> {
    const { core, assistants, expiresAfterMs, rulesFor } = this.#terms
    const { idempotencyKey, assistant, context, expiresAt, maxWaitMs } = options
    const ref = idempotencyKey === undefined ? randomRef() : derivedRef(assistant ?? null, idempotencyKey)
    const tracked = { action: request.action, details: request.details, context, expiresAt, assistant, ref }
    const draft = writeDraft(tracked, assistants, core.clock.now() + expiresAfterMs)
    const rules = rulesFor(request.action)
    await demand(rules?.details, request.details, 'details')
    await demand(rules?.context, context ?? null, 'context')
    // Copies in one process share one submission; in several, the reservation tells them apart.
    const current = this.#underWay.get(ref)
    if (current !== undefined) return current
    const submission = this.#submit(ref, draft, maxWaitMs === undefined ? request : { ...request, maxWaitMs })
    this.#underWay.set(ref, submission)
    return submission.finally(() => this.#underWay.delete(ref))
  }

  async #submit(ref: string, draft: Draft, request: SubmitRequest): Promise<Submission> {
    const { core, submitTimeoutMs } = this.#terms
    const reserved = await core.store.reserve(ref, draft, { dueInMs: submitTimeoutMs + core.runs.leaseMs })
    if (reserved.kind === 'bound') return this.#summary(reserved.id, null)
    if (reserved.kind === 'open') throw unknownSubmission(ref, 'an earlier submission with this key is not settled')
    const answer = await this.#send(ref, draft, request)
    if (answer.id === null || !this.#terms.isId(answer.id)) {
      core.emit({ type: 'submission-unknown', ref })
      throw unknownSubmission(ref, 'the answer names no approval id that can be confirmed')
    }
    return this.#settle(ref, draft, { ...answer, id: answer.id })
  }

  async #send(ref: string, draft: Draft, request: SubmitRequest): Promise<WireAnswer> {
    const { core, client, urls, retentionMs } = this.#terms
    const expiresAt = draft.expiresAt ?? core.clock.now()
    // Repeated callbacks of an old decision shall still be recognized, so the token outlives the request.
    const callbackUrl = urls?.write(ref, expiresAt + retentionMs)
    const sent = { ...request, ...(callbackUrl === undefined ? {} : { callbackUrl }), expiresAt: new Date(expiresAt) }
    try {
      return await client.inbound(sent, { assistant: draft.assistant })
    } catch (error) {
      if (isRefusal(error)) {
        await core.store.discard(ref)
        throw new CheqpointError('submission-refused', `Cheqpoint refused the request: ${error.message}`, {
          ...infoOf(error),
          ref,
        })
      }
      core.emit({ type: 'submission-unknown', ref })
      const why = isCheqpointError(error) ? error.message : 'the call failed'
      throw new CheqpointError('submission-unknown', `whether Cheqpoint took the request is unknown: ${why}`, {
        ...infoOf(error),
        ref,
      })
    }
  }

  async #settle(ref: string, draft: Draft, answer: Confirmed): Promise<Submission> {
    const { core, resolver, cameEarly } = this.#terms
    const found = judge(answer, draft.expiresAt, 'inline', core.clock.now())
    const sealed = found.kind === 'decided' ? writeSealed(found.sealed) : undefined
    const early = cameEarly(answer.id)
    const dueInMs = early || sealed !== undefined ? 0 : nextLookMs(0, core.polling, core.random)
    await this.#bind(ref, draft, answer.id, { dueInMs, sealed })
    if (found.kind !== 'decided') {
      // A callback was here before the id was: nobody may send it again.
      if (early) void resolver.resolve(answer.id, 'poll') // it cannot reject
      return { status: 'pending', approvalId: answer.id, reviewUrl: answer.reviewUrl }
    }
    if (found.late) core.emit({ type: 'late', approvalId: answer.id, action: draft.action })
    core.emit({
      type: 'confirmed',
      approvalId: answer.id,
      action: draft.action,
      status: found.sealed.status,
      via: 'inline',
    })
    return this.#summary(answer.id, await resolver.resolve(answer.id, 'inline'))
  }

  /** Joins reference and id, through a short outage of the store: the id is known only here. */
  async #bind(
    ref: string,
    draft: Draft,
    id: string,
    options: { readonly dueInMs: number; readonly sealed: string | undefined },
  ): Promise<void> {
    const { core } = this.#terms
    for (let tried = 1; ; tried++) {
      try {
        const answer = await core.store.bind(ref, id, options)
        if (answer === 'bound') return
        // The reservation is gone: the request is not, so follow it as if it had been submitted elsewhere.
        if (answer === 'unknown' && (await core.store.add({ ...draft, id }, options)) === 'added') return
        throw unknownSubmission(ref, `approval ${id} belongs to another request`)
      } catch (error) {
        if (isCheqpointError(error, 'submission-unknown')) throw error
        core.emit({ type: 'store-failed', operation: 'bind', error })
        if (tried >= bindTries)
          throw new CheqpointError('submission-unknown', 'the store did not take the approval id', {
            ref,
            approvalId: id,
            cause: error,
          })
        await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** tried))
      }
    }
  }

  /** What is known of a bound submission now. */
  async #summary(approvalId: string, outcome: Outcome | null): Promise<Submission> {
    const found = await this.#terms.core.store.get(approvalId)
    const sealed = found?.state === 'done' ? found.tombstone.sealed : (found?.sealed ?? null)
    if (found === null || sealed === null) {
      if (outcome !== null && 'truth' in outcome && outcome.truth !== null)
        return decided(approvalId, writeSealed(outcome.truth), null)
      return { status: 'pending', approvalId, reviewUrl: null }
    }
    return decided(approvalId, sealed, found.state === 'done' ? found.tombstone.result : null)
  }
}

function decided(approvalId: string, sealed: string, result: string | null): DecidedSubmission {
  const { status, modifiedDetails, note, decidedAt } = readSealed(sealed)
  return {
    status,
    approvalId,
    modifiedDetails,
    note,
    decidedAt: readDate(decidedAt),
    result: result === null ? null : readJson(result),
  }
}

/** A URL and its reference, for a request that somebody else submits. */
export function makeCallbackUrl(
  urls: CallbackUrls,
  expiresAtMs: number,
): { readonly url: string; readonly ref: string } {
  const ref = randomRef()
  return { url: urls.write(ref, expiresAtMs), ref }
}

function randomRef(): string {
  return randomBytes(18).toString('base64url')
}

/** The same key of the same assistant gives the same reference in every process. */
function derivedRef(assistant: string | null, key: string): string {
  return createHash('sha256')
    .update(JSON.stringify(['idempotency', assistant, key]))
    .digest('base64url')
}

function isRefusal(error: unknown): error is CheqpointError {
  if (!isCheqpointError(error)) return false
  // Nothing was sent, or the answer was a documented no.
  if (
    error.code === 'api-unreachable' ||
    error.code === 'not-json' ||
    error.code === 'argument-invalid' ||
    error.code === 'assistant-unknown'
  )
    return true
  return error.httpStatus !== undefined && refusedStatuses.has(error.httpStatus)
}

function infoOf(error: unknown): {
  readonly httpStatus?: number | undefined
  readonly retryAfterMs?: number | undefined
  readonly cause: unknown
} {
  return isCheqpointError(error)
    ? { httpStatus: error.httpStatus, retryAfterMs: error.retryAfterMs, cause: error }
    : { cause: error }
}

function unknownSubmission(ref: string, why: string): CheqpointError {
  return new CheqpointError('submission-unknown', why, { ref })
}

async function demand(schema: ActionRules['details'], value: unknown, name: string): Promise<void> {
  const checked = await validate(schema, value)
  if (!checked.ok)
    throw new CheqpointError(
      'argument-invalid',
      `${name} do not pass the schema of the action at ${checked.paths.map((path) => path || 'the top').join(', ')}`,
    )
}
