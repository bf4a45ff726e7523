import type { ActionRules } from './action.js'
import { idMatcher } from './approval-id.js'
import { boundedStore, storeTimeoutMs } from './bounded-store.js'
import { group, invalid } from './checks.js'
import type { Client } from './client.js'
import { type Core, createCore, intakeRules, type Verified } from './core.js'
import { readActionRules } from './handlers.js'
import { type Callback, checkMethod, type IntakeRules, takeIn } from './intake.js'
import type { CoreOptions } from './options.js'
import type { Outcome } from './outcome.js'
import { pursue } from './pipeline.js'
import { Alarm } from './runtime.js'
import { coreNames, readCoreOptions, readStore } from './settings.js'
import type { Store } from './store.js'

/** What {@link verifyAndResolve} works with. Make it once and pass the same object each time. */
export interface VerifyOptions extends CoreOptions {
  readonly store: Store
  readonly client: Pick<Client, 'get' | 'assistants'>
  /** Schemas and policies by action. An action without an entry is taken as it comes. */
  readonly actions?: Readonly<Record<string, ActionRules>> | undefined
}

/** Options read before, so that budgets, alarms and reports outlive a single callback. */
const prepared = new WeakMap<VerifyOptions, { readonly core: Core; readonly intake: IntakeRules }>()

/**
 * The core alone, for those who bring their own runner: checks, claim, confirm, seal. On `ok` the decision is
 * confirmed and sealed, its start is counted, and the claim is yours: extend it while you work, then complete,
 * release or park it. On anything else nothing is held; `toAnswer` has the HTTP answer to either.
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
 * return toResponse(toAnswer(outcome, { swept: false }))
 * ```
 */
export async function verifyAndResolve(callback: Callback, options: VerifyOptions): Promise<Verified | Outcome> {
  const { core, intake } = prepare(options)
  const refused = checkMethod(callback)
  if (refused !== null) return refused
  const hint = await takeIn(callback, intake)
  if (hint.kind !== 'hint') return hint
  return pursue(hint.claim.id, { via: 'callback', ref: hint.ref, knocked: () => false }, core)
}

function prepare(options: VerifyOptions): { readonly core: Core; readonly intake: IntakeRules } {
  const known = prepared.get(options)
  if (known !== undefined) return known
  group(options ?? null, '', [...coreNames, 'store', 'client', 'actions'])
  const settings = readCoreOptions(options)
  const actions = readActionRules(options.actions)
  const client = readClient(options.client)
  const core = createCore(settings, {
    store: boundedStore(readStore(options.store), new Alarm(storeTimeoutMs, settings.clock)),
    client,
    manyAssistants: client.assistants !== null,
    rulesFor: (action) => actions.get(action) ?? {},
    isClosing: () => false,
  })
  const made = { core, intake: intakeRules(settings, idMatcher(options.idPattern)) }
  prepared.set(options, made)
  return made
}

function readClient(value: unknown): VerifyOptions['client'] {
  if (typeof value !== 'object' || value === null || !('get' in value))
    throw invalid('client', value, 'a client, such as createClient() makes')
  // As with a store, this only catches something else passed by mistake.
  return value as VerifyOptions['client']
}
