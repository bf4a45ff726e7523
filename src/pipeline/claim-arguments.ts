import { CheqpointError } from '../model/errors.js'
import { type ParkReason, parkReasons } from '../model/park-reason.js'
import { argumentGroup, argumentNumber } from '../options/option-checks.js'
import { longestTimer } from '../util/clock.js'
import { isPlainObject, type JsonText } from '../util/json.js'

/** How a claim is given back. */
export interface ClaimReleaseOptions {
  /** When the decision runs again, in whole milliseconds. Default: by the number of attempts. */
  readonly waitMs?: number | undefined
  /** This attempt is not counted, because it did not get to matter. Default `false`. */
  readonly giveAttemptBack?: boolean | undefined
}

/** Throws `argument-invalid`. */
export function readRelease(options: unknown, backoffMs: number): { waitMs: number; giveAttemptBack: boolean } {
  const { waitMs, giveAttemptBack = false } = argumentGroup(options, 'release()', ['waitMs', 'giveAttemptBack'])
  if (typeof giveAttemptBack !== 'boolean')
    throw new CheqpointError('argument-invalid', 'giveAttemptBack must be true or false')
  return { waitMs: argumentNumber(waitMs, 'waitMs', backoffMs, 0, longestTimer), giveAttemptBack }
}

/** Throws `argument-invalid`. */
export function checkPark(reason: ParkReason, paths: readonly string[]): void {
  if (!parkReasons.includes(reason))
    throw new CheqpointError('argument-invalid', `park() takes a reason: ${parkReasons.join(', ')}`)
  if (!Array.isArray(paths) || !paths.every((path) => typeof path === 'string'))
    throw new CheqpointError('argument-invalid', 'park() takes a list of JSON Pointers after the reason')
}

/** A result may be no longer than this, as JSON. */
const maxResultBytes = 16_384

/** JSON text of a result, `null` for none, `undefined` for one that cannot be kept. */
export function writeResult(value: unknown): JsonText | null | undefined {
  if (value === undefined || value === null) return null
  try {
    const text: string | undefined = JSON.stringify(value)
    if (text?.includes('{}')) JSON.stringify(value, refuseHidden)
    return text !== undefined && Buffer.byteLength(text) <= maxResultBytes ? text : undefined
  } catch {
    return undefined
  }
}

/** Throws for a Map, a Promise, an Error and the like: JSON has `{}` for them, without what they hold. */
function refuseHidden(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isPlainObject(value)) return value
  if (Object.keys(value).length === 0) throw new TypeError('JSON would lose what it holds')
  return value
}

/** The same. Throws `not-json` for a result that cannot be kept. */
export function demandResult(value: unknown): JsonText | null {
  const text = writeResult(value)
  if (text !== undefined) return text
  throw new CheqpointError('not-json', `a result must be JSON of at most ${maxResultBytes} bytes`)
}
