import type { ParkedApproval } from '../approvals/parked.js'
import type { SubmitRequest } from '../cheqpoint/client-types.js'
import type { HandleOptions } from '../http/endpoint.js'
import type { Callback } from '../http/request-checks.js'
import type { CallbackResponse } from '../http/responses.js'
import type { Outcome } from '../model/outcome.js'
import type { Page, PageQuery, StoreCounts } from '../stores/store.js'
import type { Submission, UnconfirmedSubmission } from '../submit/submission.js'
import type { SubmitOptions } from '../submit/submit-arguments.js'
import type { Tracked } from '../submit/tracked-request.js'
import type { Completed, WaitForOptions } from '../submit/wait.js'
import type { ReconcileOptions, ReconcileReport } from '../sweep/sweeper.js'
import type { InputOr } from './receiver-options.js'

/** {@link Tracked}, its details and context typed by the action's schemas. */
export type TrackedAs<Details, Context, Name extends string> = Omit<Tracked, 'action' | 'details' | 'context'> & {
  readonly action: Name
  readonly details: Name extends keyof Details ? InputOr<Details[Name], object> : object
} & (Name extends keyof Context
    ? unknown extends Context[Name]
      ? { readonly context?: unknown }
      : { readonly context: InputOr<Context[Name], unknown> }
    : { readonly context?: unknown })

/** {@link SubmitRequest}, its details typed by the action's schema. */
export type SubmitAs<Details, Name extends string> = Omit<
  SubmitRequest,
  'action' | 'details' | 'maxWaitMs' | 'callbackUrl' | 'expiresAt'
> & {
  readonly action: Name
  readonly details: Name extends keyof Details ? InputOr<Details[Name], object> : object
}

/** {@link SubmitOptions}, the context typed, and required, by the action's schema. */
export type SubmitOptionsFor<Context, Name extends string> = Name extends keyof Context
  ? unknown extends Context[Name]
    ? readonly [options?: SubmitOptions]
    : readonly [options: SubmitOptions & { readonly context: InputOr<Context[Name], unknown> }]
  : readonly [options?: SubmitOptions]

/** Health numbers. */
export interface Stats extends StoreCounts {
  /** Callbacks under way in this process, those aside whose body is still to come. */
  readonly inFlight: number
  /** Approvals being worked on in this process, whatever the trigger. */
  readonly working: number
  /** Whether this process finds lost callbacks. */
  readonly sweeping: boolean
  /** Callbacks refused for their token. Where decisions are found by polling all the same, a proxy may strip it. */
  readonly tokensRefused: number
}

/** How long a receiver that closes waits. */
export interface CloseOptions {
  /** How long runs may go on before their signal aborts. Default: 10,000. */
  readonly drainMs?: number | undefined
}

/** How a receiver sweeps. */
export interface StartOptions {
  /** Do not keep the process alive while something is open. Default `false`. */
  readonly unref?: boolean | undefined
}

/**
 * Receives decisions: one decision, one recorded completion, whichever way it arrives. Every method is bound, and
 * rejects with `argument-invalid` for arguments that are not allowed.
 */
export interface Receiver {
  /**
   * Takes a callback of any framework and resolves with the response to send. Rejects only with `argument-invalid`, for
   * what is no callback.
   */
  readonly handle: (callback: Callback, options?: HandleOptions) => Promise<CallbackResponse>
  /** The same for a Web-standard request. */
  readonly fetch: (request: Request, options?: HandleOptions) => Promise<Response>
  /** A callback URL for a request submitted elsewhere, and the reference to `track` it with. Needs `callbackUrl`. */
  readonly callbackUrl: (options?: { readonly assistant?: string | undefined }) => {
    readonly url: string
    readonly ref: string
  }
  /**
   * Resolves once the decision was acted on, in whichever process. Rejects with `parked`, `wait-timeout`, `aborted`,
   * `approval-unknown` or `receiver-closed`. Polls by itself where nothing sweeps.
   */
  readonly wait: (approvalId: string, options?: WaitForOptions) => Promise<Completed>
  /** Submissions that Cheqpoint may have taken, and whose approval id is not known. */
  readonly unconfirmed: (query?: Partial<PageQuery>) => Promise<Page<UnconfirmedSubmission>>
  /** Forgets a submission that Cheqpoint does not have after all. */
  readonly discard: (ref: string) => Promise<'discarded' | 'bound' | 'unknown'>
  /**
   * Works on one approval now, past minimum interval and back-off, not past a live lease. Rejects with `id-invalid`,
   * `receiver-closed` or where the store must not be used.
   */
  readonly resolve: (approvalId: string) => Promise<Outcome>
  /** One sweep, for cron and serverless. Rejects where the store does not answer. */
  readonly reconcile: (options?: ReconcileOptions) => Promise<ReconcileReport>
  /**
   * Checks the store, then sweeps until `close`, and keeps the process alive while something is open. Rejects with
   * `store-unsuitable`. Idempotent.
   */
  readonly start: (options?: StartOptions) => Promise<void>
  /** Takes nothing new, lets runs end, then aborts them and gives their attempts back. Idempotent. */
  readonly close: (options?: CloseOptions) => Promise<void>
  /** How much is open, parked, overdue and under way. Rejects where the store does not answer. */
  readonly stats: () => Promise<Stats>
  /** Approvals that wait for a person. */
  readonly parked: (query?: Partial<PageQuery>) => Promise<Page<ParkedApproval>>
  /** Lets a parked approval run again: due at once, its attempts forgotten. */
  readonly retry: (approvalId: string) => Promise<'pending' | 'not-parked' | 'unknown'>
  /** Ends a parked or pending approval without a run, or removes one that cannot be read. */
  readonly cancel: (approvalId: string) => Promise<'cancelled' | 'in-progress' | 'completed' | 'unknown'>
}

/** A receiver whose actions have schemas. */
export interface TypedReceiver<Details = Record<never, never>, Context = Record<never, never>> extends Receiver {
  /**
   * Follows a request that was submitted elsewhere. `false` where its id is known already, and nothing changed.
   * Rejects with `id-invalid`, `argument-invalid`, `not-json`, `details-too-large`, `assistant-unknown`, `store-full` or
   * `store-unavailable`.
   */
  readonly track: <const Name extends string>(
    approvalId: string,
    tracked: TrackedAs<Details, Context, Name>,
  ) => Promise<boolean>
  /**
   * Asks Cheqpoint for an approval, so that nothing is lost between asking and knowing. Where Cheqpoint decides at
   * once the handler has run before this resolves. Rejects with `submission-refused` (nothing is kept), with
   * `submission-unknown` (kept under `ref`, never sent again, listed by `unconfirmed`), with `key-reused` and
   * `submission-in-progress` (nothing was sent), and as `track` does.
   */
  readonly submit: <const Name extends string>(
    request: SubmitAs<Details, Name>,
    ...options: SubmitOptionsFor<Context, Name>
  ) => Promise<Submission>
}
