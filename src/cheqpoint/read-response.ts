import { CheqpointError, connectionKeys, type ErrorCode } from '../model/errors.js'
import { printable } from '../model/events.js'
import { retryAfterMs } from '../util/backoff.js'
import type { Clock } from '../util/clock.js'
import { parseJson } from '../util/json.js'
import type { ApiResponse } from './exchange.js'
import { type ApiApproval, parseApproval } from './wire.js'

/** A response about exactly the requested approval. */
export type FetchedApproval = ApiApproval & {
  readonly id: string
  /** When the API sent it, by its own clock (ms since the epoch); `null` without a `Date` header. */
  readonly servedAt: number | null
}

export function readAbout(reply: ApiResponse, id: string): FetchedApproval {
  const answer = readReply(reply)
  if (answer.id !== id) throw new CheqpointError('api-unreadable', 'the answer is not about the approval asked for')
  const servedAt = Date.parse(reply.date ?? '')
  const { status, word, modifiedDetails, note, decidedAt, reviewUrl } = answer
  const at = Number.isNaN(servedAt) ? null : servedAt
  // A spread would cost as much as the rest of the parsing.
  return { id, status, word, modifiedDetails, note, decidedAt, reviewUrl, servedAt: at }
}

export function isKeyRefused({ status }: Pick<ApiResponse, 'status'>): boolean {
  return status === 401 || status === 403
}

/** The error for a status of 300 and above. */
export function refusal(reply: ApiResponse, keys: readonly string[], clock: Clock): CheqpointError {
  const { status, retryAfter } = reply
  const [code, message] = meaningOf(reply)
  return new CheqpointError(code, `${message} (${status})`, {
    httpStatus: status,
    retryAfterMs: retryAfterMs(retryAfter, clock.now()) ?? undefined,
    apiMessage: messageOf(reply.text, keys),
  })
}

function meaningOf({ status, redirectHost }: ApiResponse): readonly [ErrorCode, string] {
  const target = redirectHost === undefined ? '' : ` to ${redirectHost}`
  if (status < 400) return ['api-redirect', `the API answered with a redirect${target}, which is not followed`]
  if (isKeyRefused({ status }))
    return ['api-key-refused', 'the API refused the key; check apiKey, and whether it was rotated']
  if (status === 404) return ['api-not-found', 'the API does not know this approval']
  if (status === 429) return ['api-throttled', 'the API asks to slow down']
  return status < 500 ? ['api-refused', 'the API refused the request'] : ['api-failed', 'the API failed']
}

/** The token of a callback URL, which the API may repeat in its message. */
const urlTokens = /[\w-]{1,64}\.[0-9a-z]{1,12}\.[\w-]{43}/g

/** The message of the API about a refusal, for one line of a log: at most 200 characters, without keys. */
function messageOf(text: string, keys: readonly string[]): string | undefined {
  let said = text
  try {
    const { error, message }: { readonly error?: unknown; readonly message?: unknown } = Object(JSON.parse(text))
    said = [message, error].find((each) => typeof each === 'string') ?? ''
  } catch {
    // An HTML page is of no use in one line.
    if (text.trimStart().startsWith('<')) return undefined
  }
  const safe = keys
    .reduce((left, key) => left.replaceAll(key, '…'), said)
    .replace(connectionKeys, 'cq_live_…')
    .replace(urlTokens, '…')
  const line = printable(safe.trim(), 200)
  return line === '' ? undefined : line
}

export function readReply({ status, text }: ApiResponse): ApiApproval {
  let answer: ApiApproval | null = null
  try {
    answer = parseApproval(parseJson(text))
  } catch {
    // The message of the parser quotes the response.
  }
  if (answer === null) {
    throw new CheqpointError('api-unreadable', 'the answer has not the documented shape', { httpStatus: status })
  }
  return answer
}
