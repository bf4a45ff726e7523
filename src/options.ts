import type { Dispatcher } from 'undici'
import type { Modifications } from './action.js'
import type { CallbackUrl } from './callback-url.js'
import type { Decision, JsonObject, JsonValue, Run } from './decision.js'
import type { EventListener } from './events.js'
import type { Clock, Random } from './runtime.js'
import type { SchemaInput, SchemaOutput, StandardSchema } from './standard-schema.js'
import type { Store } from './store.js'

/** What a schema yields; where there is none, what stands for it. */
export type OutputOr<Schema, Otherwise> = unknown extends Schema
  ? Otherwise
  : Schema extends StandardSchema
    ? SchemaOutput<Schema>
    : Otherwise

/** What a schema accepts; where there is none, what stands for it. */
export type InputOr<Schema, Otherwise> = unknown extends Schema
  ? Otherwise
  : Schema extends StandardSchema
    ? SchemaInput<Schema>
    : Otherwise

/** One kind of action: its schemas, its policy on edits, its handler. */
export interface Action<Details, Context> {
  /** Any Standard Schema. The handler sees its output, `submit` demands its input. */
  readonly details?: (Details & StandardSchema) | undefined
  /** Schema of the context kept with the request. */
  readonly context?: (Context & StandardSchema) | undefined
  readonly modifications?: Modifications | undefined
  /** Called with each decision that the API confirmed. What it returns, JSON of 16 KiB at most, is kept for `wait`. */
  onDecision(decision: Decision<OutputOr<Details, JsonObject>, OutputOr<Context, JsonValue>>, run: Run): unknown
}

/**
 * Actions by name, each inferring its own schemas. The second half demands nothing new: it is where the compiler infers
 * the schemas of the contexts from, as from the first those of the details.
 */
export type Actions<Details, Context> = {
  readonly [Name in keyof Details]: Action<Details[Name], Name extends keyof Context ? Context[Name] : unknown>
} & { readonly [Name in keyof Context]: { readonly context?: (Context[Name] & StandardSchema) | undefined } }

/** What the core needs, with a receiver around it or without. Durations are milliseconds. */
export interface CoreOptions {
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

/** Everything that {@link createReceiver} takes. Durations are milliseconds. */
export interface ReceiverOptions<Details = Record<never, never>, Context = Record<never, never>> extends CoreOptions {
  /** Connection Key, or several during a rotation, tried in order when the API refuses one. */
  readonly apiKey?: string | readonly string[] | undefined
  /** Keys by assistant, where there are several; `assistant` is then required on `track`. */
  readonly apiKeys?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** Handles every action without an entry in `actions`. */
  readonly onDecision?: ((decision: Decision, run: Run) => unknown) | undefined
  readonly actions?: Actions<Details, Context> | undefined

  /** Default `https://app.cheqpoint.co`. Plain http is allowed for loopback only. */
  readonly baseUrl?: string | undefined
  /** An undici dispatcher to send with, for proxies and tests. Never give one that follows redirects. */
  readonly dispatcher?: Dispatcher | undefined

  /**
   * Where Cheqpoint shall post decisions of requests sent with `submit`; a function gets the token and puts it where it
   * likes. Without one, decisions are found by looking.
   */
  readonly callbackUrl?: CallbackUrl | undefined
  /**
   * Signs the token in each callback URL; several, newest first, during a rotation. At least 16 characters. With it,
   * every callback needs the token of its record.
   */
  readonly callbackSecret?: string | readonly string[] | undefined
  /** For one submission, from connecting to the last byte; Cheqpoint may hold it for 10,000. Default 15,000. */
  readonly submitTimeoutMs?: number | undefined
  /**
   * What becomes of the decision of a submission that was lost and found by its callback. `park` (default): a person
   * looks at it. `run`: it runs.
   */
  readonly adopt?: 'park' | 'run' | undefined

  /**
   * Who looks for decisions whose callback was lost. `here` (default): this process, between `start()` and `close()`.
   * `elsewhere`: another process on the same store. `off`: nobody.
   */
  readonly sweep?: 'here' | 'elsewhere' | 'off' | undefined

  /** Where requests wait. Default: `memoryStore()`, which forgets them with the process. */
  readonly store?: Store | undefined
  /** A request without an `expiresAt` of its own expires so long after it was registered. Default 7 days. */
  readonly expiresAfterMs?: number | undefined
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

/** How the API is asked for the truth: time-out, pace, largest answer. */
export interface ConfirmOptions {
  /** For one GET, from connecting to the last byte. Less than `runs.leaseMs`. Default 5,000. */
  readonly timeoutMs?: number | undefined
  /** At most one GET for one approval in this time, whoever asks. Default 2,000. */
  readonly gapMs?: number | undefined
  /**
   * GETs that callbacks may cause, per assistant and process; `Infinity` for no bound. Where it runs short, half
   * of what it holds is left to known ids that it has not kept waiting lately, and a callback with the token of its
   * record waits up to 5 s for its turn. Default 50.
   */
  readonly requestsPerSecond?: number | undefined
  /** Default 1,048,576. */
  readonly maxAnswerBytes?: number | undefined
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
  readonly maxStarts?: number | undefined
  /** Shortest and longest wait before a failed handler runs again. Default `[1_000, 600_000]`. */
  readonly backoffMs?: readonly [number, number] | undefined
}
