import type { TrackedRequest } from '../approvals/entry.js'
import { CheqpointError } from '../model/errors.js'
import { writeJson } from '../model/plain-json.js'
import { readExpiry } from '../options/expiry.js'
import type { Names } from '../options/option-checks.js'

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
  /** Whether `expiresAt` may be past. Default `false`. */
  readonly mayBePast?: boolean | undefined
  readonly maxDetailsBytes: number
  /** The trace that the request belongs to. */
  readonly trace?: string | undefined
}

/**
 * A request as it is kept. Throws `argument-invalid`, `not-json`, `details-too-large` or `assistant-unknown`, with what
 * is wrong.
 */
export function writeRequest(
  tracked: Tracked,
  { assistants, now, expiresAfterMs, mayBePast, maxDetailsBytes, trace }: RequestLimits,
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
  const earliest = mayBePast ? Number.NEGATIVE_INFINITY : now
  const expiry = expiresAt === undefined ? now + expiresAfterMs : readExpiry(expiresAt, earliest)
  const expires = { expiresAt: expiry, expiresAfterMs: expiry - now }
  const request = { ref: ref ?? null, action, assistant: assistant ?? null, ...kept, ...expires }
  return trace === undefined ? request : { ...request, trace }
}

function argument(name: string, allowed: string): CheqpointError {
  return new CheqpointError('argument-invalid', `${name} must be ${allowed}`)
}
