import { type EventListener, guardListener } from '../model/events.js'
import { clamp } from '../util/backoff.js'
import { type Clock, longestTimer, type Random, systemClock, systemRandom } from '../util/clock.js'
import { createLog } from './log.js'
import {
  type Given,
  invalid,
  number,
  oneOf,
  optionalFunction,
  rate,
  readGroup,
  type Table,
  whole,
  withMethods,
} from './option-checks.js'
import type { PipelineOptions } from './pipeline-options.js'

/** Options of the pipeline with every default filled in and every value checked. */
export interface ResolvedPipelineOptions
  extends Filled<Pick<PipelineOptions, 'guarantee' | 'retentionMs' | 'maxDetailsBytes' | 'clock' | 'random'>> {
  readonly agents: ReadonlySet<string>
  readonly callbacks: Group<'callbacks'>
  readonly confirm: Group<'confirm'>
  readonly polling: Group<'polling'>
  readonly runs: Group<'runs'>
  readonly emit: EventListener
}

/** Options of which each has a value. */
export type Filled<Options> = { readonly [Name in keyof Options]-?: Exclude<Options[Name], undefined> }
type Group<Name extends keyof PipelineOptions> = Filled<NonNullable<PipelineOptions[Name]>>

const day = 86_400_000
/** An ended reference is kept this long. */
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
 * Checks these options and fills in defaults. Defaults derive from the options that are set, so that no single option
 * contradicts one. Does not check names.
 */
export function readPipelineOptions(options: PipelineOptions, firstPollMs = 15_000): ResolvedPipelineOptions {
  const clock = readClock(options.clock)
  const runs = readGroup(options.runs, 'runs', runTable(Object(options.confirm)))
  // Its parameters cannot be checked.
  const listener = optionalFunction(options.onEvent, 'onEvent') as EventListener | undefined
  const log = createLog(options.log, listener !== undefined, clock)
  return {
    guarantee: oneOf(options.guarantee, 'guarantee', ['at-least-once', 'at-most-once']),
    agents: readAgents(options.agents),
    callbacks: readGroup(options.callbacks, 'callbacks', callbackTable),
    confirm: readGroup(options.confirm, 'confirm', confirmTable(runs.leaseMs)),
    polling: readGroup(options.polling, 'polling', pollingTable(Object(options.polling), firstPollMs)),
    runs,
    retentionMs: number(options.retentionMs, 'retentionMs', 7 * day, shortestRetentionMs, 400 * day),
    maxDetailsBytes: number(options.maxDetailsBytes, 'maxDetailsBytes', 262_144, 1, 16_777_216),
    emit: guardListener(listener, log),
    clock,
    random: readRandom(options.random),
  }
}

export function readClock(value: unknown): Clock {
  if (value === undefined) return systemClock
  return withMethods<Clock>(value, 'clock', ['now', 'elapsed'], 'an object with now() and elapsed()')
}

export function readRandom(value: unknown): Random {
  // It has no parameters.
  return (optionalFunction(value, 'random') as Random | undefined) ?? systemRandom
}

function readAgents(value: unknown = ['Cheqpoint-Callback/1.0']): ReadonlySet<string> {
  const isAgent = (agent: unknown): boolean =>
    typeof agent === 'string' && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(agent)
  if (!Array.isArray(value) || value.length === 0 || !value.every(isAgent))
    throw invalid('agents', value, 'a list of header values in printable ASCII')
  return new Set(value)
}

const callbackTable: Table<Group<'callbacks'>> = {
  maxBodyBytes: whole(262_144, 1, 67_108_864),
  bodyTimeoutMs: whole(5_000, 1, longestTimer),
  ackAfterMs: whole(8_000, 1, longestTimer),
  maxInFlight: whole(1_000, 1, 1_000_000),
  maxUnreadBodies: whole(1_000, 1, 1_000_000),
}

function confirmTable(leaseMs: number): Table<Group<'confirm'>> {
  const most = Math.floor(leaseMs / 3)
  return {
    timeoutMs(value, path) {
      if (typeof value === 'number' && value > most)
        throw invalid(path, value, `at most a third of runs.leaseMs (${most})`)
      return number(value, path, Math.min(5_000, most), 1, most)
    },
    minIntervalMs: whole(2_000, 0, 600_000),
    requestsPerSecond: rate(50),
    maxResponseBytes: whole(1_048_576, 1, 67_108_864),
  }
}

function pollingTable({ firstMs, maxMs }: Given, firstPollMs: number): Table<Group<'polling'>> {
  const first = Number.isInteger(maxMs) ? clamp(Number(maxMs), 1, firstPollMs) : firstPollMs
  const least = typeof firstMs === 'number' ? firstMs : first
  return {
    firstMs: whole(first, 1, day),
    maxMs: whole(Math.max(least, 600_000), least, day),
    requestsPerSecond: rate(10),
    concurrency: whole(16, 1, 1_000),
  }
}

/** The default of the lease derives from the time-out of a GET. */
function runTable({ timeoutMs }: Given): Table<Group<'runs'>> {
  return {
    leaseMs: whole(
      typeof timeoutMs === 'number' && Number.isInteger(timeoutMs) ? clamp(3 * timeoutMs, 30_000, day) : 30_000,
      30,
      day,
    ),
    timeoutMs: whole(900_000, 1, longestTimer),
    concurrency: whole(1_000, 1, 1_000_000),
    maxAttempts: whole(8, 1, 1_000),
    backoffMs(value = [1_000, 600_000], path) {
      if (!Array.isArray(value) || value.length !== 2) throw invalid(path, value, 'a pair [shortest, longest]')
      const shortest = number(value[0], `${path}[0]`, 1_000, 1, day)
      return [shortest, number(value[1], `${path}[1]`, Math.max(shortest, 600_000), shortest, day)]
    },
  }
}
