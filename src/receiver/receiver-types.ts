import type { ParkedApproval } from '../approvals/parked.js'
import type { SubmitRequest } from '../cheqpoint/client-types.js'
import type { HandleOptions } from '../http/endpoint.js'
import type { Callback } from '../http/request-checks.js'
import type { CallbackResponse } from '../http/responses.js'
import type { Outcome } from '../model/outcome.js'
import type { StoreCounts } from '../model/store-counts.js'
import type { Page, PageQuery } from '../stores/store.js'
import type { Submission, UnconfirmedSubmission } from '../submit/submission.js'
import type { SubmitOptions } from '../submit/submit-arguments.js'
import type { Tracked } from '../submit/tracked-request.js'
import type { Completed, WaitForOptions } from '../submit/wait.js'
import type { ReconcileOptions, ReconcileReport } from '../sweep/sweeper.js'
import type { InputOr } from './receiver-options.js'

/** The schema of an action's details or context; `unknown` without one. */
type SchemaOf<Schemas, Name extends string> = Name extends keyof Schemas ? Schemas[Name] : unknown

/** {@link Tracked} with details and context typed by the action's schemas. */
export type TrackedAs<Details, Context, Name extends string> = Omit<Tracked, 'action' | 'details' | 'context'> & {
  readonly action: Name
  readonly details: InputOr<SchemaOf<Details, Name>, object>
} & (unknown extends SchemaOf<Context, Name>
    ? { readonly context?: unknown }
    : { readonly context: InputOr<SchemaOf<Context, Name>, unknown> })

/** {@link SubmitRequest} with details typed by the action's schema. */
export type SubmitAs<Details, Name extends string> = Omit<
  SubmitRequest,
  'action' | 'details' | 'maxWaitMs' | 'callbackUrl' | 'expiresAt'
> & {
  readonly action: Name
  readonly details: InputOr<SchemaOf<Details, Name>, object>
}

/** {@link SubmitOptions} with a context typed, and required, by the action's schema. */
export type SubmitOptionsFor<Context, Name extends string> =
  unknown extends SchemaOf<Context, Name>
    ? readonly [options?: SubmitOptions]
    : readonly [options: SubmitOptions & { readonly context: InputOr<SchemaOf<Context, Name>, unknown> }]

/** Figures for health checks. */
export interface Stats extends StoreCounts {
  /** Concurrent callbacks in this process, except those whose body is still arriving. */
  readonly inFlight: number
  /** Approvals that this process works on, for any trigger. */
  readonly working: number
  /** Whether this process sweeps. */
  readonly sweeping: boolean
  /** Callbacks refused for their token. If decisions are then found by polling, a proxy may strip it. */
  readonly tokensRefused: number
}

/** Options of `close`. */
export interface CloseOptions {
  /** How long runs may continue before their signal aborts. Default: 10,000. */
  readonly drainMs?: number | undefined
}

/** Options of `start`. */
export interface StartOptions {
  /** Do not keep the process alive while something is open. Default `false`. */
  readonly unref?: boolean | undefined
}

/**
 * Receives decisions, and records one completion for each. Every method is bound. Wrong arguments reject with
 * `argument-invalid`.
 */
export interface Receiver {
  /**
   * Handles a callback of any framework; resolves with the response to send. Rejects only with `argument-invalid`, for
   * what is no callback, and for wrong options.
   */
  readonly handle: (callback: Callback, options?: HandleOptions) => Promise<CallbackResponse>
  /**
   * The same for a Web-standard request. Can be given to a host as its `fetch` handler: of what the host passes after the
   * request only `waitUntil` is used.
   */
  readonly fetch: (request: Request, host?: HandleOptions) => Promise<Response>
  /** A callback URL for a request submitted elsewhere, and the reference to `track` it with. Needs `callbackUrl`. */
  readonly callbackUrl: (options?: { readonly assistant?: string | undefined }) => {
    readonly url: string
    readonly ref: string
  }
  /**
   * Resolves once the decision was handled, in any process. Rejects with `parked`, `wait-timeout`, `aborted`,
   * `approval-unknown` or `receiver-closed`. Polls by itself if nothing sweeps.
   */
  readonly wait: (approvalId: string, options?: WaitForOptions) => Promise<Completed>
  /** Submissions that Cheqpoint may have accepted, without a known approval id. */
  readonly unconfirmed: (query?: Partial<PageQuery>) => Promise<Page<UnconfirmedSubmission>>
  /** Forgets an unconfirmed submission, or removes a damaged one. */
  readonly discard: (ref: string) => Promise<'discarded' | 'bound' | 'unknown'>
  /**
   * Works on one approval now, regardless of minimum interval and back-off, but not during a lease. Rejects with
   * `id-invalid`, `receiver-closed`, or if the store must not be used.
   */
  readonly resolve: (approvalId: string) => Promise<Outcome>
  /** One sweep, for cron jobs. Rejects if the store does not respond. */
  readonly reconcile: (options?: ReconcileOptions) => Promise<ReconcileReport>
  /**
   * Checks the store, then sweeps until `close`, and keeps the process alive while something is open. Rejects with
   * `store-unsuitable`. Idempotent.
   */
  readonly start: (options?: StartOptions) => Promise<void>
  /**
   * Refuses new work, waits for runs, then aborts them and gives their attempts back. Of several calls, the drain that
   * ends first counts for all.
   */
  readonly close: (options?: CloseOptions) => Promise<void>
  /** What is open, parked, overdue and in progress. Rejects if the store does not respond. */
  readonly stats: () => Promise<Stats>
  /** Parked approvals, and entries that cannot be read. */
  readonly parked: (query?: Partial<PageQuery>) => Promise<Page<ParkedApproval>>
  /** Makes a parked approval due at once, with its attempts reset. */
  readonly retry: (approvalId: string) => Promise<'pending' | 'not-parked' | 'unknown'>
  /** Ends a parked or pending approval without a run, or removes an entry that cannot be read. */
  readonly cancel: (approvalId: string) => Promise<'cancelled' | 'in-progress' | 'completed' | 'unknown'>
}

/** The name of any action. Editors suggest those of `actions`, which `string` alone would hide. */
export type NameOf<Details> = (keyof Details & string) | (string & Record<never, never>)

/** A receiver with `submit` and `track`, typed by the schemas of its actions. */
export interface TypedReceiver<Details = Record<never, never>, Context = Record<never, never>> extends Receiver {
  /**
   * Follows a request that was submitted elsewhere. `false` if its id is known already; then nothing changes. With the
   * `ref` of an unconfirmed submission, that is confirmed. Rejects with `id-invalid`, `argument-invalid`, `not-json`,
   * `details-too-large`, `assistant-unknown`, `store-full` or `store-unavailable`.
   */
  readonly track: <const Name extends NameOf<Details>>(
    approvalId: string,
    tracked: TrackedAs<Details, Context, Name>,
  ) => Promise<boolean>
  /**
   * Submits a request to Cheqpoint, and keeps it before it is sent. After an immediate decision the handler has run
   * when this resolves. Rejects with `submission-refused` (nothing is kept), `submission-unknown` (kept under `ref`,
   * never sent again, listed by `unconfirmed`), `key-reused` and `submission-in-progress` (nothing was sent), and as
   * `track` does.
   */
  readonly submit: <const Name extends NameOf<Details>>(
    request: SubmitAs<Details, Name>,
    ...options: SubmitOptionsFor<Context, Name>
  ) => Promise<Submission>
}
