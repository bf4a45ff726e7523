import type { Records } from '../approvals/records.js'
import type { Client } from '../cheqpoint/client-types.js'
import type { Via } from '../model/decision.js'
import { printable } from '../model/events.js'
import type { Telemetry } from '../model/telemetry.js'
import type { ActionRules, Handler } from '../options/actions.js'
import type { ResolvedPipelineOptions } from '../options/read-pipeline-options.js'
import { InFlight } from '../util/in-flight.js'
import { onceEach } from '../util/once-each.js'
import { Budget, Pauses, Slots, Turns } from './budget.js'

/** What makes the pipeline work on an approval. */
export interface Trigger {
  readonly approvalId: string
  readonly via: Via
  /** The reference that a callback's token proved. */
  readonly ref?: string | undefined
}

/** A claim that can be aborted. */
export interface Abortable {
  abort(reason: Error): void
}

/** What the pipeline is given. */
export interface ContextDeps {
  readonly records: Records
  readonly client: Pick<Client, 'get' | 'assistants'>
  readonly actions: ReadonlyMap<string, Action>
  /** What is done with an action that is not among them; `null` where this process leaves it to others. */
  readonly fallback: Action | null
  readonly telemetry: Telemetry
}

/** What is known of an action. Those who bring their own runner have no handler. */
export interface Action extends ActionRules {
  readonly handler?: Handler | undefined
}

/** What this process does at present. */
export interface Life {
  /** Nothing new is claimed any more. */
  isClosing: boolean
  /** Handlers must end, because the receiver drained for long enough. */
  isStopped: boolean
  /** Something finds decisions whose callback was lost, here or elsewhere. */
  isSwept: boolean
}

/** What outlives a call, in this process. */
export interface PipelineState {
  readonly life: Life
  /** By the clock's elapsed time. */
  readonly createdAt: number
  /** GETs that callbacks without a token may cause. */
  readonly callbackBudget: Budget
  /** GETs that the sweep may cause. */
  readonly turns: Turns
  readonly pauses: Pauses
  /** Polls that go on at the same time. */
  readonly polls: Slots
  /** Handlers that go on at the same time. */
  readonly handlers: Slots
  /** Claims whose handler has not ended: what `close` aborts. */
  readonly claims: InFlight<Abortable>
  /** Ids of approvals whose handler runs in this process, or whose end is not written yet, with or without a lease. */
  readonly running: Set<string>
}

/** What every step of the pipeline works with. */
export interface PipelineContext extends ContextDeps, ResolvedPipelineOptions, PipelineState {
  /** Reports a status word that is not documented, once. */
  readonly onUnknownWord: (word: string, approvalId: string) => void
  /** Reports an assistant without a key, once. */
  readonly onNoKey: (assistant: string, approvalId: string) => void
  /** Reports an action without a handler, once. */
  readonly onNoHandler: (action: string, approvalId: string) => void
}

/** The initial state. */
export function createState({ clock, confirm, polling, runs }: ResolvedPipelineOptions): PipelineState {
  return {
    life: { isClosing: false, isStopped: false, isSwept: false },
    createdAt: clock.elapsed(),
    callbackBudget: new Budget(confirm.requestsPerSecond, clock),
    turns: new Turns(new Budget(polling.requestsPerSecond, clock), clock),
    pauses: new Pauses(clock),
    polls: new Slots(polling.concurrency),
    handlers: new Slots(runs.concurrency),
    claims: new InFlight(),
    running: new Set(),
  }
}

export function createContext(
  options: ResolvedPipelineOptions,
  deps: ContextDeps,
  state: PipelineState = createState(options),
): PipelineContext {
  const { emit } = options
  const onUnknownWord = onceEach(64, (word, approvalId: string) => emit({ type: 'unknown-status', approvalId, word }))
  return {
    ...options,
    ...deps,
    ...state,
    onUnknownWord: (word, approvalId) => onUnknownWord(printable(word), approvalId),
    onNoKey: onceEach(64, (assistant, approvalId: string) =>
      emit({ type: 'assistant-unknown', approvalId, assistant }),
    ),
    onNoHandler: onceEach(64, (action, approvalId: string) => emit({ type: 'no-handler', approvalId, action })),
  }
}
