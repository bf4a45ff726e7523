import { add } from '../approvals/approval.js'
import { bind } from '../approvals/bind.js'
import { approvalKey, type Beginning, reservationKey, type TrackedRequest } from '../approvals/entry.js'
import * as steps from '../approvals/reservation.js'
import type { Client, SubmitRequest } from '../cheqpoint/client-types.js'
import type { FetchedApproval } from '../cheqpoint/read-response.js'
import type { ApiApproval } from '../cheqpoint/wire.js'
import { CheqpointError, type ErrorInfo, isCheqpointError } from '../model/errors.js'
import { judge } from '../pipeline/confirm.js'
import type { PipelineContext } from '../pipeline/context.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import { nextPollMs } from '../util/backoff.js'
import { type JsonObject, readJson } from '../util/json.js'
import type { CallbackUrls } from './callback-url.js'
import { persist } from './persist.js'
import { readKnown } from './read-known.js'
import { keyedRef, randomRef } from './refs.js'
import { reserve } from './reserve.js'
import { decided, pending, type Submission, summarize } from './submission.js'
import { demand, digestOf, isRefusal, keyReused, unknown } from './submission-rules.js'
import { checkSubmission, type SubmitOptions } from './submit-arguments.js'
import { type RequestLimits, writeJson, writeRequest } from './tracked-request.js'

export interface SubmitDeps {
  readonly context: PipelineContext
  readonly client: Pick<Client, 'inbound'>
  readonly pipeline: Pick<Pipeline, 'process'>
  readonly isId: (id: string) => boolean
  /** `null` where no callback URL is configured: decisions are found by polling. */
  readonly urls: CallbackUrls | null
  readonly limits: () => RequestLimits
  readonly submitTimeoutMs: number
  /** Whether a callback for this id came a moment ago and was refused as unknown. */
  readonly cameEarly: (id: string) => boolean
}

/** How long an inline decision is left to the process that got it. */
const inlineHeadStartMs = 5_000

/** A submission under way, for those who ask for the same one in this process. */
interface UnderWay {
  readonly digest: string | null
  readonly submission: Promise<Submission>
}

/**
 * Submits requests so that none is lost and none is sent twice: reserve under our own reference, mark as sent, send with
 * the reference in the callback URL, bind the id that comes back.
 */
export class Submitter {
  readonly #deps: SubmitDeps
  readonly #underWay = new Map<string, UnderWay>()

  constructor(deps: SubmitDeps) {
    this.#deps = deps
  }

  /** Resolves once no submission is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0)
      await Promise.allSettled([...this.#underWay.values()].map(({ submission }) => submission))
  }

  /** See `Receiver.submit`. */
  async submit(given: SubmitRequest, givenOptions: SubmitOptions): Promise<Submission> {
    const { context, urls, limits, submitTimeoutMs } = this.#deps
    checkSubmission(given, givenOptions, submitTimeoutMs)
    const { idempotencyKey, assistant, context: kept, expiresAt, maxWaitMs } = givenOptions
    // A copy: what is checked, kept and sent is the same, whatever the caller does to the request meanwhile.
    // JSON of a request is a request.
    const request = readJson(writeJson(given, 'request')) as JsonObject & SubmitRequest
    const ref = idempotencyKey === undefined ? randomRef() : keyedRef(assistant ?? null, idempotencyKey)
    const { action, details } = request
    const startedAt = context.clock.elapsed()
    const tracked = writeRequest({ action, details, context: kept, expiresAt, assistant, ref }, limits())
    await this.#demand(tracked)
    const digest = idempotencyKey === undefined ? null : digestOf(tracked)
    const current = this.#underWay.get(ref)
    if (current !== undefined) {
      if (current.digest !== digest) throw keyReused(ref)
      return current.submission
    }
    // Repeated callbacks of an old decision shall still be recognized, so the token outlives the request.
    const until = (tracked.expiresAt ?? context.clock.now()) + context.retentionMs
    const callbackUrl = urls?.write(ref, until, tracked.assistant)
    const sent = { ...request, maxWaitMs, expiresAt: expiresAt?.getTime(), callbackUrl }
    const submission = this.#submit(ref, tracked, digest, sent, startedAt)
    this.#underWay.set(ref, { digest, submission })
    return submission.finally(() => this.#underWay.delete(ref))
  }

  async #demand({ action, details, context }: TrackedRequest): Promise<void> {
    const rules = this.#deps.context.rulesFor(action)
    if (rules === null) {
      const fix = 'give it an entry in actions, or give onDecision'
      throw new CheqpointError('argument-invalid', `no handler is configured for action '${action}'; ${fix}`)
    }
    await demand(rules.details, details, 'details')
    await demand(rules.context, context, 'context')
  }

  async #submit(
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
    await this.#markSent(ref, owner)
    const answer = await this.#send(ref, tracked, request)
    if (answer.id === null || !this.#deps.isId(answer.id))
      throw this.#lost('the response names no approval id that can be confirmed', { ref })
    const ageMs = context.clock.elapsed() - startedAt
    return this.#settle(ref, tracked, { ...answer, id: answer.id, servedAt: null }, ageMs)
  }

  async #markSent(ref: string, owner: string): Promise<void> {
    const { context, submitTimeoutMs } = this.#deps
    const command = { owner, dueInMs: submitTimeoutMs + context.runs.leaseMs }
    const marked = await persist(this.#deps.context, 'markSent', () =>
      context.records.change(reservationKey(ref), (stored) => steps.markSent(stored, command)),
    )
    if (marked === 'lost')
      throw new CheqpointError('submission-in-progress', 'another submission with this idempotencyKey took over', {
        ref,
      })
  }

  async #send(ref: string, tracked: TrackedRequest, request: SubmitRequest): Promise<ApiApproval> {
    const { client } = this.#deps
    try {
      return await client.inbound(request, { assistant: tracked.assistant })
    } catch (cause) {
      const why = isCheqpointError(cause) ? cause.message : 'the call failed'
      const { httpStatus, retryAfterMs, apiMessage } = isCheqpointError(cause) ? cause : {}
      const info = { ref, httpStatus, retryAfterMs, apiMessage, cause }
      if (!isRefusal(cause)) throw this.#lost(`whether Cheqpoint took the request is unknown: ${why}`, info)
      // What cannot be forgotten stays listed; it is refused all the same.
      await persist(this.#deps.context, 'discard', () => this.discard(ref)).catch(() => {})
      const refused = httpStatus === undefined ? 'the request was not sent' : 'Cheqpoint refused the request'
      throw new CheqpointError('submission-refused', `${refused}, and nothing was kept: ${why}`, info)
    }
  }

  /** See `Receiver.discard`. */
  discard(ref: string): Promise<'discarded' | 'bound' | 'unknown'> {
    const { records } = this.#deps.context
    const by = records.newToken()
    return records.change(reservationKey(ref), (stored) => steps.discard(stored, { by }))
  }

  async #settle(ref: string, tracked: TrackedRequest, answer: FetchedApproval, ageMs: number): Promise<Submission> {
    const { context, pipeline, cameEarly } = this.#deps
    const { polling, random, emit, onUnknownWord } = context
    const { id: approvalId, reviewUrl } = answer
    const { action } = tracked
    // Undecided it may be old by the time it is here, so only a GET can tell that a request has expired.
    const isOpen = answer.status === 'pending' || answer.status === 'unknown'
    const found = isOpen ? null : judge(answer, tracked, 'inline', ageMs)
    if (found?.kind !== 'decided') {
      if (answer.status === 'unknown') onUnknownWord(answer.word, approvalId)
      const dueInMs = cameEarly(approvalId) ? 0 : nextPollMs(0, polling, random)
      await this.#bind(ref, tracked, approvalId, { dueInMs, decision: null, parked: null })
      const known = { status: 'pending', approvalId, reviewUrl } as const
      const { kept, isDue } = await readKnown(context, approvalId)
      if (!isDue) return summarize(known, kept)
      // A callback came before the id did, and may not come again.
      await pipeline.process({ approvalId, via: 'poll' })
      return summarize(known, (await readKnown(context, approvalId)).kept)
    }
    // Ours to run first, so that it has run when this resolves; the sweep may where that takes too long to begin.
    await this.#bind(ref, tracked, approvalId, { dueInMs: inlineHeadStartMs, decision: found.decision, parked: null })
    if (found.late) emit({ type: 'late', approvalId, action })
    emit({ type: 'confirmed', approvalId, action, status: found.decision.status, via: 'inline' })
    const outcome = await pipeline.process({ approvalId, via: 'inline' })
    const known = outcome.kind === 'handled' ? decided(approvalId, outcome.confirmed, null) : pending(approvalId)
    return summarize(known, (await readKnown(context, approvalId)).kept)
  }

  /** Joins reference and id, through a short outage of the store: the id is known only here. */
  async #bind(ref: string, request: TrackedRequest, approvalId: string, beginning: Beginning): Promise<void> {
    const { records, runs, retentionMs } = this.#deps.context
    const times = { resumeInMs: runs.leaseMs, retentionMs }
    try {
      const bound = await persist(this.#deps.context, 'bind', () => bind(records, ref, approvalId, beginning, times))
      if (bound === 'bound') return
      // The reservation is gone, and the request is not: follow it as one that was submitted elsewhere.
      if (bound === 'unknown') {
        const step = { request, beginning }
        const added = await persist(this.#deps.context, 'add', () =>
          records.change(approvalKey(approvalId), (s) => add(s, step)),
        )
        if (added.kind === 'added') return
        if (added.known !== 'unreadable' && added.known.ref === ref) return
      }
    } catch (error) {
      // What a store that is not ours throws may quote what was written. The event `store-failed` has it.
      const cause = isCheqpointError(error) && error.cause === undefined ? error : undefined
      throw this.#lost('the store did not take the approval id', { ref, approvalId, cause })
    }
    throw this.#lost('the approval id belongs to another request', { ref, approvalId })
  }

  #lost(why: string, info: ErrorInfo & { readonly ref: string }): CheqpointError {
    this.#deps.context.emit({ type: 'submission-unknown', ref: info.ref })
    return unknown(why, info)
  }
}
