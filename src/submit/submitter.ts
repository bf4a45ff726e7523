import { add } from '../approvals/approval.js'
import { bind } from '../approvals/bind.js'
import { approvalKey, type Beginning, reservationKey, type TrackedRequest } from '../approvals/entry.js'
import * as steps from '../approvals/reservation.js'
import type { Client, SubmitRequest } from '../cheqpoint/client-types.js'
import type { FetchedApproval } from '../cheqpoint/read-response.js'
import type { ApiApproval } from '../cheqpoint/wire.js'
import { CheqpointError, type ErrorCode, type ErrorInfo, isCheqpointError } from '../model/errors.js'
import { writeJson } from '../model/plain-json.js'
import { expiryPassed } from '../options/expiry.js'
import { judge } from '../pipeline/confirm.js'
import type { PipelineContext } from '../pipeline/context.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import { nextPollMs } from '../util/backoff.js'
import { elapsedMs } from '../util/dates.js'
import { type JsonObject, readJson } from '../util/json.js'
import type { CallbackUrls } from './callback-url.js'
import { persist, readKnown } from './outages.js'
import { keyedRef, randomRef } from './refs.js'
import { keyTaken, reserve } from './reserve.js'
import { decided, type Submission, summarize } from './submission.js'
import { checkContent, checkSubmission, digestOf, type SubmitOptions } from './submit-arguments.js'
import { type RequestLimits, writeRequest } from './tracked-request.js'

export interface SubmitDeps {
  readonly context: PipelineContext
  readonly client: Pick<Client, 'inbound'>
  readonly pipeline: Pick<Pipeline, 'process'>
  readonly isId: (id: string) => boolean
  /** `null` without a callback URL: decisions are found by polling. */
  readonly urls: CallbackUrls | null
  readonly limits: () => RequestLimits
  readonly submitTimeoutMs: number
  /** Whether a callback for this id was refused as unknown in the last minute. */
  readonly cameEarly: (id: string) => boolean
}

/** Statuses with which Cheqpoint certainly did not accept the request. */
const refusedStatuses: ReadonlySet<number | undefined> = new Set([
  400, 401, 402, 403, 404, 405, 406, 411, 413, 414, 415, 422, 429, 431,
])

/** With these the client has sent nothing: a closed one rejects with `aborted`, and `expiresAt` may have passed meanwhile. */
const unsentCodes: ReadonlySet<ErrorCode> = new Set(['api-unreachable', 'aborted', 'argument-invalid'])

/** How long the sweep leaves an immediate decision to the process that got it. */
const inlineHeadStartMs = 5_000

/** A submission in progress, shared by calls with the same key in this process. */
type UnderWay = Readonly<{ digest: string | null; submission: Promise<Submission> }>

/**
 * Submits requests so that none is lost or sent twice: reserves our reference, marks it as sent, sends the request with
 * the reference in the callback URL, and binds the returned id to it.
 */
export class Submitter {
  readonly #deps: SubmitDeps
  readonly #underWay = new Map<string, UnderWay>()

  constructor(deps: SubmitDeps) {
    this.#deps = deps
  }

  /** Resolves once no submission is in progress. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0)
      await Promise.allSettled([...this.#underWay.values()].map(({ submission }) => submission))
  }

  /** See `Receiver.submit`. */
  submit(given: SubmitRequest, givenOptions: SubmitOptions): Promise<Submission> {
    const named: unknown = Object(given).action
    // What is no text is refused once the arguments are checked.
    const action = typeof named === 'string' ? named : ''
    return this.#deps.context.telemetry.during({ kind: 'submit', action }, () => this.#submit(given, givenOptions))
  }

  async #submit(given: SubmitRequest, givenOptions: SubmitOptions): Promise<Submission> {
    const { context, urls, limits, submitTimeoutMs } = this.#deps
    checkSubmission(given, givenOptions, submitTimeoutMs)
    const { idempotencyKey, assistant, context: kept, expiresAt, maxWaitMs } = givenOptions
    // A copy: what is checked, kept and sent stays the same if the caller changes the request.
    // JSON of a request is a request.
    const request = readJson(writeJson(given, 'request')) as JsonObject & SubmitRequest
    const ref = idempotencyKey === undefined ? randomRef() : keyedRef(idempotencyKey)
    const { action, details } = request
    const startedAt = context.clock.elapsed()
    // A repeated key may be past its date. Whether it is repeated is known once the store was read.
    const bounds = { ...limits(), mayBePast: idempotencyKey !== undefined }
    const tracked = writeRequest({ action, details, context: kept, expiresAt, assistant, ref }, bounds)
    const rules = context.actions.get(action) ?? context.fallback
    if (rules === null) {
      const fix = 'give it an entry in actions, or give onDecision'
      throw new CheqpointError('argument-invalid', `no handler is configured for action '${action}'; ${fix}`)
    }
    await checkContent(tracked, rules)
    const digest = idempotencyKey === undefined ? null : digestOf(tracked)
    const current = this.#underWay.get(ref)
    if (current !== undefined) {
      if (current.digest !== digest) throw keyTaken('key-reused', ref)
      return current.submission
    }
    // The token outlives the request, so that repeated callbacks of an old decision are recognized.
    const until = (tracked.expiresAt ?? context.clock.now()) + context.retentionMs
    const callbackUrl = urls?.write(ref, until, tracked.assistant)
    const sent = { ...request, maxWaitMs, expiresAt: expiresAt?.getTime(), callbackUrl }
    const submission = this.#reserveAndSend(ref, tracked, digest, sent, startedAt)
    this.#underWay.set(ref, { digest, submission })
    return submission.finally(() => this.#underWay.delete(ref))
  }

  async #reserveAndSend(
    ref: string,
    tracked: TrackedRequest,
    digest: string | null,
    request: SubmitRequest,
    startedAt: number,
  ): Promise<Submission> {
    const { context, submitTimeoutMs } = this.#deps
    const owner = context.records.newToken()
    const reserved = await reserve(context, { ref, request: tracked, digest, owner, inFlightMs: submitTimeoutMs })
    if (reserved !== null) return reserved
    if (tracked.expiresAfterMs !== null && tracked.expiresAfterMs <= 0) {
      await this.#forget(ref)
      throw expiryPassed()
    }
    await this.#markSent(ref, owner)
    const answer = await this.#send(ref, tracked, request)
    if (answer.id === null || !this.#deps.isId(answer.id))
      throw this.#lost('the response has no valid approval id', { ref })
    const ageMs = context.clock.elapsed() - startedAt
    return this.#settle(ref, tracked, { ...answer, id: answer.id, servedAt: null }, ageMs)
  }

  async #markSent(ref: string, owner: string): Promise<void> {
    const { context, submitTimeoutMs } = this.#deps
    const command = { owner, dueInMs: submitTimeoutMs + context.runs.leaseMs }
    const marked = await persist(context, 'markSent', () =>
      context.records.change(reservationKey(ref), (stored) => steps.markSent(stored, command)),
    )
    // Another submission under this key took over.
    if (marked === 'lost') throw keyTaken('in-progress', ref)
  }

  async #send(ref: string, tracked: TrackedRequest, request: SubmitRequest): Promise<ApiApproval> {
    const { client, context } = this.#deps
    const { assistant } = tracked
    try {
      return await context.telemetry.during({ kind: 'send' }, () => client.inbound(request, { assistant }))
    } catch (cause) {
      const why = isCheqpointError(cause) ? cause.message : 'the call failed'
      const { httpStatus, retryAfterMs, apiMessage } = isCheqpointError(cause) ? cause : {}
      const info = { ref, httpStatus, retryAfterMs, apiMessage, cause }
      if (!isRefusal(cause)) throw this.#lost(`Cheqpoint may have accepted the request: ${why}`, info)
      await this.#forget(ref)
      const refused = httpStatus === undefined ? 'the request was not sent' : 'Cheqpoint refused the request'
      throw new CheqpointError('submission-refused', `${refused}, and nothing is kept: ${why}`, info)
    }
  }

  /** Discards a submission that was not accepted. If that fails it stays listed; the submission is refused anyway. */
  async #forget(ref: string): Promise<void> {
    const { context } = this.#deps
    const command = { by: context.records.newToken() }
    await persist(context, 'discard', () =>
      context.records.change(reservationKey(ref), (stored) => steps.discard(stored, command)),
    ).catch(() => {})
  }

  async #settle(ref: string, tracked: TrackedRequest, answer: FetchedApproval, ageMs: number): Promise<Submission> {
    const { context, pipeline, cameEarly } = this.#deps
    const { polling, random, emit, onUnknownWord, clock } = context
    const { id: approvalId, status, reviewUrl } = answer
    const { action } = tracked
    const submittedAt = clock.now() - ageMs
    // An undecided response may be old by now: only a GET decides that a request has expired.
    const isOpen = status === 'pending' || status === 'unknown'
    const found = isOpen ? null : judge(answer, tracked, 'inline', ageMs)
    const decision = found?.kind === 'decided' ? found.decision : null
    const pollMs = cameEarly(approvalId) ? 0 : nextPollMs(0, polling, random)
    // A decision runs here first, so that it has run when this resolves; if that takes too long, the sweep runs it.
    const dueInMs = decision === null ? pollMs : inlineHeadStartMs
    await this.#bind(ref, tracked, approvalId, { dueInMs, decision, parked: null })
    if (status === 'unknown') onUnknownWord(answer.word, approvalId)
    if (found?.kind === 'decided') {
      const decidedAfterMs = elapsedMs(submittedAt, found.decidedAt)
      if (found.late) emit({ type: 'late', approvalId, action })
      emit({ type: 'confirmed', approvalId, action, status: found.decision.status, via: 'inline', decidedAfterMs })
    }
    let known: Submission = { status: 'pending', approvalId, reviewUrl }
    let bound = decision === null ? await readKnown(context, approvalId, 'submit') : null
    // Undecided, and its callback came before the id was known or written, and may not be repeated.
    if (decision !== null || bound?.isDue || cameEarly(approvalId)) {
      const outcome = await pipeline.process({ approvalId, via: decision === null ? 'poll' : 'inline' })
      if (outcome.kind === 'handled') known = decided(approvalId, outcome.confirmed, null)
      bound = await readKnown(context, approvalId, 'submit')
    }
    return summarize(known, bound?.kept ?? null)
  }

  /** Binds the id to the reference, through a short outage of the store: only this process knows the id. */
  async #bind(ref: string, request: TrackedRequest, approvalId: string, beginning: Beginning): Promise<void> {
    const { context } = this.#deps
    try {
      const bound = await persist(context, 'bind', () => bind(context, ref, approvalId, beginning))
      if (bound === 'bound') return
      // The reservation is gone, but the request exists: follow it as one that was submitted elsewhere.
      if (bound === 'unknown') {
        const step = { request, beginning }
        const added = await persist(context, 'add', () =>
          context.records.change(approvalKey(approvalId), (stored) => add(stored, step)),
        )
        if (added.kind === 'added' || (added.known !== 'unreadable' && added.known.ref === ref)) return
      }
    } catch (error) {
      // Errors of other stores may quote what was written. The event `store-failed` has them.
      const cause = isCheqpointError(error) && error.cause === undefined ? error : undefined
      throw this.#lost('the store did not accept the approval id', { ref, approvalId, cause })
    }
    throw this.#lost('the approval id belongs to another request', { ref, approvalId })
  }

  #lost(why: string, info: ErrorInfo & { readonly ref: string }): CheqpointError {
    this.#deps.context.emit({ type: 'submission-unknown', ref: info.ref })
    const fix = 'do not submit it again; see receiver.unconfirmed()'
    return new CheqpointError('submission-unknown', `${why}; ${fix}`, info)
  }
}

/** Nothing was sent, or the response was a documented refusal. */
function isRefusal(error: unknown): boolean {
  return isCheqpointError(error) && (unsentCodes.has(error.code) || refusedStatuses.has(error.httpStatus))
}
