import type { CallbackUrl } from './callback-url.js'
import { group, invalid, number, oneOf, optionalFunction, rate } from './checks.js'
import { CheqpointError } from './errors.js'
import { type EventListener, guardListener } from './events.js'
import { type Handlers, readHandlers } from './handlers.js'
import type {
  CallbackOptions,
  ConfirmOptions,
  CoreOptions,
  PollingOptions,
  ReceiverOptions,
  RunOptions,
} from './options.js'
import { type Clock, longestTimer, type Random, systemClock, systemRandom } from './runtime.js'
import type { Store } from './store.js'
import { memoryStore } from './stores/memory.js'

/** Options of the core with every default filled in and every value checked. */
export interface CoreSettings {
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly agents: ReadonlySet<string>
  readonly callbacks: Filled<CallbackOptions>
  readonly confirm: Filled<ConfirmOptions>
  readonly polling: Filled<PollingOptions>
  readonly runs: Filled<RunOptions>
  readonly retentionMs: number
  readonly emit: EventListener
  readonly clock: Clock
  readonly random: Random
}

/** The same for a receiver. */
export interface Settings extends CoreSettings, Handlers {
  readonly sweep: 'here' | 'elsewhere' | 'off'
  readonly store: Store
  readonly callbackUrl: CallbackUrl | null
  readonly callbackSecrets: readonly string[]
  readonly submitTimeoutMs: number
  readonly adopt: 'park' | 'run'
  readonly expiresAfterMs: number
}

type Filled<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> }

const day = 86_400_000
const shortestSecret = 16

/** Names of {@link CoreOptions}. */
export const coreNames: readonly string[] = [
  'guarantee',
  'idPattern',
  'agents',
  'callbacks',
  'confirm',
  'polling',
  'runs',
  'retentionMs',
  'onEvent',
  'clock',
  'random',
]
const names = [
  ...coreNames,
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
export function readOptions<Details, Context>(options: ReceiverOptions<Details, Context>): Settings {
  const all = group(options ?? null, '', names)
  return {
    ...readCoreOptions(options, options.callbackUrl === undefined ? 5_000 : 15_000),
    ...readHandlers(options.onDecision, all['actions']),
    sweep: oneOf(options.sweep, 'sweep', ['here', 'elsewhere', 'off']),
    store: options.store === undefined ? memoryStore({ clock: readClock(options.clock) }) : readStore(options.store),
    ...readCallbackUrl(options.callbackUrl, options.callbackSecret),
    submitTimeoutMs: number(options.submitTimeoutMs, 'submitTimeoutMs', 15_000, 1, longestTimer),
    adopt: oneOf(options.adopt, 'adopt', ['park', 'run']),
    expiresAfterMs: number(options.expiresAfterMs, 'expiresAfterMs', 7 * day, 1_000, 400 * day),
  }
}

/** The part of {@link readOptions} that needs no receiver. Names are the caller's to check. */
export function readCoreOptions(options: CoreOptions, firstLookMs = 15_000): CoreSettings {
  const settings: CoreSettings = {
    guarantee: oneOf(options.guarantee, 'guarantee', ['at-least-once', 'at-most-once']),
    agents: readAgents(options.agents),
    callbacks: readCallbacks(options.callbacks),
    confirm: readConfirm(options.confirm),
    polling: readPolling(options.polling, firstLookMs),
    runs: readRuns(options.runs),
    retentionMs: number(options.retentionMs, 'retentionMs', 7 * day, 1_000, 400 * day),
    emit: guardListener(optionalFunction(options.onEvent, 'onEvent') as EventListener | undefined),
    clock: readClock(options.clock),
    random: (optionalFunction(options.random, 'random') as Random | undefined) ?? systemRandom,
  }
  if (settings.confirm.timeoutMs >= settings.runs.leaseMs) {
    throw invalid('confirm.timeoutMs', settings.confirm.timeoutMs, `less than runs.leaseMs (${settings.runs.leaseMs})`)
  }
  return settings
}

function readCallbackUrl(target: unknown, secret: unknown): Pick<Settings, 'callbackUrl' | 'callbackSecrets'> {
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

function readClock(value: unknown): Clock {
  if (value === undefined) return systemClock
  const { now, elapsed }: { readonly now?: unknown; readonly elapsed?: unknown } = Object(value)
  if (typeof now !== 'function' || typeof elapsed !== 'function')
    throw invalid('clock', value, 'an object with now() and elapsed()')
  // What the functions answer cannot be told before they are called.
  return value as Clock
}

function readAgents(value: unknown): ReadonlySet<string> {
  if (value === undefined) return new Set(['Cheqpoint-Callback/1.0'])
  if (
    !Array.isArray(value) ||
    value.length === 0 ||
    !value.every((agent) => typeof agent === 'string' && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(agent))
  ) {
    throw invalid('agents', value, 'a list of header values in printable ASCII')
  }
  return new Set(value)
}

function readCallbacks(value: unknown): Settings['callbacks'] {
  const given = group(value, 'callbacks', ['maxBodyBytes', 'bodyTimeoutMs', 'ackAfterMs', 'maxInFlight'])
  return {
    maxBodyBytes: number(given['maxBodyBytes'], 'callbacks.maxBodyBytes', 262_144, 1, 67_108_864),
    bodyTimeoutMs: number(given['bodyTimeoutMs'], 'callbacks.bodyTimeoutMs', 5_000, 1, longestTimer),
    ackAfterMs: number(given['ackAfterMs'], 'callbacks.ackAfterMs', 8_000, 1, longestTimer),
    maxInFlight: number(given['maxInFlight'], 'callbacks.maxInFlight', 1_000, 1, 1_000_000),
  }
}

function readConfirm(value: unknown): Settings['confirm'] {
  const given = group(value, 'confirm', ['timeoutMs', 'gapMs', 'requestsPerSecond', 'maxAnswerBytes'])
  return {
    timeoutMs: number(given['timeoutMs'], 'confirm.timeoutMs', 5_000, 1, longestTimer),
    gapMs: number(given['gapMs'], 'confirm.gapMs', 2_000, 0, 600_000),
    requestsPerSecond: rate(given['requestsPerSecond'], 'confirm.requestsPerSecond', 50),
    maxAnswerBytes: number(given['maxAnswerBytes'], 'confirm.maxAnswerBytes', 1_048_576, 1, 67_108_864),
  }
}

function readPolling(value: unknown, firstLookMs: number): Settings['polling'] {
  const given = group(value, 'polling', ['firstMs', 'maxMs', 'requestsPerSecond', 'concurrency'])
  const firstMs = number(given['firstMs'], 'polling.firstMs', firstLookMs, 1, day)
  return {
    firstMs,
    maxMs: number(given['maxMs'], 'polling.maxMs', Math.max(firstMs, 600_000), firstMs, day),
    requestsPerSecond: rate(given['requestsPerSecond'], 'polling.requestsPerSecond', 10),
    concurrency: number(given['concurrency'], 'polling.concurrency', 16, 1, 1_000),
  }
}

function readRuns(value: unknown): Settings['runs'] {
  const given = group(value, 'runs', ['leaseMs', 'timeoutMs', 'maxStarts', 'backoffMs'])
  const backoff = given['backoffMs'] === undefined ? [1_000, 600_000] : given['backoffMs']
  if (!Array.isArray(backoff) || backoff.length !== 2)
    throw invalid('runs.backoffMs', backoff, 'a pair [shortest, longest]')
  const shortest = number(backoff[0], 'runs.backoffMs[0]', 1_000, 1, day)
  return {
    leaseMs: number(given['leaseMs'], 'runs.leaseMs', 30_000, 10, day),
    timeoutMs: number(given['timeoutMs'], 'runs.timeoutMs', 900_000, 1, longestTimer),
    maxStarts: number(given['maxStarts'], 'runs.maxStarts', 8, 1, 1_000),
    backoffMs: [shortest, number(backoff[1], 'runs.backoffMs[1]', 600_000, shortest, day)],
  }
}

/** A store, as far as that can be told without asking it. */
export function readStore(value: unknown): Store {
  if (typeof value !== 'object' || value === null || !('claim' in value))
    throw invalid('store', value, 'a store, such as memoryStore()')
  // A store is told by its contract suite, not by its looks; this check only catches a client passed by mistake.
  return value as Store
}
