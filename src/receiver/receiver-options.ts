import type { Dispatcher } from 'undici'
import type { Decision, Run } from '../model/decision.js'
import type { SchemaInput, SchemaOutput, StandardSchema } from '../model/standard-schema.js'
import type { Modifications } from '../options/actions.js'
import type { PipelineOptions } from '../options/pipeline-options.js'
import type { Store } from '../stores/store.js'
import type { CallbackUrl } from '../submit/callback-url.js'
import type { JsonObject, JsonValue } from '../util/json.js'

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

/** Everything that {@link createReceiver} takes. Durations are milliseconds. */
export interface ReceiverOptions<Details = Record<never, never>, Context = Record<never, never>>
  extends PipelineOptions {
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
   * Where Cheqpoint posts decisions of requests sent with `submit`; a function gets the token and puts it where it
   * likes. Without one, decisions are found by polling.
   */
  readonly callbackUrl?: CallbackUrl | undefined
  /**
   * Signs the token in each callback URL; several, newest first, during a rotation. At least 16 characters. Default: keys
   * derived from the API keys.
   */
  readonly callbackSecret?: string | readonly string[] | undefined
  /**
   * What a callback needs to prove. `required`: a valid token, or it gets 401; the default with `callbackSecret`.
   * `optional`: one without a valid token pays from the budget of `confirm`; the default otherwise. `off`: no tokens.
   */
  readonly callbackTokens?: 'optional' | 'required' | 'off' | undefined
  /** For one submission, from connecting to the last byte; Cheqpoint may hold it for 10,000. Default 15,000. */
  readonly submitTimeoutMs?: number | undefined
  /**
   * Which process finds decisions whose callback was lost. `here` (default): this one, between `start()` and `close()`.
   * `elsewhere`: another process on the same store. `off`: none.
   */
  readonly sweep?: 'here' | 'elsewhere' | 'off' | undefined

  /** Where requests wait. Default: `memoryStore()`, which forgets them with the process. */
  readonly store?: Store | undefined
  /** A request without an `expiresAt` of its own expires so long after it was registered. Default 7 days. */
  readonly expiresAfterMs?: number | undefined
}

/**
 * An entry of `actions`, written apart from the receiver with its types inferred. Returns what it is given.
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
  // Only the type of the entry changes: it has no property for a schema that was not given.
  return entry as WithoutUnknown<Details, Context>
}

/** An action without properties for schemas that were not given, or the receiver would infer any schema. */
type WithoutUnknown<Details, Context> = Omit<
  Action<Details, Context>,
  (unknown extends Details ? 'details' : never) | (unknown extends Context ? 'context' : never)
>
