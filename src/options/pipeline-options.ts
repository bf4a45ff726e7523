import type { EventListener } from '../model/events.js'
import type { Clock, Random } from '../util/clock.js'
import type { Log } from './log.js'

/** What the pipeline needs, with a receiver around it or without. Durations are milliseconds. */
export interface PipelineOptions {
  /**
   * `at-least-once` (default): a run whose end is unknown is repeated. `at-most-once`: it is parked for a person, and
   * so is a run that threw. The same for every receiver on one store, or it holds for none.
   */
  readonly guarantee?: 'at-least-once' | 'at-most-once' | undefined
  /** What an approval id looks like as a whole. Default `/[A-Za-z0-9_-]{1,128}/`. */
  readonly idPattern?: RegExp | undefined
  /** Accepted agent headers. Default `['Cheqpoint-Callback/1.0']`. A filter of noise, no authentication. */
  readonly agents?: readonly string[] | undefined
  readonly callbacks?: CallbackOptions | undefined
  readonly confirm?: ConfirmOptions | undefined
  readonly polling?: PollingOptions | undefined
  readonly runs?: RunOptions | undefined
  /** How long an outcome is remembered after its handler finished: at least 15 minutes. Default 7 days. */
  readonly retentionMs?: number | undefined
  /** Details and context together, as JSON; more is refused with `details-too-large`. Default 262,144. */
  readonly maxDetailsBytes?: number | undefined
  readonly onEvent?: EventListener | undefined
  /**
   * Where one line goes for each failed run, parked approval, failing store or refused key, at most one of a kind in 10 s.
   * Never a secret, details or a payload. Default: `console`, or `false` where `onEvent` is set.
   */
  readonly log?: Log | false | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

/** How much of a callback is read, how long it may take, and how many are taken at a time. */
export interface CallbackOptions {
  /** Default 262,144. */
  readonly maxBodyBytes?: number | undefined
  /** From the arrival of the request to the last byte of its body. Default 5,000. */
  readonly bodyTimeoutMs?: number | undefined
  /** After so long a callback is answered while its handler goes on. Default 8,000. */
  readonly ackAfterMs?: number | undefined
  /** Callbacks under way in this process, once their body is read or their token valid; more get 503. Default 1,000. */
  readonly maxInFlight?: number | undefined
  /** Bodies that are waited for at a time; when there are more the oldest gives way, with 408. Default 1,000. */
  readonly maxUnreadBodies?: number | undefined
}

/** How decisions are confirmed: time-out, pace, largest response. */
export interface ConfirmOptions {
  /** For one GET, from connecting to the last byte. At most a third of `runs.leaseMs`. Default 5,000, or that third. */
  readonly timeoutMs?: number | undefined
  /** At most one GET for one approval in this time, whichever trigger asks. Default 2,000. */
  readonly minIntervalMs?: number | undefined
  /**
   * GETs that callbacks without a valid token may cause, per assistant and process; `Infinity` for no bound. Default 50.
   */
  readonly requestsPerSecond?: number | undefined
  /** Default 1,048,576. */
  readonly maxResponseBytes?: number | undefined
}

/** When and how fast the sweep polls for decisions. */
export interface PollingOptions {
  /** First poll of a request that no callback came for. Default 15,000; 5,000 where there is no callback URL. */
  readonly firstMs?: number | undefined
  /** Polls get rarer up to this. Default 600,000. */
  readonly maxMs?: number | undefined
  /** GETs that the sweep may cause, per assistant and process; `Infinity` for no bound. Default 10. */
  readonly requestsPerSecond?: number | undefined
  /** Polls at a time in this process, whatever the trigger. Default 16. */
  readonly concurrency?: number | undefined
}

/** Leases, time-outs and repeats of handlers. */
export interface RunOptions {
  /** How long a claim holds without renewal; renewed every third of it. Default 30,000. */
  readonly leaseMs?: number | undefined
  /**
   * After so long `run.signal` aborts. A run that does not end within a lease from then counts as failed, and another
   * may start beside it. Default 900,000.
   */
  readonly timeoutMs?: number | undefined
  /**
   * Handlers at a time in this process, whatever the trigger. A handler that waits for another approval keeps its place
   * meanwhile. Default 1,000.
   */
  readonly concurrency?: number | undefined
  /** Attempts without a completion before the approval is parked. Default 8. */
  readonly maxAttempts?: number | undefined
  /** Shortest and longest wait before a failed handler runs again. Default `[1_000, 600_000]`. */
  readonly backoffMs?: readonly [number, number] | undefined
}
