import { inspect } from 'node:util'
import type { DecisionStatus, Via } from './decision.js'
import type { ErrorCode } from './errors.js'
import type { ParkReason } from './park-reason.js'

/** Why a callback was refused. */
export const refusalReasons = [
  'method-not-allowed',
  'closing',
  'overloaded',
  'agent-refused',
  'token-refused',
  'media-type-refused',
  'body-too-large',
  'body-too-slow',
  'body-aborted',
  'body-already-read',
  'malformed',
  'unknown-approval',
] as const
/** Why a callback was refused: the `code` of its answer. */
export type RefusalReason = (typeof refusalReasons)[number]

/** Why a claim was given back without a finished run. */
export type ReleaseReason =
  | 'undecided'
  | 'api-failed'
  | 'api-throttled'
  | 'api-key-refused'
  | 'assistant-unknown'
  | 'no-free-slot'
  | 'lease-too-short'
  | 'handler-failed'
  | 'closing'

/**
 * What happened, for logs and metrics. A closed union: switch over `type`. No event carries a key, a token, details,
 * a note or a payload. Listeners are called synchronously; one that throws harms nothing.
 *
 * `error` is what your handler or a store threw, with whatever text, causes and properties that has; JSON of an event
 * shows its name, code, message and stack. Ids, names of actions and assistants, and names of keys in `paths` are shown.
 */
export type CheqpointEvent = Readonly<
  | { type: 'refused'; reason: RefusalReason; approvalId: string | null }
  /** Another version of the agent header was seen; emitted once a version. */
  | { type: 'agent-version'; agent: string }
  | { type: 'confirmed'; approvalId: string; action: string; status: DecisionStatus; via: Via }
  /** A callback claimed something else than the API says. The API's answer is what counts; the names of the fields are given. */
  | { type: 'mismatch'; approvalId: string; fields: readonly string[] }
  /**
   * The API used a status word that decides nothing because nobody documented it; emitted once a word. At most 64
   * characters of it, those that a terminal would obey as escapes.
   */
  | { type: 'unknown-status'; approvalId: string; word: string }
  | { type: 'run-started'; approvalId: string; action: string; attempt: number; fence: number; via: Via }
  | { type: 'run-succeeded'; approvalId: string; action: string; attempt: number; durationMs: number }
  /** The handler threw, or took too long. `error` is what it threw. */
  | {
      type: 'run-failed'
      approvalId: string
      action: string
      attempt: number
      durationMs: number
      timedOut: boolean
      error: unknown
    }
  /** What a handler returned is not JSON, or more than 16 KiB of it; the run counts, its result is not kept. */
  | { type: 'result-dropped'; approvalId: string; action: string }
  | { type: 'completed'; approvalId: string; action: string; status: DecisionStatus; via: Via }
  /** A decision that was already handled came again. */
  | { type: 'duplicate'; approvalId: string }
  | { type: 'released'; approvalId: string; reason: ReleaseReason; dueInMs: number; code: ErrorCode | null }
  /** `paths` are JSON Pointers of what was wrong, never values. */
  | { type: 'parked'; approvalId: string; action: string; reason: ParkReason; paths: readonly string[] }
  /** Approved after `expiresAt`: handed over as `expired`. */
  | { type: 'late'; approvalId: string; action: string }
  | { type: 'adopted'; approvalId: string; ref: string }
  | { type: 'submission-unknown'; ref: string }
  /** The API refused our key: nothing of this assistant can be confirmed until it is mended. */
  | { type: 'api-key-refused'; assistant: string | null }
  /** This process has no handler for an action, and leaves its approvals to others; emitted once an action. */
  | { type: 'no-handler'; approvalId: string; action: string }
  /** This process has no key for an assistant, and leaves its approvals to others; emitted once an assistant. */
  | { type: 'assistant-unknown'; approvalId: string; assistant: string | null }
  /** Nothing of this assistant is asked for a while. */
  | { type: 'paused'; assistant: string | null; forMs: number }
  /** The lease of a running handler was lost; its `signal` aborted. Another run may follow. */
  | { type: 'lease-lost'; approvalId: string; action: string; fence: number }
  /** A handler finished after somebody else took over: its effect may stand twice. */
  | { type: 'completed-after-takeover'; approvalId: string; action: string; fence: number }
  /** Nothing looks for lost callbacks: neither `start()` nor `sweep: 'elsewhere'`. Emitted once. */
  | { type: 'not-sweeping' }
  | { type: 'swept'; taken: number; decided: number; undecided: number; failed: number }
  /** The host's `waitUntil` threw or rejected; the response waits for the handler instead. */
  | { type: 'wait-until-failed'; error: unknown }
  | { type: 'store-failed'; operation: string; error: unknown }
  | { type: 'store-warning'; message: string }
>

/** Hears each event as it happens, synchronously. What it throws harms nothing. */
export type EventListener = (event: CheqpointEvent) => void

/**
 * A word of an outsider's, fit for one line of a log: its first characters, and as escapes those that a terminal or a
 * viewer would obey instead of showing them.
 */
export function printable(word: string, most = 64): string {
  return word.slice(0, most).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (each) => `\\u{${each.codePointAt(0)?.toString(16)}}`)
}

/** `toJSON` of an event: an Error would be shown as `{}`, and what else is thrown might not be JSON. */
function toJSON(this: { readonly error?: unknown }): unknown {
  return { ...this, error: readError(this.error) }
}

function readError(error: unknown): unknown {
  try {
    if (!(error instanceof Error)) return typeof error === 'string' ? error : inspect(error)
    const { name, message, stack } = error
    const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
    return { name, code, message, stack }
  } catch {
    return 'an error that cannot be read'
  }
}

/**
 * Calls a listener, and the log, so that nothing they do, now or later, reaches the caller. An `error` is shown with its
 * message and stack where the event is written as JSON.
 */
export function guardListener(listener: EventListener | undefined, log: EventListener | null = null): EventListener {
  if (listener === undefined && log === null) return () => {}
  return (event) => {
    if ('error' in event) Object.defineProperty(event, 'toJSON', { value: toJSON })
    for (const each of [listener, log]) {
      try {
        const returned: unknown = each?.(event)
        // A promise of any realm or library: one that nothing handles would end the process.
        if (returned !== undefined && returned !== null) Promise.resolve(returned).catch(() => {})
      } catch {
        // A broken listener must not change what happens to a decision.
      }
    }
  }
}
