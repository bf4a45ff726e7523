import { CheqpointError } from '../model/errors.js'
import { type Handlers, readHandlers } from '../options/actions.js'
import { group, invalid, number, oneOf } from '../options/option-checks.js'
import {
  pipelineOptionNames,
  type ResolvedPipelineOptions,
  readClock,
  readPipelineOptions,
} from '../options/read-pipeline-options.js'
import { memoryStore } from '../stores/memory/memory-store.js'
import type { Store } from '../stores/store.js'
import type { CallbackUrl } from '../submit/callback-url.js'
import { longestTimer } from '../util/clock.js'
import type { ReceiverOptions } from './receiver-options.js'

/** The same for a receiver. */
export interface ResolvedReceiverOptions extends ResolvedPipelineOptions, Handlers {
  readonly sweep: 'here' | 'elsewhere' | 'off'
  readonly store: Store
  readonly callbackUrl: CallbackUrl | null
  readonly callbackSecrets: readonly string[]
  readonly submitTimeoutMs: number
  readonly adopt: 'park' | 'run'
  readonly expiresAfterMs: number
}

const day = 86_400_000
const shortestSecret = 16

const names = [
  ...pipelineOptionNames,
  'apiKey',
  'apiKeys',
  'onDecision',
  'actions',
  'baseUrl',
  'dispatcher',
  'sweep',
  'store',
  'callbackUrl',
  'callbackSecret',
  'submitTimeoutMs',
  'adopt',
  'expiresAfterMs',
]

/**
 * Checks every option and fills in the defaults; what concerns the API is checked by the client.
 * Throws `option-unknown`, `option-missing` or `option-invalid`, and names the option and what is allowed.
 */
export function readReceiverOptions<Details, Context>(
  options: ReceiverOptions<Details, Context>,
): ResolvedReceiverOptions {
  const all = group(options ?? null, '', names)
  return {
    ...readPipelineOptions(options, options.callbackUrl === undefined ? 5_000 : 15_000),
    ...readHandlers(options.onDecision, all['actions']),
    sweep: oneOf(options.sweep, 'sweep', ['here', 'elsewhere', 'off']),
    store: options.store === undefined ? memoryStore({ clock: readClock(options.clock) }) : readStore(options.store),
    ...readCallbackUrl(options.callbackUrl, options.callbackSecret),
    submitTimeoutMs: number(options.submitTimeoutMs, 'submitTimeoutMs', 15_000, 1, longestTimer),
    adopt: oneOf(options.adopt, 'adopt', ['park', 'run']),
    expiresAfterMs: number(options.expiresAfterMs, 'expiresAfterMs', 7 * day, 1_000, 400 * day),
  }
}

function readCallbackUrl(
  target: unknown,
  secret: unknown,
): Pick<ResolvedReceiverOptions, 'callbackUrl' | 'callbackSecrets'> {
  const secrets: readonly unknown[] = secret === undefined ? [] : Array.isArray(secret) ? secret : [secret]
  const texts = secrets.filter((each) => typeof each === 'string' && each.length >= shortestSecret)
  if (texts.length < secrets.length || (secret !== undefined && secrets.length === 0)) {
    throw new CheqpointError(
      'option-invalid',
      `option callbackSecret must be a text of at least ${shortestSecret} characters, or a list of them`,
    )
  }
  if (target === undefined && secrets.length > 0) {
    throw new CheqpointError(
      'option-missing',
      'option callbackUrl is required with callbackSecret: the token travels in it',
    )
  }
  if (target !== undefined && typeof target !== 'string' && typeof target !== 'function')
    throw invalid('callbackUrl', target, 'a URL, or a function that makes one of a token')
  // Its form is checked by making one; both casts follow from the checks above.
  return { callbackUrl: (target as CallbackUrl | undefined) ?? null, callbackSecrets: texts as readonly string[] }
}

/** A store, as far as that can be told without asking it. */
export function readStore(value: unknown): Store {
  if (typeof value !== 'object' || value === null || !('claim' in value))
    throw invalid('store', value, 'a store, such as memoryStore()')
  // A store is told by its contract suite, not by its looks; this check only catches a client passed by mistake.
  return value as Store
}
