import { createHash, randomBytes } from 'node:crypto'
import type { Client, FetchedApproval, SubmitRequest } from '../cheqpoint/client.js'
import type { ApiApproval } from '../cheqpoint/wire.js'
import { writeConfirmed } from '../model/confirmed-decision.js'
import { CheqpointError, type ErrorInfo, isCheqpointError } from '../model/errors.js'
import type { ActionRules } from '../options/actions.js'
import { judge } from '../pipeline/confirm.js'
import type { PipelineContext } from '../pipeline/context.js'
import { validate } from '../pipeline/effective-details.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import type { Draft } from '../stores/record.js'
import type { AddOptions, Snapshot } from '../stores/store.js'
import { nextPollMs } from '../util/backoff.js'
import type { JsonObject } from '../util/json.js'
import { readJson } from '../util/json.js'
import type { CallbackUrls } from './callback-url.js'
import { decided, pending, type Submission, summarize } from './submission.js'
import { type Tracked, writeDraft, writeJson } from './tracked-request.js'

/** What is said of a submission beside the request. An `expiresAt` is sent to Cheqpoint; the default one is not. */
export interface SubmitOptions extends Pick<Tracked, 'context' | 'expiresAt' | 'assistant'> {
  /**
   * How long Cheqpoint may hold the call for a decision, less than `submitTimeoutMs`; Cheqpoint caps it at 10,000.
   * Default: not at all.
   */
  readonly maxWaitMs?: number | undefined
  /**
   * The same key gives the first submission's approval back instead of a second request: for an agent's step that may
   * be executed again. Known for as long as the record or its tombstone is.
   */
  readonly idempotencyKey?: string | undefined
}

export interface SubmitDeps {
  readonly core: PipelineContext
  readonly client: Pick<Client, 'inbound'>
  readonly pipeline: Pipeline
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
/** The longest that Cheqpoint holds a submission. */
const longestHoldMs = 10_000
/** The longest wait between two tries of a write that must not be given up at once: six tries in six seconds. */
const longestRetryMs = 3_200

/**
 * Submits requests so that none is lost and none is sent twice: reserve under our own reference, send with the
 * reference in the callback URL, bind the id that comes back.
 */
export class Submitter {
  readonly #deps: SubmitDeps
  readonly #underWay = new Map<string, Promise<Submission>>()

  constructor(deps: SubmitDeps) {
    this.#deps = deps
  }

  /** Resolves once no submission is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay.values())
  }

  /** See `Receiver.submit`. */
  async submit(request: SubmitRequest, options: SubmitOptions): Promise<Submission> {
    const { core, urls, assistants, expiresAfterMs, retentionMs, rulesFor, submitTimeoutMs } = this.#deps
    const { idempotencyKey, assistant, context, expiresAt, maxWaitMs } = options
    checkWait(maxWaitMs, submitTimeoutMs)
    if (idempotencyKey === '') throw new CheqpointError('argument-invalid', 'idempotencyKey must not be empty')
    const ref = idempotencyKey === undefined ? randomRef() : derivedRef(assistant ?? null, idempotencyKey)
    const { action, details } = request
    const tracked = { action, details, context, expiresAt, assistant, ref }
    const now = core.clock.now()
    const draft = writeDraft(tracked, assistants, now + expiresAfterMs)
    // A copy: what is checked, kept and sent is the same, whatever the caller does to the request meanwhile.
    // JSON of a request is a request.
    const copy = readJson(writeJson(request, 'request')) as JsonObject & SubmitRequest
    const rules = rulesFor(action)
    if (rules === null)
      throw new CheqpointError(
        'argument-invalid',
        `nobody handles action '${action}'; give it an entry in actions, or give onDecision`,
      )
    await demand(rules.details, copy.details, 'details')
    await demand(rules.context, readJson(draft.context), 'context')
    // Those who ask in one process share one submission; in several, the reservation tells them apart.
    const current = this.#underWay.get(ref)
    if (current !== undefined) return current
    // Repeated callbacks of an old decision shall still be recognized, so the token outlives the request.
    const callbackUrl = urls?.write(ref, (draft.expiresAt ?? now) + retentionMs)
    const sent = { ...copy, maxWaitMs, expiresAt: expiresAt?.getTime(), callbackUrl }
    const submission = this.#submit(ref, draft, sent, idempotencyKey !== undefined)
    this.#underWay.set(ref, submission)
    return submission.finally(() => this.#underWay.delete(ref))
  }

  async #submit(ref: string, draft: Draft, request: SubmitRequest, isShared: boolean): Promise<Submission> {
    const { core, submitTimeoutMs, isId } = this.#deps
    const reserved = await core.store.reserve(ref, draft, { dueInMs: submitTimeoutMs + core.runs.leaseMs })
    if (reserved.kind === 'bound') return summarize(pending(reserved.id), await this.#read(reserved.id))
    // A random reference can be reserved by us alone: a client of the store that sends a call again after a lost answer.
    if (reserved.kind === 'open' && isShared)
      throw unknown('an earlier submission with this key is not settled', { ref })
    const answer = await this.#send(ref, draft, request)
    if (answer.id === null || !isId(answer.id))
      throw this.#lost('the answer names no approval id that can be confirmed', { ref })
    return this.#settle(ref, draft, { ...answer, id: answer.id })
  }

  async #send(ref: string, draft: Draft, request: SubmitRequest): Promise<ApiApproval> {
    const { core, client } = this.#deps
    try {
      return await client.inbound(request, { assistant: draft.assistant })
    } catch (cause) {
      const why = isCheqpointError(cause) ? cause.message : 'the call failed'
      const { httpStatus, retryAfterMs } = isCheqpointError(cause) ? cause : {}
      const info = { ref, httpStatus, retryAfterMs, cause }
      if (!isRefusal(cause)) throw this.#lost(`whether Cheqpoint took the request is unknown: ${why}`, info)
      // What cannot be forgotten stays listed; refused it is all the same.
      await this.#persist('discard', () => core.store.discard(ref)).catch(() => {})
      const refused = httpStatus === undefined ? 'the request was not sent' : 'Cheqpoint refused the request'
      throw new CheqpointError('submission-refused', `${refused}, and nothing was kept: ${why}`, info)
    }
  }

  async #settle(ref: string, draft: Draft, answer: FetchedApproval): Promise<Submission> {
    const { core, pipeline, cameEarly } = this.#deps
    const { id: approvalId, reviewUrl } = answer
    const { action } = draft
    // Undecided it may be old by the time it is here, so only a GET can tell that a request has expired.
    const isOpen = answer.status === 'pending' || answer.status === 'unknown'
    const found = isOpen ? null : judge(answer, draft.expiresAt, 'inline', core.clock.now())
    if (found?.kind !== 'decided') {
      if (answer.status === 'unknown') core.onUnknownWord(answer.word, approvalId)
      const dueInMs = cameEarly(approvalId) ? 0 : nextPollMs(0, core.polling, core.random)
      await this.#bind(ref, draft, approvalId, { dueInMs })
      const kept = await this.#read(approvalId)
      const known = { status: 'pending', approvalId, reviewUrl } as const
      if (kept?.state !== 'pending' || kept.dueInMs > 0) return summarize(known, kept)
      // A callback was here before the id was, and nobody may send it again.
      await pipeline.resolve(approvalId, 'poll')
      return summarize(known, await this.#read(approvalId))
    }
    // Ours to run first, so that it has run when this resolves; another process may after a lease.
    await this.#bind(ref, draft, approvalId, { dueInMs: core.runs.leaseMs, sealed: writeConfirmed(found.sealed) })
    if (found.late) core.emit({ type: 'late', approvalId, action })
    core.emit({ type: 'confirmed', approvalId, action, status: found.sealed.status, via: 'inline' })
    const outcome = await pipeline.resolve(approvalId, 'inline')
    const known = outcome.kind === 'handled' ? decided(approvalId, outcome.confirmed, null) : pending(approvalId)
    return summarize(known, await this.#read(approvalId))
  }

  /** Joins reference and id, through a short outage of the store: the id is known only here. */
  async #bind(ref: string, draft: Draft, approvalId: string, options: AddOptions): Promise<void> {
    const { store } = this.#deps.core
    try {
      const bound = await this.#persist('bind', () => store.bind(ref, approvalId, options))
      if (bound === 'bound') return
      // The reservation is gone, and the request is not: follow it as one that was submitted elsewhere.
      const add = () => store.add({ ...draft, id: approvalId }, options)
      if (bound === 'unknown' && (await this.#persist('add', add)) === 'added') return
    } catch (error) {
      // What another than our own stores throws may quote what was written. The event `store-failed` has it.
      const cause = isCheqpointError(error) && error.cause === undefined ? error : undefined
      throw this.#lost('the store did not take the approval id', { ref, approvalId, cause })
    }
    throw this.#lost('the approval id belongs to another request', { ref, approvalId })
  }

  /** Repeats a write through a short outage of the store. */
  async #persist<Value>(operation: string, write: () => Promise<Value>): Promise<Value> {
    for (let waitMs = 200; ; waitMs *= 2) {
      try {
        return await write()
      } catch (error) {
        this.#deps.core.emit({ type: 'store-failed', operation, error })
        if (waitMs > longestRetryMs) throw error
        await new Promise((resolve) => setTimeout(resolve, waitMs))
      }
    }
  }

  /** Never rejects: the request is with Cheqpoint, and a failure would look as if it were not. */
  async #read(approvalId: string): Promise<Snapshot | null> {
    const { store, emit } = this.#deps.core
    try {
      return await store.get(approvalId)
    } catch (error) {
      emit({ type: 'store-failed', operation: 'submit', error })
      return null
    }
  }

  #lost(why: string, info: ErrorInfo & { readonly ref: string }): CheqpointError {
    this.#deps.core.emit({ type: 'submission-unknown', ref: info.ref })
    return unknown(why, info)
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

/** Nothing was sent, or the answer was a documented no. */
function isRefusal(error: unknown): boolean {
  if (!isCheqpointError(error)) return false
  const { code, httpStatus } = error
  // `aborted` is what a closed client says before it sends anything.
  return (
    code === 'api-unreachable' || code === 'aborted' || (httpStatus !== undefined && refusedStatuses.has(httpStatus))
  )
}

function unknown(why: string, info: ErrorInfo): CheqpointError {
  return new CheqpointError('submission-unknown', why, info)
}

/** A submission that we give up before Cheqpoint answers would be unknown each time. */
function checkWait(maxWaitMs: number | undefined, submitTimeoutMs: number): void {
  if (maxWaitMs === undefined) return
  if (Number.isInteger(maxWaitMs) && maxWaitMs >= 0 && Math.min(maxWaitMs, longestHoldMs) < submitTimeoutMs) return
  throw new CheqpointError(
    'argument-invalid',
    `maxWaitMs must be a whole number of milliseconds, less than submitTimeoutMs (${submitTimeoutMs})`,
  )
}

async function demand(schema: ActionRules['details'], value: unknown, name: string): Promise<void> {
  const checked = await validate(schema, value)
  if (!checked.ok)
    throw new CheqpointError(
      'argument-invalid',
      `${name} do not pass the schema of the action at ${checked.paths.map((path) => path || 'the top').join(', ')}`,
    )
}
