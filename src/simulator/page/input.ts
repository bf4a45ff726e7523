import { CheqpointError } from '../../model/errors.js'
import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.js'
import { type Faults, noFaults } from '../faults.js'
import type { DecisionInput } from '../requests.js'

const day = 86_400_000

/** Maximum values, so that a typing error does not hang the process. */
const most: Readonly<Record<string, number>> = {
  duplicate: 100,
  retries: 100,
  staleReads: 10_000,
  delayMs: day,
  retryDelayMs: day,
  slowMs: day,
  staleMs: day,
}

/** Reads a text field. Throws if it is not text. */
export function readText(body: JsonObject, name: string): string {
  const value = body[name]
  if (typeof value !== 'string') throw refused(`${name} must be text`)
  return value
}

/** Reads the fields of a decision. The simulator checks the status and the id. */
export function readDecision(body: JsonObject): DecisionInput {
  const { note = null, modifiedDetails = null } = body
  if (note !== null && typeof note !== 'string') throw refused('note must be text or null')
  if (modifiedDetails !== null && !isJsonObject(modifiedDetails))
    throw refused('modifiedDetails must be an object or null')
  return { status: readText(body, 'status'), note, modifiedDetails }
}

/** Sets the named faults, or none if one is invalid. */
export function setFaults(faults: Faults, body: JsonObject): void {
  const samples: Readonly<Record<string, unknown>> = { ...noFaults() }
  for (const [name, value] of Object.entries(body)) {
    const good =
      name === 'api'
        ? value === null || isApiFault(value)
        : Object.hasOwn(most, name)
          ? isCount(value, 0, most[name])
          : Object.hasOwn(samples, name) && typeof value === typeof samples[name]
    if (!good) throw refused(`${name} is not a fault, or out of range`)
  }
  Object.assign(faults, body)
}

function isApiFault(value: JsonValue): boolean {
  if (!isJsonObject(value)) return false
  const { status, retryAfter = '', count = 1, rate = 1, ...unknown } = value
  return (
    Object.keys(unknown).length === 0 &&
    isCount(status, 200, 599) &&
    // Responses with these statuses have no body.
    ![204, 205, 304].includes(Number(status)) &&
    /^[\x20-\x7e]*$/.test(String(retryAfter)) &&
    isCount(count, 1, 1_000_000) &&
    typeof rate === 'number' &&
    rate >= 0 &&
    rate <= 1
  )
}

function isCount(value: unknown, least: number, top = 0): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= top
}

function refused(message: string): CheqpointError {
  return new CheqpointError('argument-invalid', message)
}
