import type { ParkedApproval } from '../approvals/parked.js'
import type { SubmitRequest } from '../cheqpoint/client.js'
import type { HandleOptions } from '../http/endpoint.js'
import type { Callback } from '../http/request-checks.js'
import type { CallbackResponse } from '../http/responses.js'
import type { Outcome } from '../model/outcome.js'
import type { Page, PageQuery, StoreStats } from '../stores/store.js'
import type { Submission } from '../submit/submission.js'
import type { SubmitOptions } from '../submit/submitter.js'
import type { Tracked } from '../submit/tracked-request.js'
import type { UnconfirmedSubmission } from '../submit/unconfirmed.js'
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
export interface Stats extends StoreStats {
  /** Callbacks under way in this process. */
  readonly inFlight: number
  /** Approvals being worked on in this process, whatever brought them. */
  readonly working: number
  /** Whether this process looks for lost callbacks. */
  readonly sweeping: boolean
}

/** How long a receiver that closes waits. */
export interface CloseOptions {
  /** How long runs may go on before their signal aborts. Default: 10,000. */
  readonly drainMs?: number | undefined
}

/** Receives decisions: one decision, one recorded completion, whichever way it arrives. Every method is bound. */
export interface Receiver<Details = Record<never, never>, Context = Record<never, never>> {
  /** Takes a callback of any framework and answers it. Never rejects. */
  readonly handle: (callback: Callback, options?: HandleOptions) => Promise<CallbackResponse>
  /** The same for a Web-standard request. */
  readonly fetch: (request: Request, options?: HandleOptions) => Promise<Response>
  /**
   * Follows a request that was submitted elsewhere. `false` where its id is known already, and nothing changed.
   * Rejects with `id-invalid`, `argument-invalid`, `not-json`, `assistant-unknown`, `store-full` or `store-unavailable`.
   */
  readonly track: <const Name extends string>(
    approvalId: string,
    tracked: TrackedAs<Details, Context, Name>,
  ) => Promise<boolean>
  /**
   * Asks Cheqpoint for an approval, so that nothing is lost between asking and knowing. Where Cheqpoint decides at
   * once the handler has run before this resolves. Rejects with `submission-refused` (nothing is kept), with
   * `submission-unknown` (kept under `ref`, never sent again, listed by `unconfirmed`), and as `track` does.
   */
  readonly submit: <const Name extends string>(
    request: SubmitAs<Details, Name>,
    ...options: SubmitOptionsFor<Context, Name>
  ) => Promise<Submission>
  /** A callback URL for a request submitted elsewhere, and the reference to `track` it with. Needs `callbackUrl`. */
  readonly callbackUrl: () => { readonly url: string; readonly ref: string }
  /**
   * Resolves once the decision was acted on, in whichever process. Rejects with `parked`, `wait-timeout`, `aborted`,
   * `approval-unknown` or `receiver-closed`. Looks by itself where nothing sweeps.
   */
  readonly wait: (approvalId: string, options?: WaitForOptions) => Promise<Completed>
  /** Submissions of which nobody knows whether Cheqpoint took them. */
  readonly unconfirmed: (query?: Partial<PageQuery>) => Promise<Page<UnconfirmedSubmission>>
  /** Forgets a submission that Cheqpoint does not have after all. */
  readonly discard: (ref: string) => Promise<'discarded' | 'bound' | 'unknown'>
  /**
   * Looks into one approval now, past gap and back-off, not past a live lease. Rejects with `id-invalid`, `receiver-closed`
   * or where the store must not be used.
   */
  readonly resolve: (approvalId: string) => Promise<Outcome>
  /** One sweep, for cron and serverless. Rejects where the store does not answer. */
  readonly reconcile: (options?: ReconcileOptions) => Promise<ReconcileReport>
  /** Looks at the store, then sweeps until `close`. Rejects with `store-unsuitable`. Twice is fine. */
  readonly start: () => Promise<void>
  /** Takes nothing new, lets runs end, then aborts them and gives their starts back. Twice is fine. */
  readonly close: (options?: CloseOptions) => Promise<void>
  /** How much is open, parked, overdue and under way. Rejects where the store does not answer. */
  readonly stats: () => Promise<Stats>
  /** Records that wait for a person. */
  readonly parked: (query?: Partial<PageQuery>) => Promise<Page<ParkedApproval>>
  /** Lets a parked record run again: due at once, its starts forgotten. */
  readonly retry: (approvalId: string) => Promise<'pending' | 'not-parked' | 'unknown'>
  /** Ends a parked or pending record without a run. */
  readonly cancel: (approvalId: string) => Promise<'cancelled' | 'held' | 'done' | 'unknown'>
}
