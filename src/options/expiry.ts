import { types } from 'node:util'
import { CheqpointError } from '../model/errors.js'

/** The time of an argument `expiresAt`. Throws `argument-invalid` unless it is a valid Date after `now`. */
export function readExpiry(expiresAt: unknown, now: number): number {
  const time = types.isDate(expiresAt) ? expiresAt.getTime() : Number.NaN
  if (Number.isNaN(time)) throw new CheqpointError('argument-invalid', 'expiresAt must be a valid Date')
  if (time > now) return time
  throw expiryPassed()
}

export function expiryPassed(): CheqpointError {
  const fix = 'a Date takes milliseconds, not seconds'
  return new CheqpointError('argument-invalid', `expiresAt must be in the future; ${fix}`)
}
