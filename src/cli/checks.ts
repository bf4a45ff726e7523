import { asFailure } from './failure.js'

export type Status = 'ok' | 'warning' | 'failure' | 'skipped'

/** The result of one check. */
export interface Check {
  readonly check: string
  readonly status: Status
  readonly message: string
  readonly fix: string | null
}

/** The checks of one target. If it cannot be reached, the check `reachable` fails. */
export interface Checkup {
  readonly group: 'api' | 'callback' | 'store'
  /** The target, without secrets; empty if none was given. */
  readonly target: string
  readonly checks: readonly Check[]
}

export function found(check: string, status: Status, message: string, fix: string | null = null): Check {
  return { check, status, message, fix }
}

/** A failed check with the message of an error. */
export function failed(check: string, error: unknown): Check {
  const { message, fix, exit } = asFailure(error)
  return found(exit === 3 ? 'reachable' : check, 'failure', message, fix)
}
