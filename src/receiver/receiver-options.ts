import type { Dispatcher } from 'undici'
import type { Decision, Run } from '../model/decision.js'
import type { SchemaInput, SchemaOutput, StandardSchema } from '../model/standard-schema.js'
import type { Telemetry } from '../model/telemetry.js'
import type { ActionRules } from '../options/actions.js'
import type { PipelineOptions } from '../options/pipeline-options.js'
import type { Store } from '../stores/store.js'
import type { CallbackUrl } from '../submit/callback-url.js'
import type { JsonObject, JsonValue } from '../util/json.js'

/** The output of a schema, or another type without one. */
export type OutputOr<Schema, Otherwise> = unknown extends Schema
  ? Otherwise
  : Schema extends StandardSchema
    ? SchemaOutput<Schema>
    : Otherwise

/** The input of a schema, or another type without one. */
export type InputOr<Schema, Otherwise> = unknown extends Schema
  ? Otherwise
  : Schema extends StandardSchema
    ? SchemaInput<Schema>
    : Otherwise

/** An action: its schemas, its policy on edits, its handler. */
export interface Action<Details, Context> {
  /** Any Standard Schema. The handler gets its output; `submit` takes its input. */
  readonly details?: (Details & StandardSchema) | undefined
  /** Schema of the context kept with the request. */
  readonly context?: (Context & StandardSchema) | undefined
  /** What a reviewer's edit means. Default: `replace`, but an edit that lacks keys of the original is parked. */
  readonly modifications?: ActionRules['modifications']
  /** Called with each confirmed decision. Its result, at most 16 KiB of JSON, is kept for `wait`. */
  onDecision(decision: Decision<OutputOr<Details, JsonObject>, OutputOr<Context, JsonValue>>, run: Run): unknown
}

/**
 * Actions by name, each with its own schemas. The second half requires nothing new: the compiler infers the schemas of
 * contexts from it, and those of details from the first half.
 */
export type Actions<Details, Context> = {
  readonly [Name in keyof Details]: Action<Details[Name], Name extends keyof Context ? Context[Name] : unknown>
} & { readonly [Name in keyof Context]: { readonly context?: (Context[Name] & StandardSchema) | undefined } }

/** Options of {@link createReceiver}. Durations are milliseconds. */
export interface ReceiverOptions<Details = Record<never, never>, Context = Record<never, never>>
  extends PipelineOptions {
  /** Connection Key; several during a rotation, tried in order when the API refuses one. */
  readonly apiKey?: string | readonly string[] | undefined
  /** Keys by assistant; `submit` and `track` then need `assistant`. */
  readonly apiKeys?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** Handles actions without an entry in `actions`. */
  readonly onDecision?: ((decision: Decision, run: Run) => unknown) | undefined
  readonly actions?: Actions<Details, Context> | undefined

  /** Default `https://app.cheqpoint.co`. Plain http is allowed for loopback only. */
  readonly baseUrl?: string | undefined
  /** A dispatcher of undici 7, for proxies and tests. It must not follow redirects. */
  readonly dispatcher?: Dispatcher | undefined

  /**
   * Where Cheqpoint sends decisions of requests made with `submit`; a function gets the token and returns the URL.
   * Without one, decisions are found by polling.
   */
  readonly callbackUrl?: CallbackUrl | undefined
  /**
   * Signs the tokens in callback URLs; at least 16 characters; several, newest first, during a rotation. Default: keys
   * derived from the API keys.
   */
  readonly callbackSecret?: string | readonly string[] | undefined
  /**
   * `required`: a callback without a valid token gets 401; the default with `callbackSecret`. `optional`: it is
   * accepted and uses `confirm.requestsPerSecond`; the default otherwise. `off`: no tokens.
   */
  readonly callbackTokens?: 'optional' | 'required' | 'off' | undefined
  /** For one submission, from connecting to the last byte; Cheqpoint may delay it for 10,000. Default 15,000. */
  readonly submitTimeoutMs?: number | undefined
  /**
   * Which process finds decisions whose callback was lost. `here` (default): this one, between `start()` and `close()`.
   * `elsewhere`: another process on the same store. `off`: none.
   */
  readonly sweep?: 'here' | 'elsewhere' | 'off' | undefined

  /** Keeps open requests. Default: `memoryStore()`, which forgets them when the process ends. */
  readonly store?: Store | undefined
  /** Shows traces and metrics: what `telemetry()` of `cheqpoint-callback/opentelemetry` gives. Default: nothing. */
  readonly telemetry?: Telemetry | undefined
  /** When a request without `expiresAt` expires, after its registration. Default 7 days. */
  readonly expiresAfterMs?: number | undefined
}

/**
 * Types an entry of `actions` that is written apart from the receiver, and with TypeScript before 5.7 any entry. Returns it
 * unchanged. The oldest supported TypeScript is 5.4.
 *
 * @example
 * ```ts
 * const refund = action({
 *   details: z.object({ amount: z.number() }),
 *   onDecision: (decision) => (decision.status === 'approved' ? decision.details.amount : null),
 * })
 * const receiver = createReceiver({ apiKey, actions: { refund } })
 * ```
 */
export function action<const Details = unknown, const Context = unknown>(
  entry: Action<Details, Context>,
): WithoutUnknown<Details, Context> {
  // Only its type changes: it has no property for a schema that was not given.
  return entry as WithoutUnknown<Details, Context>
}

/** An action without properties for schemas that were not given: with them the receiver would infer any schema. */
type WithoutUnknown<Details, Context> = Omit<
  Action<Details, Context>,
  (unknown extends Details ? 'details' : never) | (unknown extends Context ? 'context' : never)
>
