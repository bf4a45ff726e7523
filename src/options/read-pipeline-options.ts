import { type EventListener, guardListener } from '../model/events.js'
import { type Clock, longestTimer, type Random, systemClock, systemRandom } from '../util/clock.js'
import { group, invalid, number, oneOf, optionalFunction, rate } from './option-checks.js'
import type {
  CallbackOptions,
  ConfirmOptions,
  PipelineOptions,
  PollingOptions,
  RunOptions,
} from './pipeline-options.js'

/** Options of the core with every default filled in and every value checked. */
export interface ResolvedPipelineOptions {
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

type Filled<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> }

const day = 86_400_000

/** Names of {@link PipelineOptions}. */
export const pipelineOptionNames: readonly string[] = [
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

/** The part of {@link readReceiverOptions} that needs no receiver. Names are the caller's to check. */
export function readPipelineOptions(options: PipelineOptions, firstPollMs = 15_000): ResolvedPipelineOptions {
  const settings: ResolvedPipelineOptions = {
    guarantee: oneOf(options.guarantee, 'guarantee', ['at-least-once', 'at-most-once']),
    agents: readAgents(options.agents),
    callbacks: readCallbacks(options.callbacks),
    confirm: readConfirm(options.confirm),
    polling: readPolling(options.polling, firstPollMs),
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

export function readClock(value: unknown): Clock {
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

function readCallbacks(value: unknown): ResolvedPipelineOptions['callbacks'] {
  const given = group(value, 'callbacks', ['maxBodyBytes', 'bodyTimeoutMs', 'ackAfterMs', 'maxInFlight'])
  return {
    maxBodyBytes: number(given['maxBodyBytes'], 'callbacks.maxBodyBytes', 262_144, 1, 67_108_864),
    bodyTimeoutMs: number(given['bodyTimeoutMs'], 'callbacks.bodyTimeoutMs', 5_000, 1, longestTimer),
    ackAfterMs: number(given['ackAfterMs'], 'callbacks.ackAfterMs', 8_000, 1, longestTimer),
    maxInFlight: number(given['maxInFlight'], 'callbacks.maxInFlight', 1_000, 1, 1_000_000),
  }
}

function readConfirm(value: unknown): ResolvedPipelineOptions['confirm'] {
  const given = group(value, 'confirm', ['timeoutMs', 'minIntervalMs', 'requestsPerSecond', 'maxResponseBytes'])
  return {
    timeoutMs: number(given['timeoutMs'], 'confirm.timeoutMs', 5_000, 1, longestTimer),
    minIntervalMs: number(given['minIntervalMs'], 'confirm.minIntervalMs', 2_000, 0, 600_000),
    requestsPerSecond: rate(given['requestsPerSecond'], 'confirm.requestsPerSecond', 50),
    maxResponseBytes: number(given['maxResponseBytes'], 'confirm.maxResponseBytes', 1_048_576, 1, 67_108_864),
  }
}

function readPolling(value: unknown, firstPollMs: number): ResolvedPipelineOptions['polling'] {
  const given = group(value, 'polling', ['firstMs', 'maxMs', 'requestsPerSecond', 'concurrency'])
  const firstMs = number(given['firstMs'], 'polling.firstMs', firstPollMs, 1, day)
  return {
    firstMs,
    maxMs: number(given['maxMs'], 'polling.maxMs', Math.max(firstMs, 600_000), firstMs, day),
    requestsPerSecond: rate(given['requestsPerSecond'], 'polling.requestsPerSecond', 10),
    concurrency: number(given['concurrency'], 'polling.concurrency', 16, 1, 1_000),
  }
}

function readRuns(value: unknown): ResolvedPipelineOptions['runs'] {
  const given = group(value, 'runs', ['leaseMs', 'timeoutMs', 'maxAttempts', 'backoffMs'])
  const backoff = given['backoffMs'] === undefined ? [1_000, 600_000] : given['backoffMs']
  if (!Array.isArray(backoff) || backoff.length !== 2)
    throw invalid('runs.backoffMs', backoff, 'a pair [shortest, longest]')
  const shortest = number(backoff[0], 'runs.backoffMs[0]', 1_000, 1, day)
  return {
    leaseMs: number(given['leaseMs'], 'runs.leaseMs', 30_000, 10, day),
    timeoutMs: number(given['timeoutMs'], 'runs.timeoutMs', 900_000, 1, longestTimer),
    maxAttempts: number(given['maxAttempts'], 'runs.maxAttempts', 8, 1, 1_000),
    backoffMs: [shortest, number(backoff[1], 'runs.backoffMs[1]', 600_000, shortest, day)],
  }
}
