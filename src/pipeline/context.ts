import { randomBytes } from 'node:crypto'
import type { Client } from '../cheqpoint/client.js'
import type { Via } from '../model/decision.js'
import { printable } from '../model/events.js'
import type { ActionRules } from '../options/actions.js'
import type { ResolvedPipelineOptions } from '../options/read-pipeline-options.js'
import type { Store } from '../stores/store.js'
import { onceEach } from '../util/once-each.js'
import { Budget, Latecomers, Pauses } from './budget.js'
import type { Claim } from './claim.js'
import type { Failure } from './confirm.js'

/** What happened that makes us look at an approval. */
export interface Trigger {
  readonly via: Via
  /** The reference that a callback's token proved. */
  readonly ref?: string | undefined
  /** Whether another callback for this id joined this one since it was last asked. */
  knocked(): boolean
}

/** A confirmed decision with the right to act on it. */
export interface Verified {
  readonly kind: 'ok'
  readonly claim: Claim
}

/** What the pipeline must be given. */
export interface ContextDeps {
  readonly store: Store
  readonly client: Pick<Client, 'get'>
  /** Whether records name assistants, so that a record must be read before its budget is known. */
  readonly manyAssistants: boolean
  /** What is known of an action; `null` where nobody handles it. */
  readonly rulesFor: (action: string) => ActionRules | null
  /** Whether nothing new is claimed any more. */
  readonly isClosing: () => boolean
}

/** What the pipeline works with. */
export interface PipelineContext extends ContextDeps, ResolvedPipelineOptions {
  /** By the clock's elapsed time. */
  readonly createdAt: number
  /** GETs that callbacks may cause. */
  readonly callbackBudget: Budget
  readonly latecomers: Latecomers
  /** GETs that the sweep may cause. */
  readonly sweepBudget: Budget
  readonly pauses: Pauses
  /** The name of a claim, nobody else's in any process. */
  readonly newToken: () => string
  /** Reports a status word that nobody documented, once. */
  readonly onUnknownWord: (word: string, approvalId: string) => void
}

/** Lets the assistant rest where a failure asks for it, and tells of a refused key; within a pause once. */
export function heedFailure(
  { pauses, emit }: PipelineContext,
  assistant: string | null,
  { kind, pauseMs }: Failure,
): void {
  const fresh = pauseMs > 0 && pauses.pause(assistant, pauseMs)
  if (fresh) emit({ type: 'paused', assistant, forMs: pauseMs })
  if (kind === 'api-key-refused' && (fresh || pauseMs === 0)) emit({ type: 'api-key-refused', assistant })
}

export function createContext(settings: ResolvedPipelineOptions, parts: ContextDeps): PipelineContext {
  const { clock, confirm, polling, emit } = settings
  const tellWord = onceEach(64, (word, approvalId: string) => emit({ type: 'unknown-status', approvalId, word }))
  return {
    ...settings,
    ...parts,
    createdAt: clock.elapsed(),
    callbackBudget: new Budget(confirm.requestsPerSecond, clock),
    latecomers: new Latecomers(clock),
    sweepBudget: new Budget(polling.requestsPerSecond, clock),
    pauses: new Pauses(clock),
    newToken: tokens(),
    onUnknownWord: (word, approvalId) => tellWord(printable(word), approvalId),
  }
}

/** Short, and made at little cost: records keep the name of the claim that ended them. */
function tokens(): () => string {
  const own = randomBytes(12).toString('base64url')
  let made = 0
  return () => `${own}.${made++}`
}
