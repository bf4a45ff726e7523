import type { CheqpointEvent, EventListener } from '../model/events.js'
import type { Clock } from '../util/clock.js'
import { withMethods } from './option-checks.js'

/** Receives the lines of the log: `console`, or an object like it. */
export interface Log {
  error(text: string): void
}

/** At most one line per type of event in this time; the next line counts those that were left out. */
const quietMs = 10_000

/**
 * A listener that writes one line for each event that needs action: failed runs, dropped results, parked approvals, store
 * failures, refused keys, a receiver that does not sweep. Never a secret, details or a payload. Default: `console`, or
 * none with `onEvent`.
 */
export function createLog(option: unknown, hasListener: boolean, clock: Clock): EventListener | null {
  const log = option === undefined ? (hasListener ? false : console) : option
  if (log === false) return null
  const { error } = withMethods<Log>(log, 'log', ['error'], 'an object with error(text), or false')
  const last = new Map<string, { at: number; leftOut: number }>()
  return (event) => {
    // Each entry takes events of its own type.
    const line = (lines[event.type] as Line<unknown> | undefined)?.(event) ?? null
    if (line === null) return
    const before = last.get(event.type)
    if (before !== undefined && clock.elapsed() - before.at < quietMs) {
      before.leftOut++
      return
    }
    const more = before === undefined || before.leftOut === 0 ? '' : ` (and ${before.leftOut} more since the last line)`
    last.set(event.type, { at: clock.elapsed(), leftOut: 0 })
    // Returned for its caller, which handles a promise that rejects.
    return error.call(log, `cheqpoint-callback: ${line}${more}`)
  }
}

type Line<Type> = (event: Extract<CheqpointEvent, { type: Type }>) => string | null

/** The line of each event that needs action. */
const lines: { readonly [Type in CheqpointEvent['type']]?: Line<Type> } = {
  'run-failed': ({ approvalId, action, attempt, timedOut, error }) =>
    `the handler of ${action} ${timedOut ? 'timed out' : 'failed'} for ${approvalId}, attempt ${attempt}: ${textOf(error)}`,
  parked: ({ approvalId, action, reason }) =>
    `${approvalId} (${action}) is parked: ${reason}; see receiver.parked(), retry() and cancel()`,
  'result-dropped': ({ approvalId, action }) =>
    `the result of ${action} for ${approvalId} is not kept: return JSON of at most 16 KiB, and await promises`,
  'store-failed': ({ operation, error }) => `the store failed (${operation}): ${textOf(error)}`,
  'api-key-refused': ({ assistant }) =>
    `Cheqpoint refused the key${assistant === null ? '' : ` of assistant ${assistant}`}; check it, and whether it was rotated`,
  'not-sweeping': () =>
    `nothing finds decisions whose callback is lost; leave sweep at 'here' and call receiver.start(), or set sweep: 'elsewhere' if another process does`,
  refused: ({ reason }) =>
    reason === 'body-already-read'
      ? 'the body of a callback was read before and not kept; mount the adapter before body parsers'
      : null,
}

/** Name and message of an error, on one line. */
function textOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, 500)
}
