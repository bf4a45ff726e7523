import { type EventListener, guardListener } from '../model/events.js'
import { type Clock, longestTimer, type Random, systemClock, systemRandom } from '../util/clock.js'
import { createLog } from './log.js'
import { group, invalid, number, oneOf, optionalFunction, rate } from './option-checks.js'
import type {
  CallbackOptions,
  ConfirmOptions,
  PipelineOptions,
  PollingOptions,
  RunOptions,
} from './pipeline-options.js'

/** Options of the pipeline with every default filled in and every value checked. */
export interface ResolvedPipelineOptions {
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly agents: ReadonlySet<string>
  readonly callbacks: Filled<CallbackOptions>
  readonly confirm: Filled<ConfirmOptions>
  readonly polling: Filled<PollingOptions>
  readonly runs: Filled<RunOptions>
  readonly retentionMs: number
  readonly maxDetailsBytes: number
  readonly emit: EventListener
  readonly clock: Clock
  readonly random: Random
}

type Filled<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> }

const day = 86_400_000
/** As long as a reference that ended is remembered. */
const shortestRetentionMs = 900_000

/** Names of {@link PipelineOptions}. */
export const pipelineOptionNames: readonly (keyof PipelineOptions)[] = [
  'guarantee',
  'idPattern',
  'agents',
  'callbacks',
  'confirm',
  'polling',
  'runs',
  'retentionMs',
  'maxDetailsBytes',
  'onEvent',
  'log',
  'clock',
  'random',
]

/**
 * Checks the options that need no receiver. A value that is not set derives from those that are, so no option alone
 * contradicts a default. Names are the caller's to check.
 */
export function readPipelineOptions(options: PipelineOptions, firstPollMs = 15_000): ResolvedPipelineOptions {
  const clock = readClock(options.clock)
  const runs = readRuns(options.runs, options.confirm)
  // Its arguments are the library's own to give.
  const listener = optionalFunction(options.onEvent, 'onEvent') as EventListener | undefined
  const log = createLog(options.log, listener !== undefined, clock)
  return {
    guarantee: oneOf(options.guarantee, 'guarantee', ['at-least-once', 'at-most-once']),
    agents: readAgents(options.agents),
    callbacks: readCallbacks(options.callbacks),
    confirm: readConfirm(options.confirm, runs.leaseMs),
    polling: readPolling(options.polling, firstPollMs),
    runs,
    retentionMs: number(options.retentionMs, 'retentionMs', 7 * day, shortestRetentionMs, 400 * day),
    maxDetailsBytes: number(options.maxDetailsBytes, 'maxDetailsBytes', 262_144, 1, 16_777_216),
    emit: guardListener(listener, log),
    clock,
    random: (optionalFunction(options.random, 'random') as Random | undefined) ?? systemRandom,
  }
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
  const names = ['maxBodyBytes', 'bodyTimeoutMs', 'ackAfterMs', 'maxInFlight', 'maxUnreadBodies']
  const given = group(value, 'callbacks', names)
  return {
    maxBodyBytes: number(given['maxBodyBytes'], 'callbacks.maxBodyBytes', 262_144, 1, 67_108_864),
    bodyTimeoutMs: number(given['bodyTimeoutMs'], 'callbacks.bodyTimeoutMs', 5_000, 1, longestTimer),
    ackAfterMs: number(given['ackAfterMs'], 'callbacks.ackAfterMs', 8_000, 1, longestTimer),
    maxInFlight: number(given['maxInFlight'], 'callbacks.maxInFlight', 1_000, 1, 1_000_000),
    maxUnreadBodies: number(given['maxUnreadBodies'], 'callbacks.maxUnreadBodies', 1_000, 1, 1_000_000),
  }
}

function readConfirm(value: unknown, leaseMs: number): ResolvedPipelineOptions['confirm'] {
  const given = group(value, 'confirm', ['timeoutMs', 'minIntervalMs', 'requestsPerSecond', 'maxResponseBytes'])
  const most = Math.floor(leaseMs / 3)
  if (typeof given['timeoutMs'] === 'number' && given['timeoutMs'] > most)
    throw invalid('confirm.timeoutMs', given['timeoutMs'], `at most a third of runs.leaseMs (${most})`)
  return {
    timeoutMs: number(given['timeoutMs'], 'confirm.timeoutMs', Math.min(5_000, most), 1, most),
    minIntervalMs: number(given['minIntervalMs'], 'confirm.minIntervalMs', 2_000, 0, 600_000),
    requestsPerSecond: rate(given['requestsPerSecond'], 'confirm.requestsPerSecond', 50),
    maxResponseBytes: number(given['maxResponseBytes'], 'confirm.maxResponseBytes', 1_048_576, 1, 67_108_864),
  }
}

function readPolling(value: unknown, firstPollMs: number): ResolvedPipelineOptions['polling'] {
  const given = group(value, 'polling', ['firstMs', 'maxMs', 'requestsPerSecond', 'concurrency'])
  const maxMs: unknown = given['maxMs']
  const fallback = Number.isInteger(maxMs) ? Math.max(1, Math.min(firstPollMs, Number(maxMs))) : firstPollMs
  const firstMs = number(given['firstMs'], 'polling.firstMs', fallback, 1, day)
  return {
    firstMs,
    maxMs: number(maxMs, 'polling.maxMs', Math.max(firstMs, 600_000), firstMs, day),
    requestsPerSecond: rate(given['requestsPerSecond'], 'polling.requestsPerSecond', 10),
    concurrency: number(given['concurrency'], 'polling.concurrency', 16, 1, 1_000),
  }
}

/** A lease that is not set derives from the time-out of a GET that is. */
function readRuns(value: unknown, confirm: unknown): ResolvedPipelineOptions['runs'] {
  const given = group(value, 'runs', ['leaseMs', 'timeoutMs', 'concurrency', 'maxAttempts', 'backoffMs'])
  const backoff = given['backoffMs'] === undefined ? [1_000, 600_000] : given['backoffMs']
  if (!Array.isArray(backoff) || backoff.length !== 2)
    throw invalid('runs.backoffMs', backoff, 'a pair [shortest, longest]')
  const shortest = number(backoff[0], 'runs.backoffMs[0]', 1_000, 1, day)
  const { timeoutMs }: { readonly timeoutMs?: unknown } = Object(confirm)
  const leaseMs = typeof timeoutMs === 'number' ? Math.min(Math.max(30_000, 3 * timeoutMs), day) : 30_000
  return {
    leaseMs: number(given['leaseMs'], 'runs.leaseMs', leaseMs, 30, day),
    timeoutMs: number(given['timeoutMs'], 'runs.timeoutMs', 900_000, 1, longestTimer),
    concurrency: number(given['concurrency'], 'runs.concurrency', 1_000, 1, 1_000_000),
    maxAttempts: number(given['maxAttempts'], 'runs.maxAttempts', 8, 1, 1_000),
    backoffMs: [shortest, number(backoff[1], 'runs.backoffMs[1]', Math.max(shortest, 600_000), shortest, day)],
  }
}
