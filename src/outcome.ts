import type { DecisionStatus } from './decision.js'
import type { ErrorCode } from './errors.js'
import type { RefusalReason } from './events.js'
import type { ParkReason, Sealed } from './record.js'

/** A callback that was refused before anything was asked of the API. */
export interface Refusal {
  readonly kind: RefusalReason
}

/**
 * What became of a trigger. A closed union: each kind has one row in the table of answers below. Not for logs as it is:
 * `truth` has the reviewer's edit and note, `error` what the store threw. {@link toAnswer} shows neither.
 */
export type Outcome =
  | Refusal
  /** The handler ran to its end now. */
  | { readonly kind: 'handled'; readonly approvalId: string; readonly status: DecisionStatus; readonly truth: Sealed }
  /** It did so before; `truth` is `null` where the tombstone keeps the outcome only, or the record was cancelled. */
  | { readonly kind: 'done'; readonly approvalId: string; readonly truth: Sealed | null }
  /** Confirmed, and parked because the reviewer's edit must not run. */
  | { readonly kind: 'edit-refused'; readonly approvalId: string; readonly reason: ParkReason; readonly truth: Sealed }
  /** Waits for a person. */
  | { readonly kind: 'parked'; readonly approvalId: string; readonly reason: ParkReason | null }
  /** The handler is still at work; the lease goes on. */
  | { readonly kind: 'running'; readonly approvalId: string }
  | {
      readonly kind: 'handler-failed'
      readonly approvalId: string
      readonly truth: Sealed
      readonly retryAfterMs: number
    }
  | Waiting
  | {
      readonly kind: 'api-failed'
      readonly approvalId: string
      readonly code: ErrorCode
      readonly retryAfterMs: number
    }
  | { readonly kind: 'api-key-refused' | 'assistant-unknown' | 'no-handler'; readonly approvalId: string }
  | { readonly kind: 'store-unavailable'; readonly error: unknown }

/** Nothing is wrong, but not now. */
export interface Waiting {
  readonly kind:
    | 'held'
    | 'over-budget'
    | 'too-soon'
    /** A valid token whose submission has no id yet. */
    | 'unbound'
    | 'undecided'
    | 'api-throttled'
  readonly approvalId: string
  readonly retryAfterMs: number
}

/** An HTTP answer, independent of any framework. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Row {
  /** Status where a sweep looks after what is left open. */
  readonly swept: number
  /** Status where nothing does, so that a sender who retries is of use. */
  readonly alone: number
  readonly title: string
  /** Word of a 2xx body where it is not the kind itself. */
  readonly result?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The one table of answers: every adapter, every trigger, every store. */
const rows: Readonly<Record<Outcome['kind'], Row>> = {
  handled: { swept: 200, alone: 200, title: 'Handled' },
  // The same bytes as `handled`: a repeated callback gets what the first one got.
  done: { swept: 200, alone: 200, title: 'Handled', result: 'handled' },
  'edit-refused': { swept: 200, alone: 200, title: 'The edit was refused' },
  parked: { swept: 202, alone: 202, title: 'Waits for a person' },
  running: { swept: 202, alone: 202, title: 'Still running' },
  held: { swept: 202, alone: 409, title: 'Another delivery is at work' },
  'over-budget': { swept: 202, alone: 429, title: 'Too many requests to confirm' },
  'too-soon': { swept: 202, alone: 409, title: 'Asked a moment ago' },
  unbound: { swept: 202, alone: 409, title: 'The submission has no id yet' },
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
  // What was not read to its end must not be taken for the next request.
  'body-too-large': { swept: 413, alone: 413, title: 'The body is too large', headers: { connection: 'close' } },
  'body-too-slow': { swept: 408, alone: 408, title: 'The body came too slowly', headers: { connection: 'close' } },
  'media-type-refused': { swept: 415, alone: 415, title: 'Not plain JSON' },
  'body-drained': { swept: 500, alone: 500, title: 'The body was read by something else' },
  'store-unavailable': { swept: 503, alone: 503, title: 'Try again later', headers: { 'retry-after': '5' } },
  closing: { swept: 503, alone: 503, title: 'Try again later', headers: { 'retry-after': '1' } },
  overloaded: { swept: 503, alone: 503, title: 'Try again later', headers: { 'retry-after': '1' } },
}

const common = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

/**
 * The HTTP answer to an outcome. `swept`: whether something looks after what this answer leaves open. Holds no ids,
 * keys, payloads or texts of handlers; never a redirect and never 410, which some senders take as "stop sending".
 */
export function toAnswer(outcome: Outcome | { readonly kind: 'ok' }, options: { readonly swept: boolean }): Answer {
  const kind = outcome.kind === 'ok' ? 'handled' : outcome.kind
  const answer = (options.swept ? sweptAnswers : aloneAnswers)[kind]
  if (answer.status < 400 || !('retryAfterMs' in outcome)) return answer
  return {
    ...answer,
    headers: { ...answer.headers, 'retry-after': String(Math.max(1, Math.ceil(outcome.retryAfterMs / 1000))) },
  }
}

const sweptAnswers = answersOf('swept')
const aloneAnswers = answersOf('alone')

function answersOf(column: 'swept' | 'alone'): Readonly<Record<Outcome['kind'], Answer>> {
  const entries = Object.entries(rows).map(([kind, row]) => [kind, answerOf(kind as Outcome['kind'], row, row[column])])
  // The keys are those of `rows`, whose type names every kind.
  return Object.fromEntries(entries) as Record<Outcome['kind'], Answer>
}

function answerOf(kind: Outcome['kind'], row: Row, status: number): Answer {
  if (status < 400) {
    const body = JSON.stringify({ result: row.result ?? kind })
    return { status, headers: { ...common, 'content-type': 'application/json' }, body }
  }
  // RFC 9457; `code` is the stable word, `title` is for people.
  const body = JSON.stringify({ type: 'about:blank', title: row.title, status, code: kind })
  return { status, headers: { ...common, ...row.headers, 'content-type': 'application/problem+json' }, body }
}
