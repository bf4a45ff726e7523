import type { IncomingMessage } from 'node:http'
import { Records } from '../approvals/records.js'
import type { Client } from '../cheqpoint/client-types.js'
import { idMatcher, invalidId } from '../cheqpoint/ids.js'
import { fromIncoming, fromRequest, isRequest } from '../http/hosts.js'
import { reportCallback } from '../http/report.js'
import {
  type Callback,
  checkRequest,
  createBodies,
  isCallback,
  type ReceivedBodies,
  type RequestRules,
  requestRules,
} from '../http/request-checks.js'
import { CheqpointError } from '../model/errors.js'
import type { Outcome } from '../model/outcome.js'
import { noTelemetry } from '../model/telemetry.js'
import { type ActionRules, readActionRules } from '../options/actions.js'
import { argumentGroup, group, invalid } from '../options/option-checks.js'
import type { PipelineOptions } from '../options/pipeline-options.js'
import {
  pipelineOptionNames,
  type ResolvedPipelineOptions,
  readPipelineOptions,
} from '../options/read-pipeline-options.js'
import {
  type ContextDeps,
  createContext,
  createState,
  type PipelineContext,
  type PipelineState,
} from '../pipeline/context.js'
import { resolve } from '../pipeline/resolve.js'
import type { Claim } from '../pipeline/verified-claim.js'
import type { Store } from '../stores/store.js'
import { readTokens } from '../submit/callback-url.js'
import { track } from '../submit/track.js'
import { type Tracked, trackedNames } from '../submit/tracked-request.js'
import type { JsonObject, JsonValue } from '../util/json.js'
import { readStore } from './read-receiver-options.js'
import type { OutputOr } from './receiver-options.js'

/** Schemas and policies on edits by action, for {@link verifyAndResolve}. */
export type CoreActions = Readonly<Record<string, ActionRules>>

/**
 * Options of {@link verifyAndResolve}. Make them once and pass the same object each time. Budgets, pauses and slots
 * belong to the store: if several objects have the same one, the limits of the first that verifies a callback hold.
 */
export interface VerifyOptions<Actions extends CoreActions = CoreActions> extends PipelineOptions {
  readonly store: Store
  readonly client: Pick<Client, 'get' | 'assistants'>
  /** Details of actions without an entry are not parsed. */
  readonly actions?: Actions | undefined
  /**
   * The secret of {@link createCallbackUrl}; several during a rotation. With it every callback needs the token of its
   * approval; without it tokens are ignored.
   */
  readonly callbackSecret?: string | readonly string[] | undefined
}

/** A claim on a decision of one of these actions, with details and context typed by their schemas. */
export type ClaimOf<Actions extends CoreActions> = CoreActions extends Actions
  ? Claim<JsonObject, JsonValue>
  : {
      [Name in keyof Actions & string]: Claim<
        OutputOr<Actions[Name]['details'], JsonObject>,
        OutputOr<Actions[Name]['context'], JsonValue>
      > & { readonly decision: { readonly action: Name } }
    }[keyof Actions & string]

/** A confirmed decision, with a claim to act on it. */
export interface VerifiedDecision<Actions extends CoreActions = CoreActions> {
  readonly kind: 'ok'
  readonly claim: ClaimOf<Actions>
}

/** Options that were checked. */
interface Checked {
  readonly store: Store
  readonly resolved: ResolvedPipelineOptions
  readonly deps: ContextDeps
  readonly isId: (id: string) => boolean
  readonly tokens: Pick<RequestRules, 'readRef' | 'needsToken'>
  /** Made by the first callback. */
  verifying?: { readonly context: PipelineContext; readonly rules: RequestRules }
}

const checked = new WeakMap<object, Checked>()

/** What all callbacks on a store share. `register` does not make it, since its options may lack the limits. */
interface Shared {
  readonly state: PipelineState
  readonly bodies: ReceivedBodies
}

const shared = new WeakMap<Store, Shared>()

const names = [...pipelineOptionNames, 'store', 'client', 'actions', 'callbackSecret'] satisfies (keyof VerifyOptions)[]

/**
 * Verifies a callback, claims its approval, confirms the decision with the API and records it, for apps with their own
 * job runner. `input` is a `Request`, an `IncomingMessage`, parsed or not, or a `Callback`. With `ok` the attempt is
 * counted and you have a claim, which renews itself until you complete, release or park it, at most until one lease
 * after `runs.timeoutMs`. Other outcomes have no claim. `toResponse` gives the HTTP response to either. Call
 * `store.check()` yourself. Rejects only for wrong options, with the codes of `createReceiver`, and for a wrong `input`.
 *
 * @example
 * ```ts
 * const options = { store: memoryStore(), client: createClient({ apiKey }) }
 *
 * const outcome = await verifyAndResolve(request, options)
 * if (outcome.kind === 'ok') {
 *   await jobs.add(outcome.claim.decision, { key: outcome.claim.idempotencyKey })
 *   await outcome.claim.complete()
 * }
 * return toWebResponse(toResponse(outcome, { swept: false }))
 * ```
 */
export async function verifyAndResolve<const Actions extends CoreActions = CoreActions>(
  input: Request | IncomingMessage | Callback,
  options: VerifyOptions<Actions>,
): Promise<VerifiedDecision<Actions> | Outcome> {
  const known = check(options)
  known.verifying ??= startVerifying(known)
  const { context, rules } = known.verifying
  const request = await checkRequest(toCallback(input), rules)
  const payload = request.kind === 'plausible' ? request.payload : null
  const outcome =
    request.kind === 'plausible'
      ? await resolve({ approvalId: request.payload.id, via: 'callback', ref: request.ref }, context)
      : request
  reportCallback(outcome.kind === 'ok' ? outcome.claim : outcome, payload, context.emit)
  // The schemas of the action parsed the decision.
  return outcome as VerifiedDecision<Actions> | Outcome
}

/**
 * Follows a request that was submitted elsewhere, so that {@link verifyAndResolve} knows it. `false` if its id is known
 * already. With `callbackSecret`, `ref` is required. Rejects with `id-invalid`, `argument-invalid`, `not-json`,
 * `details-too-large`, `assistant-unknown`, and as the store does.
 *
 * @example
 * ```ts
 * const { url, ref } = createCallbackUrl('https://app.example.com/webhooks/cheqpoint', secret)
 * const { id } = await client.inbound({ action: 'refund', summary: 'Refund $120', details, callbackUrl: url })
 * if (id !== null) await register(id, { action: 'refund', details, ref }, options)
 * ```
 */
export async function register(approvalId: string, tracked: Tracked, options: VerifyOptions): Promise<boolean> {
  const { resolved, deps, isId, tokens } = check(options)
  if (typeof approvalId !== 'string' || !isId(approvalId)) throw invalidId(approvalId)
  const given = argumentGroup(tracked ?? null, 'register()', trackedNames)
  if (tokens.needsToken && given['ref'] === undefined) {
    const fix = 'with callbackSecret; pass the ref that createCallbackUrl() returned with the callback URL'
    throw new CheqpointError('argument-invalid', `ref is required ${fix}`)
  }
  const { clock, maxDetailsBytes } = resolved
  const limits = () => ({ assistants: deps.client.assistants, now: clock.now(), expiresAfterMs, maxDetailsBytes })
  return track(approvalId, given, { context: { ...resolved, ...deps }, limits, cameEarly: () => false })
}

/** When a request without `expiresAt` expires. */
const expiresAfterMs = 7 * 86_400_000

/** Checks an options object once. */
function check(options: VerifyOptions): Checked {
  const known = checked.get(options)
  if (known !== undefined) return known
  group(options ?? null, '', names)
  const resolved = readPipelineOptions(options)
  const store = readStore(options.store)
  const actions = readActionRules(options.actions)
  const { clock, random } = resolved
  const records = new Records({ store, clock, random })
  const deps = { records, client: readClient(options.client), actions, fallback: {}, telemetry: noTelemetry }
  const { callbackSecret: secret } = options
  const readRef = secret === undefined ? undefined : readTokens(secret, () => clock.now())
  const isId = idMatcher(options.idPattern)
  const made = { store, resolved, deps, isId, tokens: { readRef, needsToken: secret !== undefined } }
  checked.set(options, made)
  return made
}

function startVerifying({ store, resolved, deps, isId, tokens }: Checked): NonNullable<Checked['verifying']> {
  const { state, bodies } = shared.get(store) ?? { state: createState(resolved), bodies: createBodies(resolved) }
  shared.set(store, { state, bodies })
  return { context: createContext(resolved, deps, state), rules: requestRules(resolved, isId, tokens, bodies) }
}

function toCallback(input: Request | IncomingMessage | Callback): Callback {
  if (isCallback(input)) return input
  if (isRequest(input)) return fromRequest(input)
  const { rawHeaders, headers }: { readonly rawHeaders?: unknown; readonly headers?: unknown } = Object(input)
  if (Array.isArray(rawHeaders) || headers !== undefined) {
    // It has the headers of an IncomingMessage: it is one, or an imitation. Express keeps the whole path apart.
    const request = input as IncomingMessage & { readonly originalUrl?: string }
    return fromIncoming(request, { url: request.originalUrl })
  }
  throw new CheqpointError('argument-invalid', 'verifyAndResolve() takes a Request, an IncomingMessage or a Callback')
}

function readClient(value: unknown): VerifyOptions['client'] {
  if (typeof value !== 'object' || value === null || !('get' in value) || !('assistants' in value))
    throw invalid('client', value, 'a client, such as createClient() makes')
  // As with a store, this only catches what was passed by mistake.
  return value as VerifyOptions['client']
}
