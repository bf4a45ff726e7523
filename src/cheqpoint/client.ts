import type { Dispatcher } from 'undici'
import { CheqpointError, type ErrorCode, isCheqpointError } from '../model/errors.js'
import { group, invalid, number, optionalFunction } from '../options/option-checks.js'
import { jitter, retryAfterMs } from '../util/backoff.js'
import { type Clock, longestTimer, type Random, systemClock, systemRandom } from '../util/clock.js'
import { parseJson } from '../util/json.js'
import { SharedTimer } from '../util/shared-timer.js'
import { idMatcher } from './ids.js'
import { readKeys, unknownAssistant } from './keys.js'
import { type ApiRequest, type ApiResponse, createTransport } from './transport.js'
import { type ApiApproval, parseApproval } from './wire.js'

/** What {@link createClient} takes. Durations are milliseconds. */
export interface ClientOptions {
  /** Connection Key, or several during a rotation, tried in order when the API refuses one. This or `apiKeys`. */
  readonly apiKey?: string | readonly string[] | undefined
  /** Keys by assistant. Each call then names its `assistant`. */
  readonly apiKeys?: Readonly<Record<string, string | readonly string[]>> | undefined
  /**
   * Default `https://app.cheqpoint.co`. May have a path. Plain http is allowed for loopback only. Certificates are
   * checked even under `NODE_TLS_REJECT_UNAUTHORIZED=0`; for an authority of your own set `NODE_EXTRA_CA_CERTS`.
   */
  readonly baseUrl?: string | undefined
  /**
   * What an approval id looks like as a whole. Default `/[A-Za-z0-9_-]{1,128}/`. Whatever it says, an id is printable
   * ASCII without `/ \ % ? #`, not dots alone, of at most 512 characters.
   */
  readonly idPattern?: RegExp | undefined
  /** For one GET, from connecting to the last byte; a second key that is tried has as long again. Default 5,000. */
  readonly timeoutMs?: number | undefined
  /** The same for one submission. More than its `maxWaitMs`. Default 15,000. */
  readonly submitTimeoutMs?: number | undefined
  /** A longer answer is unreadable. Default 1,048,576. */
  readonly maxResponseBytes?: number | undefined
  /** An undici dispatcher to send with, for proxies and tests. Never give one that follows redirects or retries. */
  readonly dispatcher?: Dispatcher | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

/** What may be said of each call. */
export interface CallOptions {
  /** Whose key to use. Required with `apiKeys`, unknown with `apiKey`. */
  readonly assistant?: string | null | undefined
  /** Ends the call with `aborted`. */
  readonly signal?: AbortSignal | undefined
}

/** How long and how often to look for a decision. */
export interface WaitOptions extends CallOptions {
  /** Rejects with `wait-timeout` after so long. */
  readonly timeoutMs: number
  /** Between two looks, ±20 %. Default 5,000, the pace that Cheqpoint advises. */
  readonly intervalMs?: number | undefined
}

/** A request for approval, with every field that Cheqpoint documents. */
export interface SubmitRequest {
  readonly action: string
  /** One line for the reviewer. */
  readonly summary: string
  /** What is to be approved; JSON. */
  readonly details: object
  readonly riskLevel?: 'low' | 'medium' | 'high' | undefined
  /** From 0 to 1. */
  readonly riskScore?: number | undefined
  readonly justification?: string | undefined
  readonly priority?: 'low' | 'normal' | 'urgent' | undefined
  /** Shown instead of the assistant's own name. */
  readonly agentName?: string | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** How long Cheqpoint holds the call for a decision, in milliseconds; it caps this at 10,000. `inbound` only. */
  readonly maxWaitMs?: number | undefined
  /** Where Cheqpoint posts the decision. `inbound` only. */
  readonly callbackUrl?: string | undefined
  /** Sent as an ISO 8601 date. */
  readonly expiresAt?: Date | string | number | undefined
}

/** An answer about exactly the approval that was asked for. */
export type FetchedApproval = ApiApproval & { readonly id: string }

/**
 * The three documented endpoints. Nothing is ever sent twice, but to the next key after a 401 or 403.
 *
 * Every call rejects with a `CheqpointError`: `api-key-refused` (401, 403), `api-not-found` (404), `api-throttled`
 * (429), `api-refused` (other 4xx), `api-failed` (5xx), `api-redirect`, `api-unreachable`, `api-broken-off`, `api-timeout`,
 * `api-unreadable`, `assistant-unknown`, or `aborted`, also after `close()`. None of them carries a key or a payload.
 */
export interface Client {
  /** Names of the assistants that have keys; `null` where one key serves all. */
  readonly assistants: ReadonlySet<string> | null
  /** `GET /api/approvals/{id}`. Rejects with `id-invalid` before anything is sent. */
  get(id: string, options?: CallOptions): Promise<FetchedApproval>
  /** `POST /api/approvals/request`. Rejects with `not-json` or `argument-invalid` before anything is sent. */
  request(request: SubmitRequest, options?: CallOptions): Promise<ApiApproval>
  /** `POST /api/webhooks/inbound`: may decide while it waits, and knows `callbackUrl`. Rejects like `request`. */
  inbound(request: SubmitRequest, options?: CallOptions): Promise<ApiApproval>
  /**
   * Asks until there is a decision. Goes on through lost connections, time-outs, 429, 5xx and unreadable answers, and
   * heeds Retry-After; any other failure rejects at once. Keeps the process alive while it waits.
   * Rejects with `wait-timeout`, or with `argument-invalid` for a duration that is none.
   */
  waitForDecision(id: string, options: WaitOptions): Promise<FetchedApproval>
  /** Lets running exchanges end, then closes its connections. A dispatcher that was given stays open. Twice is fine. */
  close(): Promise<void>
}

const names = [
  'apiKey',
  'apiKeys',
  'baseUrl',
  'idPattern',
  'timeoutMs',
  'submitTimeoutMs',
  'maxResponseBytes',
  'dispatcher',
  'clock',
  'random',
]
const commonHeaders = ['accept', 'application/json', 'accept-encoding', 'identity', 'user-agent', 'cheqpoint-callback']
/** Failures that waiting may mend. */
const transient: ReadonlySet<ErrorCode> = new Set([
  'api-unreachable',
  'api-broken-off',
  'api-timeout',
  'api-throttled',
  'api-failed',
  'api-unreadable',
])

/**
 * A client of the Cheqpoint API. Opens no connection before its first call.
 * Throws `option-missing`, `option-invalid` or `option-unknown`.
 *
 * @example
 * ```ts
 * const client = createClient({ apiKey: process.env.CHEQPOINT_CONNECTION_KEY })
 * const { id } = await client.request({ action: 'process_refund', summary: 'Refund $120', details: { amount: 120 } })
 * if (id !== null) console.log((await client.waitForDecision(id, { timeoutMs: 300_000 })).status)
 * ```
 */
export function createClient(options: ClientOptions): Client {
  group(options ?? null, '', names)
  const keyrings = readKeys(options)
  const isId = idMatcher(options.idPattern)
  const timeoutMs = number(options.timeoutMs, 'timeoutMs', 5_000, 1, longestTimer)
  const submitTimeoutMs = number(options.submitTimeoutMs, 'submitTimeoutMs', 15_000, 1, longestTimer)
  const clock = options.clock ?? systemClock
  const random = (optionalFunction(options.random, 'random') as Random | undefined) ?? systemRandom
  if (options.dispatcher !== undefined && typeof options.dispatcher?.dispatch !== 'function') {
    throw invalid('dispatcher', options.dispatcher, 'an undici dispatcher')
  }
  const getting = { headers: [...commonHeaders, 'cache-control', 'no-cache'], alarm: new SharedTimer(timeoutMs, clock) }
  const posting = {
    headers: [...commonHeaders, 'content-type', 'application/json'],
    alarm: new SharedTimer(submitTimeoutMs, clock),
  }
  const transport = createTransport({
    baseUrl: options.baseUrl ?? 'https://app.cheqpoint.co',
    dispatcher: options.dispatcher,
    connectTimeoutMs: Math.min(3_000, timeoutMs),
    maxResponseBytes: number(options.maxResponseBytes, 'maxResponseBytes', 1_048_576, 1, 67_108_864),
  })
  /** Ends each wait that is under way. */
  const waits = new Set<() => void>()
  let closing: Promise<void> | undefined

  async function ask<Value>(
    question: ApiRequest,
    { assistant = null, signal }: CallOptions,
    read: (reply: ApiResponse) => Value,
  ): Promise<Value> {
    if (closing !== undefined) throw new CheqpointError('aborted', 'the client was closed')
    const keyring = keyrings.get(assistant)
    if (keyring === undefined) throw unknownAssistant(assistant)
    const first = keyring.best
    let reply = await transport.send(question, first, signal)
    for (const key of keyring.keys) {
      if (!isKeyRefused(reply)) break
      if (key === first) continue
      reply = await transport.send(question, key, signal)
      if (!isKeyRefused(reply)) keyring.best = key
    }
    if (reply.status >= 300) throw refusal(reply, clock)
    return read(reply)
  }

  const get = (id: string, call: CallOptions = {}): Promise<FetchedApproval> =>
    isId(id)
      ? ask({ method: 'GET', path: `/api/approvals/${id}`, body: null, ...getting }, call, (reply) =>
          readAbout(reply, id),
        )
      : Promise.reject(new CheqpointError('id-invalid', 'the approval id does not match idPattern'))

  const submit = async (path: string, request: SubmitRequest, call: CallOptions = {}): Promise<ApiApproval> =>
    ask({ method: 'POST', path, body: writeBody(request), ...posting }, call, readReply)

  async function waitForDecision(id: string, wait: WaitOptions): Promise<FetchedApproval> {
    const { assistant, signal, timeoutMs, intervalMs = 5_000 } = wait
    checkDuration('timeoutMs', timeoutMs)
    checkDuration('intervalMs', intervalMs)
    const stop = new AbortController()
    const giveUp = (): void => stop.abort()
    // Holds the process, unlike all other timers: somebody waits for this answer and may have nothing else running.
    const timer = setTimeout(giveUp, timeoutMs)
    signal?.addEventListener('abort', giveUp)
    waits.add(giveUp)
    let failure = ''
    try {
      while (!stop.signal.aborted && !signal?.aborted) {
        let pauseMs = jitter(intervalMs, random)
        try {
          const answer = await get(id, { assistant, signal: stop.signal })
          if (answer.status !== 'pending' && answer.status !== 'unknown') return answer
          failure = ''
        } catch (error) {
          if (stop.signal.aborted) break
          if (!isCheqpointError(error) || !transient.has(error.code)) throw error
          pauseMs = Math.max(pauseMs, error.retryAfterMs ?? 0)
          failure = `; the last look failed with ${error.code}`
        }
        await pause(pauseMs, stop.signal)
      }
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
      waits.delete(giveUp)
    }
    if (closing !== undefined || signal?.aborted) throw new CheqpointError('aborted', 'the wait was given up')
    throw new CheqpointError('wait-timeout', `no decision within ${timeoutMs} ms${failure}`, { approvalId: id })
  }

  return {
    assistants: options.apiKeys === undefined ? null : new Set(Object.keys(options.apiKeys)),
    get,
    request: (request, call) => submit('/api/approvals/request', request, call),
    inbound: (request, call) => submit('/api/webhooks/inbound', request, call),
    waitForDecision,
    close() {
      closing ??= transport.close()
      for (const giveUp of waits) giveUp()
      return closing
    },
  }
}

function readAbout(reply: ApiResponse, id: string): FetchedApproval {
  const answer = readReply(reply)
  if (!isAbout(answer, id)) throw new CheqpointError('api-unreadable', 'the answer is not about the approval asked for')
  return answer
}

function isAbout(answer: ApiApproval, id: string): answer is FetchedApproval {
  return answer.id === id
}

function isKeyRefused({ status }: ApiResponse): boolean {
  return status === 401 || status === 403
}

/** What a status of 300 and above means. */
function refusal(reply: ApiResponse, clock: Clock): CheqpointError {
  const { status, retryAfter, redirectHost } = reply
  const info = { httpStatus: status, retryAfterMs: retryAfterMs(retryAfter, clock.now()) ?? undefined }
  if (status < 400) {
    const target = redirectHost === undefined ? '' : ` to ${redirectHost}`
    return new CheqpointError(
      'api-redirect',
      `the API answered with a redirect (${status})${target}; not followed`,
      info,
    )
  }
  if (isKeyRefused(reply)) return new CheqpointError('api-key-refused', `the API refused the key (${status})`, info)
  if (status === 404) return new CheqpointError('api-not-found', 'the API does not know this approval (404)', info)
  if (status === 429) return new CheqpointError('api-throttled', 'the API asks to slow down (429)', info)
  if (status < 500) return new CheqpointError('api-refused', `the API refused the request (${status})`, info)
  return new CheqpointError('api-failed', `the API failed (${status})`, info)
}

function readReply({ status, text }: ApiResponse): ApiApproval {
  let answer: ApiApproval | null = null
  try {
    answer = parseApproval(parseJson(text))
  } catch {
    // What the parser says quotes the answer.
  }
  if (answer === null) {
    throw new CheqpointError('api-unreadable', 'the answer has not the documented shape', { httpStatus: status })
  }
  return answer
}

function writeBody(request: SubmitRequest): string {
  const expiresAt = request.expiresAt === undefined ? undefined : new Date(request.expiresAt)
  if (Number.isNaN(expiresAt?.getTime())) throw new CheqpointError('argument-invalid', 'expiresAt must be a date')
  try {
    return JSON.stringify({ ...request, expiresAt })
  } catch {
    // What the serializer says may quote the request.
    throw new CheqpointError('not-json', 'the request cannot be written as JSON')
  }
}

function checkDuration(name: string, ms: number): void {
  if (Number.isInteger(ms) && ms >= 1 && ms <= longestTimer) return
  throw new CheqpointError('argument-invalid', `${name} must be a whole number from 1 to ${longestTimer}`)
}

/** Resolves after `ms`, or as soon as the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
  })
}
