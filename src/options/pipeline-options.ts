import type { EventListener } from '../model/events.js'
import type { Clock, Random } from '../util/clock.js'
import type { Log } from './log.js'

/** Options that `createReceiver` and `verifyAndResolve` share. Durations are milliseconds. */
export interface PipelineOptions {
  /**
   * `at-least-once` (default): a run whose end is unknown is repeated. `at-most-once`: it is parked, and so is a run
   * that threw. Use the same on all receivers of a store.
   */
  readonly guarantee?: 'at-least-once' | 'at-most-once' | undefined
  /** Matches whole approval ids. Default `/[A-Za-z0-9_-]{1,128}/`. */
  readonly idPattern?: RegExp | undefined
  /** Accepted agent headers. Default `['Cheqpoint-Callback/1.0']`. They filter noise and authenticate nothing. */
  readonly agents?: readonly string[] | undefined
  readonly callbacks?: CallbackOptions | undefined
  readonly confirm?: ConfirmOptions | undefined
  readonly polling?: PollingOptions | undefined
  readonly runs?: RunOptions | undefined
  /** How long an outcome is kept after completion; at least 15 minutes. Default 7 days. */
  readonly retentionMs?: number | undefined
  /** Limit of details plus context as JSON, beyond it `details-too-large`. Default 262,144. */
  readonly maxDetailsBytes?: number | undefined
  readonly onEvent?: EventListener | undefined
  /**
   * Gets one line for each failed run, dropped result, parked approval, store failure or refused key, at most one per
   * kind in 10 s. Never a secret, details or a payload. Default: `console`, or `false` with `onEvent`.
   */
  readonly log?: Log | false | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

/** Limits of callbacks: size, time, number. */
export interface CallbackOptions {
  /** Default 262,144. */
  readonly maxBodyBytes?: number | undefined
  /** From the arrival of the request to the last byte of its body. Default 5,000. */
  readonly bodyTimeoutMs?: number | undefined
  /** After this time the response is 202, while the handler continues. Default 8,000. */
  readonly ackAfterMs?: number | undefined
  /** Concurrent callbacks in this process, once read or with a valid token; others get 503. Default 1,000. */
  readonly maxInFlight?: number | undefined
  /** Bodies that are being received; beyond this number the oldest gets 408. Default 1,000. */
  readonly maxUnreadBodies?: number | undefined
}

/** Limits of the GETs that confirm decisions. */
export interface ConfirmOptions {
  /** For one GET, from connecting to the last byte. At most a third of `runs.leaseMs`. Default 5,000, or that third. */
  readonly timeoutMs?: number | undefined
  /** At most one GET per approval in this time, for all triggers but `resolve`. Default 2,000. */
  readonly minIntervalMs?: number | undefined
  /**
   * GETs that callbacks without a valid token may cause, per assistant and process; `Infinity` for no limit. Default 50.
   */
  readonly requestsPerSecond?: number | undefined
  /** Default 1,048,576. */
  readonly maxResponseBytes?: number | undefined
}

/** When and how fast the sweep polls for decisions. */
export interface PollingOptions {
  /** First poll if no callback arrives. Default 15,000; 5,000 without a callback URL. */
  readonly firstMs?: number | undefined
  /** Longest time between polls, ±20 %. Default 600,000. */
  readonly maxMs?: number | undefined
  /** GETs that the sweep may cause, per assistant and process; `Infinity` for no limit. Default 10. */
  readonly requestsPerSecond?: number | undefined
  /** Concurrent polls in this process, for all triggers. Default 16. */
  readonly concurrency?: number | undefined
}

/** Leases, time-outs and retries of handlers. */
export interface RunOptions {
  /** How long a claim lives without renewal; it is renewed every third of this. Default 30,000. */
  readonly leaseMs?: number | undefined
  /**
   * After this time `run.signal` aborts. A run that does not end within one lease more has failed, and another may
   * start beside it. Default 900,000.
   */
  readonly timeoutMs?: number | undefined
  /**
   * Concurrent handlers in this process, for all triggers. A handler that waits for another approval keeps its slot.
   * Default 1,000.
   */
  readonly concurrency?: number | undefined
  /** Attempts without a completion, then the approval is parked. Default 8. */
  readonly maxAttempts?: number | undefined
  /** Shortest and longest wait before a failed handler runs again. Default `[1_000, 600_000]`. */
  readonly backoffMs?: readonly [number, number] | undefined
}
