import { asFailure } from './failure.js'

export type Status = 'ok' | 'warning' | 'failure' | 'skipped'

/** One thing that was checked. */
export interface Check {
  readonly check: string
  readonly status: Status
  readonly message: string
  readonly fix: string | null
}

/** Checks of one thing. What could not be reached fails the check `reachable`. */
export interface Checkup {
  readonly group: 'api' | 'callback' | 'store'
  /** What was checked, without secrets; empty where nothing was given. */
  readonly target: string
  readonly checks: readonly Check[]
}

export function found(check: string, status: Status, message: string, fix: string | null = null): Check {
  return { check, status, message, fix }
}

/** A failure, as an error describes it. */
export function failed(check: string, error: unknown): Check {
  const { message, fix, exit } = asFailure(error)
  return found(exit === 3 ? 'reachable' : check, 'failure', message, fix)
}
