import { readKeys } from '../cheqpoint/keys.js'
import { CheqpointError } from '../model/errors.js'
import { noTelemetry, type Telemetry } from '../model/telemetry.js'
import { type Handlers, readHandlers } from '../options/actions.js'
import { group, number, oneOf, withMethods } from '../options/option-checks.js'
import {
  type Filled,
  pipelineOptionNames,
  type ResolvedPipelineOptions,
  readClock,
  readPipelineOptions,
} from '../options/read-pipeline-options.js'
import { isMemoryStore, memoryStore } from '../stores/memory/memory-store.js'
import type { Store } from '../stores/store.js'
import { type CallbackUrls, createCallbackUrls, keysOfApiKeys, keysOfSecrets } from '../submit/callback-url.js'
import { longestTimer } from '../util/clock.js'
import type { ReceiverOptions } from './receiver-options.js'

/** Options of a receiver with every default filled in and every value checked. */
export interface ResolvedReceiverOptions
  extends ResolvedPipelineOptions,
    Handlers,
    Filled<Pick<ReceiverOptions, 'sweep' | 'store' | 'callbackTokens' | 'submitTimeoutMs' | 'expiresAfterMs'>> {
  readonly telemetry: Telemetry
  /** `null` without a callback URL: decisions are found by polling. */
  readonly urls: CallbackUrls | null
}

const day = 86_400_000

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
  'callbackTokens',
  'submitTimeoutMs',
  'expiresAfterMs',
  'telemetry',
] satisfies (keyof ReceiverOptions)[]

/**
 * Checks the options and fills in the defaults; the client checks those of the API. Throws `option-unknown`,
 * `option-missing` or `option-invalid`, with the option and what is allowed.
 */
export function readReceiverOptions<Details, Context>(
  options: ReceiverOptions<Details, Context>,
): ResolvedReceiverOptions {
  const all = group(options ?? null, '', names)
  const pipeline = readPipelineOptions(options, options.callbackUrl === undefined ? 5_000 : 15_000)
  const store =
    options.store === undefined ? memoryStore({ clock: readClock(options.clock) }) : readStore(options.store)
  const sweep = oneOf(options.sweep, 'sweep', ['here', 'elsewhere', 'off'])
  if (sweep === 'elsewhere' && isMemoryStore(store)) {
    const fix = 'no other process reads a memoryStore(); use a store that processes share, or call start()'
    throw new CheqpointError('option-invalid', `option sweep must not be 'elsewhere' with a memory store: ${fix}`)
  }
  return {
    ...pipeline,
    ...readHandlers(options.onDecision, all['actions']),
    sweep,
    store,
    telemetry: readTelemetry(options.telemetry),
    ...readCallbackUrl(options, pipeline.clock.now.bind(pipeline.clock)),
    submitTimeoutMs: number(options.submitTimeoutMs, 'submitTimeoutMs', 15_000, 1, longestTimer),
    expiresAfterMs: number(options.expiresAfterMs, 'expiresAfterMs', 7 * day, 1_000, 400 * day),
  }
}

function readCallbackUrl<Details, Context>(
  options: ReceiverOptions<Details, Context>,
  now: () => number,
): Pick<ResolvedReceiverOptions, 'urls' | 'callbackTokens'> {
  const { callbackUrl: target, callbackSecret: secret } = options
  const words = ['optional', 'required', 'off'] as const
  const callbackTokens =
    options.callbackTokens === undefined && secret !== undefined
      ? 'required'
      : oneOf(options.callbackTokens, 'callbackTokens', words)
  const keys = secret === undefined ? keysOfApiKeys(readKeys(options)) : keysOfSecrets(secret)
  if (target === undefined) {
    const given = secret !== undefined ? 'callbackSecret' : callbackTokens === 'required' ? 'callbackTokens' : null
    if (given !== null)
      throw new CheqpointError(
        'option-missing',
        `option callbackUrl is required with ${given}: the token is part of it`,
      )
    return { urls: null, callbackTokens: 'off' }
  }
  // Making a URL checks its form.
  const urls = createCallbackUrls(target, keys, now)
  if (callbackTokens !== 'off') return { urls, callbackTokens }
  if (typeof target !== 'string')
    throw new CheqpointError('option-invalid', "option callbackUrl must be a text with callbackTokens: 'off'")
  return { urls: { write: () => target, read: () => null }, callbackTokens }
}

function readTelemetry(value: unknown): Telemetry {
  if (value === undefined) return noTelemetry
  const methods = ['during', 'traceContext', 'event', 'observe'] as const
  const allowed = 'what telemetry() of cheqpoint-callback/opentelemetry gives'
  return withMethods<Telemetry>(value, 'telemetry', methods, allowed)
}

/** Throws `option-invalid` for what lacks a method of a store. */
export function readStore(value: unknown): Store {
  const methods = ['read', 'write', 'takeDue', 'list', 'count', 'remove'] as const
  // Only the contract suite can check a store; this catches a client that was passed by mistake.
  const allowed = `a store, such as memoryStore(): an object with ${methods.join(', ')}`
  return withMethods<Store>(value, 'store', methods, allowed)
}
