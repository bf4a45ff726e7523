import { types } from 'node:util'
import { CheqpointError } from '../model/errors.js'
import type { Kind } from './option-checks.js'

/** The time of `expiresAt`. Throws `argument-invalid`, or `option-invalid`, unless it is a valid Date after `now`. */
export function readExpiry(expiresAt: unknown, now: number, kind: Kind = 'argument'): number {
  const time = types.isDate(expiresAt) ? expiresAt.getTime() : Number.NaN
  if (Number.isNaN(time)) throw wrong('a valid Date', kind)
  if (time > now) return time
  throw expiryPassed(kind)
}

export function expiryPassed(kind: Kind = 'argument'): CheqpointError {
  return wrong('in the future; a Date takes milliseconds, not seconds', kind)
}

function wrong(allowed: string, kind: Kind): CheqpointError {
  const name = kind === 'option' ? 'option expiresAt' : 'expiresAt'
  return new CheqpointError(`${kind}-invalid`, `${name} must be ${allowed}`)
}
