import type { EventListener } from '../model/events.js'
import type { Clock, Random } from '../util/clock.js'

/** What the core needs, with a receiver around it or without. Durations are milliseconds. */
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
  /** How long an outcome is remembered after its handler finished. Default 7 days. */
  readonly retentionMs?: number | undefined
  readonly onEvent?: EventListener | undefined
  readonly clock?: Clock | undefined
  readonly random?: Random | undefined
}

/** How much of a callback is read, how long it may take, and how many are taken at a time. */
export interface CallbackOptions {
  /** Default 262,144. */
  readonly maxBodyBytes?: number | undefined
  /** From the first look at the request to the last byte of its body. Default 5,000. */
  readonly bodyTimeoutMs?: number | undefined
  /** After so long a callback is answered while its handler goes on. Default 8,000. */
  readonly ackAfterMs?: number | undefined
  /** Callbacks under way in this process; more are answered 503. Default 1,000. */
  readonly maxInFlight?: number | undefined
}

/** How decisions are confirmed: time-out, pace, largest response. */
export interface ConfirmOptions {
  /** For one GET, from connecting to the last byte. Less than `runs.leaseMs`. Default 5,000. */
  readonly timeoutMs?: number | undefined
  /** At most one GET for one approval in this time, whoever asks. Default 2,000. */
  readonly minIntervalMs?: number | undefined
  /**
   * GETs that callbacks may cause, per assistant and process; `Infinity` for no bound. Where it runs short, half
   * of what it holds is left to known ids that it has not kept waiting lately, and a callback with the token of its
   * record waits up to 5 s for its turn. Default 50.
   */
  readonly requestsPerSecond?: number | undefined
  /** Default 1,048,576. */
  readonly maxResponseBytes?: number | undefined
}

/** When and how fast the sweep looks for decisions. */
export interface PollingOptions {
  /** First look at a request that no callback came for. Default 15,000; 5,000 where there is no callback URL. */
  readonly firstMs?: number | undefined
  /** Looks get rarer up to this. Default 600,000. */
  readonly maxMs?: number | undefined
  /** GETs that the sweep may cause, per assistant and process; `Infinity` for no bound. Default 10. */
  readonly requestsPerSecond?: number | undefined
  /** Approvals that one process sweeps at a time, their handlers included: slow handlers want more. Default 16. */
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
  /** Starts without a finish before the record is parked. Default 8. */
  readonly maxAttempts?: number | undefined
  /** Shortest and longest wait before a failed handler runs again. Default `[1_000, 600_000]`. */
  readonly backoffMs?: readonly [number, number] | undefined
}
