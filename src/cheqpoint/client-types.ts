import type { Dispatcher } from 'undici'
import type { Clock, Random } from '../util/clock.js'
import type { FetchedApproval } from './read-response.js'
import type { ApiApproval } from './wire.js'

/** Options of `createClient`. Durations are milliseconds. */
export interface ClientOptions {
  /** Connection Key, or several during a rotation, tried in order when the API refuses one. This or `apiKeys`. */
  readonly apiKey?: string | readonly string[] | undefined
  /** Keys by assistant. Each call then names its `assistant`. */
  readonly apiKeys?: Readonly<Record<string, string | readonly string[]>> | undefined
  /**
   * Default `https://app.cheqpoint.co`. May have a path. Plain http is allowed for loopback only. Certificates are
   * checked even with `NODE_TLS_REJECT_UNAUTHORIZED=0`; for your own authority set `NODE_EXTRA_CA_CERTS`.
   */
  readonly baseUrl?: string | undefined
  /**
   * Matches whole approval ids. Default `/[A-Za-z0-9_-]{1,128}/`. In any case an id is printable ASCII without
   * `/ \ % ? #`, not dots alone, of at most 512 characters.
   */
  readonly idPattern?: RegExp | undefined
  /** For one GET, from connecting to the last byte. A second key that is tried has its own. Default 5,000. */
  readonly timeoutMs?: number | undefined
  /** For one submission, likewise; longer than its `maxWaitMs`. Default 15,000. */
  readonly submitTimeoutMs?: number | undefined
  /** A longer response is unreadable. Default 1,048,576. */
  readonly maxResponseBytes?: number | undefined
  /** A dispatcher of undici 7, for proxies and tests. It must not follow redirects or retry. */
  readonly dispatcher?: Dispatcher | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

/** Options of each call. */
export interface CallOptions {
  /** Whose key to use. Required with `apiKeys`, unknown with `apiKey`. */
  readonly assistant?: string | null | undefined
  /** Ends the call with `aborted`. */
  readonly signal?: AbortSignal | undefined
}

/** How long and how often to poll for a decision. */
export interface WaitOptions extends CallOptions {
  /** Rejects with `wait-timeout` after so long. */
  readonly timeoutMs: number
  /** Between two polls, ±20 %. Default 5,000, the pace that Cheqpoint advises. */
  readonly intervalMs?: number | undefined
}

/** A request for approval, with every field that Cheqpoint documents. */
export interface SubmitRequest {
  readonly action: string
  /** One line for the reviewer. */
  readonly summary: string
  /** What to approve. Plain JSON. */
  readonly details: object
  readonly riskLevel?: 'low' | 'medium' | 'high' | undefined
  /** From 0 to 1. */
  readonly riskScore?: number | undefined
  readonly justification?: string | undefined
  readonly priority?: 'low' | 'normal' | 'urgent' | undefined
  /** Shown instead of the assistant's name. */
  readonly agentName?: string | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** How long Cheqpoint holds the call for a decision, in milliseconds; it caps this at 10,000. `inbound` only. */
  readonly maxWaitMs?: number | undefined
  /** Where Cheqpoint posts the decision. `inbound` only. */
  readonly callbackUrl?: string | undefined
  /** A future date or its milliseconds. Sent as an ISO 8601 date. */
  readonly expiresAt?: Date | string | number | undefined
}

/**
 * The three documented endpoints. Nothing is sent twice, with two exceptions: with the next key after a 401 or 403, and
 * a GET whose reused connection was closed before any byte of the response. If undici is missing or replaced, `fetch`
 * sends by the same rules; it repeats a GET only if the runtime does, and sends nothing over https with
 * `NODE_TLS_REJECT_UNAUTHORIZED=0`.
 *
 * Every call rejects with a `CheqpointError`: `api-key-refused` (401, 403), `api-not-found` (404), `api-throttled`
 * (429), `api-refused` (other 4xx), `api-failed` (5xx), `api-redirect`, `api-unreachable`, `api-broken-off`,
 * `api-timeout`, `api-unreadable`, `assistant-unknown`, `argument-invalid`, or `aborted`, also after `close()`. No error
 * contains a key or a payload.
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
   * Polls until there is a decision. Continues after lost connections, time-outs, 429, 5xx and unreadable responses,
   * respecting Retry-After; any other failure rejects at once. Keeps the process alive while it waits.
   * Rejects with `wait-timeout`, or with `argument-invalid` for an invalid duration.
   */
  waitForDecision(id: string, options: WaitOptions): Promise<FetchedApproval>
  /** Lets exchanges in progress end, then closes its connections. A given dispatcher stays open. Idempotent. */
  close(): Promise<void>
}
