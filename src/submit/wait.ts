import { AsyncLocalStorage } from 'node:async_hooks'
import type { ApprovalState } from '../approvals/entry.js'
import { CheqpointError } from '../model/errors.js'
import { argumentGroup, argumentNumber, argumentSignal } from '../options/option-checks.js'
import type { PipelineContext } from '../pipeline/context.js'
import type { Pipeline } from '../pipeline/pipeline.js'
import { jitter } from '../util/backoff.js'
import { longestTimer } from '../util/clock.js'
import { onAbort } from '../util/on-abort.js'
import { readKnown } from './outages.js'
import { completed, type DecidedSubmission } from './submission.js'

/** Options of `wait`. */
export interface WaitForOptions {
  /** Rejects with `wait-timeout` after this time; the request continues. Default: no limit. */
  readonly timeoutMs?: number | undefined
  /** Rejects with `aborted` when it aborts; the request continues. */
  readonly signal?: AbortSignal | undefined
}

/** A decision that was handled, in any process. */
export interface Completed extends DecidedSubmission {
  readonly action: string
}

/** Ends a wait; has no effect after that. */
type End = (result: Completed | CheqpointError) => void

/** Time between two reads of the store. A completion in this process ends a wait at once. */
const readEveryMs = 500
/** Approvals read from the store at a time. */
const batch = 64

/** A handler that a wait starts does not run in the asynchronous context of its caller: one wait reads for all. */
const inModuleContext = AsyncLocalStorage.snapshot()

/** Waits for completions: one loop for all waits, which reads each awaited approval once per round. */
export class CompletionWaits {
  readonly #context: PipelineContext
  readonly #pipeline: Pick<Pipeline, 'process'>
  readonly #waiting = new Map<string, Set<End>>()
  /** Approvals with a new wait, not read since. */
  readonly #fresh = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  constructor(context: PipelineContext, pipeline: Pick<Pipeline, 'process'>) {
    this.#context = context
    this.#pipeline = pipeline
  }

  /** See `Receiver.wait`. */
  async wait(approvalId: string, options: WaitForOptions): Promise<Completed> {
    const given = argumentGroup(options, 'wait()', ['timeoutMs', 'signal'])
    const timeoutMs = argumentNumber(given['timeoutMs'], 'timeoutMs', Number.POSITIVE_INFINITY, 0, longestTimer)
    const signal = argumentSignal(given['signal'])
    if (this.#context.life.isClosing) throw fault('receiver-closed', approvalId)
    if (signal?.aborted === true) throw fault('aborted', approvalId)
    return new Promise((resolve, reject) => {
      const end: End = (result) => {
        clearTimeout(timer)
        stopListening?.()
        this.#remove(approvalId, end)
        if (result instanceof CheqpointError) reject(result)
        else resolve(result)
      }
      const onTimeout = (): void => end(fault('wait-timeout', approvalId))
      const timer = timeoutMs === Number.POSITIVE_INFINITY ? undefined : setTimeout(onTimeout, timeoutMs)
      const stopListening = signal && onAbort(signal, () => end(fault('aborted', approvalId)))
      this.#add(approvalId, end)
    })
  }

  /** A completion happened in this process. */
  notify(approvalId: string): void {
    if (this.#waiting.has(approvalId)) void this.#read(approvalId) // it cannot reject
  }

  /** Rejects every wait; later ones are refused since the receiver is closing. */
  close(): void {
    for (const [approvalId, waiters] of this.#waiting)
      for (const end of waiters) end(fault('receiver-closed', approvalId))
  }

  #add(approvalId: string, end: End): void {
    this.#waiting.set(approvalId, (this.#waiting.get(approvalId) ?? new Set()).add(end))
    // All waits that begin in this turn are read together.
    if (this.#fresh.size === 0) queueMicrotask(() => void this.#readAll(this.#fresh)) // it cannot reject
    this.#fresh.add(approvalId)
    this.#timer ??= this.#schedule()
  }

  #remove(approvalId: string, end: End): void {
    const all = this.#waiting.get(approvalId)
    all?.delete(end)
    if (all?.size === 0) this.#waiting.delete(approvalId)
    if (this.#waiting.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Keeps the process alive: the caller may have nothing else running. */
  #schedule(): NodeJS.Timeout {
    return setTimeout(() => void this.#round(), jitter(readEveryMs, this.#context.random)) // it cannot reject
  }

  async #round(): Promise<void> {
    await this.#readAll(this.#waiting.keys())
    // All waits may have ended meanwhile, and others begun.
    clearTimeout(this.#timer)
    this.#timer = this.#waiting.size > 0 ? this.#schedule() : undefined
  }

  async #readAll(approvals: Iterable<string>): Promise<void> {
    const ids = [...approvals]
    this.#fresh.clear()
    for (let at = 0; at < ids.length; at += batch) {
      await Promise.all(ids.slice(at, at + batch).map((id) => this.#read(id)))
    }
  }

  async #read(approvalId: string): Promise<void> {
    // Later waits need a read of their own: this one may be outdated for them.
    const waiters = [...(this.#waiting.get(approvalId) ?? [])]
    if (waiters.length === 0) return
    const found = await readKnown(this.#context, approvalId, 'wait')
    if (found === null || found.isForNewer) return
    // Nothing else polls, so the wait does. Not awaited: one slow handler would delay all other waits.
    if (found.isDue && !this.#context.life.isSwept)
      void inModuleContext(() => this.#pipeline.process({ approvalId, via: 'poll' })) // it cannot reject
    const result = readResult(approvalId, found.kept)
    if (result !== null) for (const end of waiters) end(result)
  }
}

/** How the wait ends, or `null` if it continues. */
function readResult(approvalId: string, known: ApprovalState | 'unreadable' | null): Completed | CheqpointError | null {
  if (known === null) return fault('approval-unknown', approvalId)
  if (known === 'unreadable') return fault('parked', approvalId, ' (corrupt)')
  if (known.kind === 'completed') return { action: known.action, ...completed(approvalId, known) }
  return known.parked === null ? null : fault('parked', approvalId, ` (${known.parked.reason})`)
}

const reasons = {
  aborted: 'the signal of the wait aborted',
  'receiver-closed': 'the receiver is closed',
  'wait-timeout': 'the approval was not completed within timeoutMs; it continues',
  'approval-unknown': 'no approval with this id is tracked',
  parked: 'the approval is parked; see receiver.parked()',
} as const

function fault(code: keyof typeof reasons, approvalId: string, more = ''): CheqpointError {
  return new CheqpointError(code, `${reasons[code]}${more}`, { approvalId })
}
