import { CheqpointError } from '../model/errors.js'
import type { Outcome } from '../model/outcome.js'

/** An HTTP response, independent of any framework. */
export interface CallbackResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Row {
  /** Status if a sweep handles what is left open. */
  readonly swept: number
  /** Status if nothing does, so that a sender who retries helps. */
  readonly alone: number
  readonly title: string
  /** Word of a 2xx body, if it is not the kind itself. */
  readonly result?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The one table of responses, for every adapter, trigger and store. */
const rows: Readonly<Record<Outcome['kind'], Row>> = {
  handled: { swept: 200, alone: 200, title: 'Handled' },
  // The same bytes as `handled`: a repeated callback gets what the first one got.
  completed: { swept: 200, alone: 200, title: 'Handled', result: 'handled' },
  'edit-refused': { swept: 200, alone: 200, title: 'The edit was refused' },
  parked: { swept: 202, alone: 202, title: 'Waits for a person' },
  running: { swept: 202, alone: 202, title: 'Still running' },
  'in-progress': { swept: 202, alone: 409, title: 'Another delivery is at work' },
  'over-budget': { swept: 202, alone: 429, title: 'Too many requests to confirm' },
  'no-free-slot': { swept: 202, alone: 503, title: 'No place is free' },
  'too-soon': { swept: 202, alone: 409, title: 'Asked a moment ago' },
  'awaiting-id': { swept: 202, alone: 409, title: 'The submission has no id yet' },
  undecided: { swept: 202, alone: 409, title: 'Not decided yet' },
  'api-failed': { swept: 202, alone: 502, title: 'The decision could not be confirmed' },
  'api-throttled': { swept: 202, alone: 503, title: 'The decision could not be confirmed yet' },
  'api-key-refused': { swept: 202, alone: 500, title: 'The receiver is not set up for this request' },
  'assistant-unknown': { swept: 202, alone: 500, title: 'The receiver is not set up for this request' },
  'no-handler': { swept: 202, alone: 500, title: 'The receiver is not set up for this request' },
  'handler-failed': { swept: 202, alone: 500, title: 'The handler failed' },
  'unknown-approval': { swept: 404, alone: 404, title: 'Unknown approval' },
  'token-refused': { swept: 401, alone: 401, title: 'The callback URL has no valid token' },
  'agent-refused': { swept: 403, alone: 403, title: 'Not a Cheqpoint callback' },
  malformed: { swept: 400, alone: 400, title: 'Malformed callback' },
  'body-aborted': { swept: 400, alone: 400, title: 'The body did not arrive' },
  'method-not-allowed': { swept: 405, alone: 405, title: 'Method not allowed', headers: { allow: 'POST' } },
  // The unread rest must not be taken for the next request.
  'body-too-large': { swept: 413, alone: 413, title: 'The body is too large', headers: { connection: 'close' } },
  'body-too-slow': { swept: 408, alone: 408, title: 'The body came too slowly', headers: { connection: 'close' } },
  'media-type-refused': { swept: 415, alone: 415, title: 'Not plain JSON' },
  'body-already-read': { swept: 500, alone: 500, title: 'The body was read by something else' },
  'store-unavailable': { swept: 503, alone: 503, title: 'Try again later', headers: { 'retry-after': '5' } },
  closing: { swept: 503, alone: 503, title: 'Try again later', headers: { 'retry-after': '1' } },
  overloaded: { swept: 503, alone: 503, title: 'Try again later', headers: { 'retry-after': '1' } },
}

const common = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

/**
 * The HTTP response to an outcome. `swept`: whether a sweep handles what this response leaves open. Holds no ids,
 * keys, payloads or texts of handlers; never a redirect and never 410, which some senders take as "stop sending".
 * Throws `argument-invalid` for other arguments.
 */
export function toResponse(
  outcome: Outcome | { readonly kind: 'ok' },
  options: { readonly swept: boolean },
): CallbackResponse {
  const kind = outcome?.kind === 'ok' ? 'handled' : outcome?.kind
  const response = (options?.swept ? sweptResponses : unsweptResponses)[kind]
  if (response === undefined || typeof options?.swept !== 'boolean') {
    const fix = 'pass what verifyAndResolve() resolved with, and whether a sweep runs'
    throw new CheqpointError('argument-invalid', `toResponse() takes an outcome and { swept: true or false }; ${fix}`)
  }
  if (response.status < 400 || !('retryAfterMs' in outcome)) return response
  return {
    ...response,
    headers: { ...response.headers, 'retry-after': String(Math.max(1, Math.ceil(outcome.retryAfterMs / 1000))) },
  }
}

/** The response on a connection that cannot be used again. */
export function withClose({ headers, ...rest }: CallbackResponse): CallbackResponse {
  return { ...rest, headers: { ...headers, connection: 'close' } }
}

/** The response over HTTP/2, which has no `connection` header. */
export function withoutConnection({ headers, ...rest }: CallbackResponse): CallbackResponse {
  const { connection: _, ...others } = headers
  return { ...rest, headers: others }
}

const sweptResponses = responsesOf('swept')
const unsweptResponses = responsesOf('alone')

function responsesOf(column: 'swept' | 'alone'): Readonly<Record<Outcome['kind'], CallbackResponse>> {
  // The type of `rows` names every kind.
  const kinds = Object.keys(rows) as Outcome['kind'][]
  const entries = kinds.map((kind) => [kind, responseOf(kind, rows[kind][column])])
  return Object.fromEntries(entries) as Record<Outcome['kind'], CallbackResponse>
}

function responseOf(kind: Outcome['kind'], status: number): CallbackResponse {
  const { title, result = kind, headers } = rows[kind]
  if (status < 400) {
    return { status, headers: { ...common, 'content-type': 'application/json' }, body: JSON.stringify({ result }) }
  }
  // RFC 9457; `code` is the stable word, `title` is for people.
  const body = JSON.stringify({ type: 'about:blank', title, status, code: kind })
  return { status, headers: { ...common, ...headers, 'content-type': 'application/problem+json' }, body }
}
