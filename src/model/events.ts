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
/** Why a callback was refused: the `code` of its response. */
export type RefusalReason = (typeof refusalReasons)[number]

/** Why a claim ended without a finished run. */
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
 * An event, for logs and metrics. A closed union: switch over `type`. No event contains a key, a token, details, a note
 * or a payload.
 *
 * `error` is the value that your handler or store threw, unchanged; JSON of an event has its name, code, message and
 * stack. Events contain ids, names of actions and assistants, and in `paths` names of keys.
 */
export type CheqpointEvent = Readonly<
  | { type: 'refused'; reason: RefusalReason; approvalId: string | null }
  /** The agent header names another version; once per version. */
  | { type: 'agent-version'; agent: string }
  /** `decidedAfterMs`: from its submission to its decision; `null` if the API gave no date. */
  | {
      type: 'confirmed'
      approvalId: string
      action: string
      status: DecisionStatus
      via: Via
      decidedAfterMs: number | null
    }
  /** A callback contradicts the API, whose response counts. `fields` are the names of the fields. */
  | { type: 'mismatch'; approvalId: string; fields: readonly string[] }
  /**
   * The API used an undocumented status word, which decides nothing; once per word. `word` is cut to 64 characters,
   * with control characters escaped.
   */
  | { type: 'unknown-status'; approvalId: string; word: string }
  | { type: 'run-started'; approvalId: string; action: string; attempt: number; fence: number; via: Via }
  | { type: 'run-succeeded'; approvalId: string; action: string; attempt: number; durationMs: number }
  /** The handler threw or timed out. `error` is what it threw. */
  | {
      type: 'run-failed'
      approvalId: string
      action: string
      attempt: number
      durationMs: number
      timedOut: boolean
      error: unknown
    }
  /** The result of a handler is not JSON, or larger than 16 KiB. The run counts; the result is not kept. */
  | { type: 'result-dropped'; approvalId: string; action: string }
  /** `handledAfterMs`: from its decision to its recorded completion; `null` if the API gave no date. */
  | {
      type: 'completed'
      approvalId: string
      action: string
      status: DecisionStatus
      via: Via
      handledAfterMs: number | null
    }
  /** A callback for a decision that is already completed. */
  | { type: 'duplicate'; approvalId: string }
  | { type: 'released'; approvalId: string; reason: ReleaseReason; dueInMs: number; code: ErrorCode | null }
  /** `paths` are JSON Pointers to the invalid values, never the values. */
  | { type: 'parked'; approvalId: string; action: string; reason: ParkReason; paths: readonly string[] }
  /** Approved after `expiresAt`; the handler gets `expired`. */
  | { type: 'late'; approvalId: string; action: string }
  | { type: 'adopted'; approvalId: string; ref: string }
  | { type: 'submission-unknown'; ref: string }
  /** The API refused our key: nothing of this assistant can be confirmed until it is fixed. */
  | { type: 'api-key-refused'; assistant: string | null }
  /** This process has no handler for an action, and leaves its approvals to other processes; once per action. */
  | { type: 'no-handler'; approvalId: string; action: string }
  /** This process has no key for an assistant, and leaves its approvals to other processes; once per assistant. */
  | { type: 'assistant-unknown'; approvalId: string; assistant: string | null }
  /** No GETs are sent for this assistant for `forMs`. */
  | { type: 'paused'; assistant: string | null; forMs: number }
  /** A running handler lost its lease; its `signal` aborted. Another run may follow. */
  | { type: 'lease-lost'; approvalId: string; action: string; fence: number }
  /** A handler finished after another claim took over, or after it was given up: its effect may exist twice. */
  | { type: 'completed-after-takeover'; approvalId: string; action: string; fence: number }
  /** No sweep finds lost callbacks: neither `start()` nor `sweep: 'elsewhere'`; once. */
  | { type: 'not-sweeping' }
  | { type: 'swept'; taken: number; decided: number; undecided: number; failed: number }
  /** The host's `waitUntil` threw or rejected; the response waits for the handler instead. */
  | { type: 'wait-until-failed'; error: unknown }
  | { type: 'store-failed'; operation: string; error: unknown }
  | { type: 'store-warning'; message: string }
>

/** Called with each event, synchronously. What it throws has no effect. */
export type EventListener = (event: CheqpointEvent) => void

/** The first characters of an untrusted word, with control characters as escapes, for one line of a log. */
export function printable(word: string, most = 64): string {
  return word.slice(0, most).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (each) => `\\u{${each.codePointAt(0)?.toString(16)}}`)
}

/** `toJSON` of an event: by default an Error becomes `{}`, and other thrown values may not be JSON. */
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
 * Calls a listener and the log, and swallows their errors and rejections. JSON of an event shows the message and stack
 * of its `error`.
 */
export function guardListener(listener: EventListener | undefined, log: EventListener | null = null): EventListener {
  if (listener === undefined && log === null) return () => {}
  return (event) => {
    if ('error' in event) Object.defineProperty(event, 'toJSON', { value: toJSON })
    for (const each of [listener, log]) {
      try {
        const returned: unknown = each?.(event)
        // Any thenable, since an unhandled rejection would end the process.
        if (returned !== undefined && returned !== null) Promise.resolve(returned).catch(() => {})
      } catch {
        // A listener that throws must not change what happens to a decision.
      }
    }
  }
}
