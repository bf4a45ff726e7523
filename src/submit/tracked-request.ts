import { types } from 'node:util'
import type { TrackedRequest } from '../approvals/entry.js'
import { CheqpointError } from '../model/errors.js'
import type { Names } from '../options/option-checks.js'
import { isPlainObject, type JsonText, maxDepth } from '../util/json.js'

/** A request that was submitted elsewhere. */
export interface Tracked {
  readonly action: string
  /** As submitted. Plain JSON. */
  readonly details: unknown
  /** Returned with the decision. Plain JSON; default `null`. */
  readonly context?: unknown
  /** An approval that is given later is `expired`. Default: `expiresAfterMs` from now. */
  readonly expiresAt?: Date | undefined
  /** Required with `apiKeys`. */
  readonly assistant?: string | undefined
  /** The reference that the callback URL was made with. */
  readonly ref?: string | undefined
}

export const trackedNames: Names<Tracked> = ['action', 'details', 'context', 'expiresAt', 'assistant', 'ref']

export interface RequestLimits {
  readonly assistants: ReadonlySet<string> | null
  /** The wall clock now. */
  readonly now: number
  readonly expiresAfterMs: number
  readonly maxDetailsBytes: number
  /** The trace that the request belongs to. */
  readonly trace?: string | undefined
}

/** JSON text of a value. Throws `not-json`, with the first place that JSON would lose or change. */
export function writeJson(value: unknown, name: string): JsonText {
  const fault = findFault(value, name, new Set())
  if (fault !== null) throw new CheqpointError('not-json', fault)
  return JSON.stringify(value)
}

/**
 * A request as it is kept. Throws `argument-invalid`, `not-json`, `details-too-large` or `assistant-unknown`, with what
 * is wrong.
 */
export function writeRequest(
  tracked: Tracked,
  { assistants, now, expiresAfterMs, maxDetailsBytes, trace }: RequestLimits,
): TrackedRequest {
  const { action, details, context = null, expiresAt, assistant, ref } = tracked
  if (typeof action !== 'string' || action === '') throw argument('action', 'a text that is not empty')
  if (typeof details !== 'object' || details === null || Array.isArray(details)) throw argument('details', 'an object')
  if (ref !== undefined && (typeof ref !== 'string' || !/^[\w-]{1,64}$/.test(ref)))
    throw argument('ref', 'the reference that callbackUrl() returned')
  if (assistants === null && assistant !== undefined) throw argument('assistant', 'left out without apiKeys')
  if (assistants !== null && assistant === undefined)
    throw argument('assistant', `one of ${[...assistants].join(', ')}`)
  if (assistant !== undefined && assistants?.has(assistant) === false)
    throw new CheqpointError('assistant-unknown', `no key is configured for assistant '${assistant}'`)
  const kept = { details: writeJson(details, 'details'), context: writeJson(context, 'context') }
  const bytes = Buffer.byteLength(kept.details) + Buffer.byteLength(kept.context)
  if (bytes > maxDetailsBytes) {
    const fix = 'keep large data elsewhere and pass its id, or raise maxDetailsBytes'
    const found = `details and context are ${bytes} bytes of JSON, ${maxDetailsBytes} are allowed`
    throw new CheqpointError('details-too-large', `${found}; ${fix}`)
  }
  const expiry =
    expiresAt === undefined ? now + expiresAfterMs : types.isDate(expiresAt) ? expiresAt.getTime() : Number.NaN
  if (Number.isNaN(expiry)) throw argument('expiresAt', 'a valid Date')
  if (expiry <= now) throw argument('expiresAt', 'in the future; a Date takes milliseconds, not seconds')
  const expires = { expiresAt: expiry, expiresAfterMs: expiry - now }
  const request = { ref: ref ?? null, action, assistant: assistant ?? null, ...kept, ...expires }
  return trace === undefined ? request : { ...request, trace }
}

function argument(name: string, allowed: string): CheqpointError {
  return new CheqpointError('argument-invalid', `${name} must be ${allowed}`)
}

/** What JSON would lose or change, in words, or `null`. */
function findFault(value: unknown, at: string, above: Set<object>): string | null {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return null
  if (typeof value === 'number') return Number.isFinite(value) ? null : `${at} is a number that JSON does not have`
  if (typeof value !== 'object') return `${at} is of type ${typeof value}, which JSON does not have`
  if (above.has(value)) return `${at} contains itself`
  if (above.size >= maxDepth) return `${at} is nested deeper than ${maxDepth} levels`
  if (!Array.isArray(value) && !isPlainObject(value)) return `${at} is not a plain object`
  above.add(value)
  // The entries of a list include its holes, which JSON would fill.
  for (const [key, each] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
    // JSON leaves out a property that is undefined, which changes nothing.
    const fault = each === undefined && !Array.isArray(value) ? null : findFault(each, `${at}.${key}`, above)
    if (fault !== null) return fault
  }
  above.delete(value)
  return null
}
