import type { Dispatcher } from 'undici'
import { CheqpointError, type ErrorCode, isCheqpointError } from '../model/errors.js'
import { writeJson } from '../model/plain-json.js'
import { readExpiry } from '../options/expiry.js'
import {
  argumentGroup,
  argumentNumber,
  argumentSignal,
  group,
  invalid,
  type Names,
  readGroup,
  whole,
} from '../options/option-checks.js'
import { readClock, readRandom } from '../options/read-pipeline-options.js'
import { jitter } from '../util/backoff.js'
import { longestTimer } from '../util/clock.js'
import { onAbort } from '../util/on-abort.js'
import type { CallOptions, Client, ClientOptions, SubmitRequest, WaitOptions } from './client-types.js'
import type { ApiResponse } from './exchange.js'
import { idMatcher, invalidId } from './ids.js'
import { readKeys } from './keys.js'
import { type FetchedApproval, isKeyRefused, readAbout, readReply, refusal } from './read-response.js'
import { type ApiRequest, createTransport, readBaseUrl } from './transport.js'
import type { ApiApproval } from './wire.js'

const commonHeaders = ['accept', 'application/json', 'accept-encoding', 'identity', 'user-agent', 'cheqpoint-callback']
/** Failures of the API that time does not fix. */
const lasting: ReadonlySet<ErrorCode> = new Set(['api-redirect', 'api-key-refused', 'api-not-found', 'api-refused'])

const callNames: Names<CallOptions> = ['assistant', 'signal']
const waitNames: Names<WaitOptions> = [...callNames, 'timeoutMs', 'intervalMs']

/** Checked by `readKeys`. */
const asGiven = (value: unknown): unknown => value
const optionTable = {
  apiKey: asGiven,
  apiKeys: asGiven,
  baseUrl: readBaseUrl,
  idPattern: idMatcher,
  timeoutMs: whole(5_000, 1, longestTimer),
  submitTimeoutMs: whole(15_000, 1, longestTimer),
  maxResponseBytes: whole(1_048_576, 1, 67_108_864),
  dispatcher: readDispatcher,
  clock: readClock,
  random: readRandom,
}

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
  const { baseUrl, dispatcher, timeoutMs, submitTimeoutMs, ...rest } = readGroup(options ?? null, '', optionTable)
  const { idPattern: isId, maxResponseBytes, clock, random } = rest
  const keyrings = readKeys(options)
  const getting = { headers: [...commonHeaders, 'cache-control', 'no-cache'], timeoutMs }
  const posting = { headers: [...commonHeaders, 'content-type', 'application/json'], timeoutMs: submitTimeoutMs }
  const transport = createTransport(baseUrl, dispatcher, Math.min(3_000, timeoutMs), maxResponseBytes)
  /** Ends each wait in progress. */
  const waits = new Set<() => void>()
  let closing: Promise<void> | undefined

  function demandOpen(): void {
    if (closing !== undefined) throw new CheqpointError('aborted', 'the client was closed')
  }

  async function ask<Value>(
    question: ApiRequest,
    call: CallOptions,
    read: (reply: ApiResponse) => Value,
  ): Promise<Value> {
    argumentGroup(call, 'a call of the client', callNames)
    const { assistant = null } = call
    const signal = argumentSignal(call.signal)
    demandOpen()
    const keyring = keyrings.get(assistant)
    if (keyring === undefined) {
      const whose = assistant === null ? 'a call that names no assistant' : `assistant '${assistant}'`
      throw new CheqpointError('assistant-unknown', `no key is configured for ${whose}; see apiKeys`)
    }
    const first = keyring.best
    let reply = await transport.send(question, first, signal)
    for (const key of keyring.keys) {
      if (!isKeyRefused(reply)) break
      if (key === first) continue
      demandOpen()
      reply = await transport.send(question, key, signal)
      if (!isKeyRefused(reply)) keyring.best = key
    }
    if (reply.status >= 300) throw refusal(reply, keyring.keys, clock)
    return read(reply)
  }

  function get(id: string, call: CallOptions = {}): Promise<FetchedApproval> {
    if (!isId(id)) return Promise.reject(invalidId(id))
    const question = { method: 'GET', path: `/api/approvals/${id}`, body: null, ...getting } as const
    return ask(question, call, (reply) => readAbout(reply, id))
  }

  const submit = async (path: string, request: SubmitRequest, call: CallOptions = {}): Promise<ApiApproval> =>
    ask({ method: 'POST', path, body: writeBody(request, clock.now()), ...posting }, call, readReply)

  async function waitForDecision(id: string, wait: WaitOptions): Promise<FetchedApproval> {
    const given = argumentGroup(wait, 'waitForDecision()', waitNames)
    const timeoutMs = argumentNumber(given['timeoutMs'] ?? null, 'timeoutMs', 0, 1, longestTimer)
    const intervalMs = argumentNumber(given['intervalMs'], 'intervalMs', 5_000, 1, longestTimer)
    const signal = argumentSignal(given['signal'])
    const { assistant } = wait
    const stop = new AbortController()
    const giveUp = (): void => stop.abort()
    // Keeps the process alive, unlike other timers: the caller may have nothing else running.
    const timer = setTimeout(giveUp, timeoutMs)
    const stopListening = signal && onAbort(signal, giveUp)
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
          if (!isCheqpointError(error) || !error.code.startsWith('api-') || lasting.has(error.code)) throw error
          pauseMs = Math.max(pauseMs, error.retryAfterMs ?? 0)
          failure = `; the last poll failed with ${error.code}`
        }
        await pause(pauseMs, stop.signal)
      }
    } finally {
      clearTimeout(timer)
      stopListening?.()
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

function writeBody(request: SubmitRequest, now: number): string {
  group(request ?? null, 'the request', undefined, 'argument')
  const { expiresAt } = request
  const date = typeof expiresAt === 'string' || typeof expiresAt === 'number' ? new Date(expiresAt) : expiresAt
  const iso = date === undefined ? undefined : new Date(readExpiry(date, now)).toISOString()
  return writeJson({ ...request, expiresAt: iso }, 'request')
}

function readDispatcher(value: unknown, path: string): Dispatcher | undefined {
  if (value !== undefined && typeof Object(value).dispatch !== 'function')
    throw invalid(path, value, 'an undici dispatcher')
  // Nothing more can be checked before it is used.
  return value as Dispatcher | undefined
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
