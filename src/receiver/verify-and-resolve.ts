import type { Client } from '../cheqpoint/client.js'
import { idMatcher } from '../cheqpoint/ids.js'
import { type Callback, checkMethod, checkRequest, type RequestRules, requestRules } from '../http/request-checks.js'
import type { Outcome } from '../model/outcome.js'
import type { ActionRules } from '../options/actions.js'
import { readActionRules } from '../options/actions.js'
import { group, invalid } from '../options/option-checks.js'
import type { PipelineOptions } from '../options/pipeline-options.js'
import { pipelineOptionNames, readPipelineOptions } from '../options/read-pipeline-options.js'
import { createContext, type PipelineContext, type Verified } from '../pipeline/context.js'
import { resolve } from '../pipeline/resolve.js'
import { boundedStore, storeTimeoutMs } from '../stores/bounded-store.js'
import type { Store } from '../stores/store.js'
import { SharedTimer } from '../util/shared-timer.js'
import { readStore } from './read-receiver-options.js'

/** What {@link verifyAndResolve} works with. Make it once and pass the same object each time. */
export interface VerifyOptions extends PipelineOptions {
  readonly store: Store
  readonly client: Pick<Client, 'get' | 'assistants'>
  /** Schemas and policies by action. An action without an entry is taken as it comes. */
  readonly actions?: Readonly<Record<string, ActionRules>> | undefined
}

/** Options read before, so that budgets, alarms and reports outlive a single callback. */
const prepared = new WeakMap<VerifyOptions, { readonly core: PipelineContext; readonly intake: RequestRules }>()

/**
 * The core alone, for those who bring their own runner: checks, claim, confirm, seal. On `ok` the decision is
 * confirmed and sealed, its start is counted, and the claim is yours: extend it while you work, then complete,
 * release or park it. On anything else nothing is held; `toResponse` has the HTTP answer to either.
 * It reads no token in the URL and leaves `store.check()` to you.
 * Rejects for options that are not allowed, with the codes of `createReceiver`, and for nothing else.
 *
 * @example
 * ```ts
 * const options = { store: memoryStore(), client: createClient({ apiKey }) }
 *
 * const outcome = await verifyAndResolve(fromRequest(request), options)
 * if (outcome.kind === 'ok') {
 *   await jobs.add(outcome.claim.decision, { key: outcome.claim.idempotencyKey })
 *   await outcome.claim.complete()
 * }
 * return toWebResponse(toResponse(outcome, { swept: false }))
 * ```
 */
export async function verifyAndResolve(callback: Callback, options: VerifyOptions): Promise<Verified | Outcome> {
  const { core, intake } = prepare(options)
  const refused = checkMethod(callback)
  if (refused !== null) return refused
  const plausible = await checkRequest(callback, intake)
  if (plausible.kind !== 'plausible') return plausible
  return resolve(plausible.payload.id, { via: 'callback', ref: plausible.ref, knocked: () => false }, core)
}

function prepare(options: VerifyOptions): { readonly core: PipelineContext; readonly intake: RequestRules } {
  const known = prepared.get(options)
  if (known !== undefined) return known
  group(options ?? null, '', [...pipelineOptionNames, 'store', 'client', 'actions'])
  const settings = readPipelineOptions(options)
  const actions = readActionRules(options.actions)
  const client = readClient(options.client)
  const core = createContext(settings, {
    store: boundedStore(readStore(options.store), new SharedTimer(storeTimeoutMs, settings.clock)),
    client,
    manyAssistants: client.assistants !== null,
    rulesFor: (action) => actions.get(action) ?? {},
    isClosing: () => false,
  })
  const made = { core, intake: requestRules(settings, idMatcher(options.idPattern)) }
  prepared.set(options, made)
  return made
}

function readClient(value: unknown): VerifyOptions['client'] {
  if (typeof value !== 'object' || value === null || !('get' in value))
    throw invalid('client', value, 'a client, such as createClient() makes')
  // As with a store, this only catches something else passed by mistake.
  return value as VerifyOptions['client']
}
