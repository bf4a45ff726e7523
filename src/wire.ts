import { isUtf8 } from 'node:buffer'
import { z } from 'zod'
import { type DecisionStatus, type JsonObject, readStatus } from './decision.js'
import { isJsonObject } from './record.js'

/*
 * What Cheqpoint sends, in every spelling that its pages show; past this file there is one. Unknown fields are
 * tolerated, unknown values decide nothing. Objects that people wrote are passed on untouched: a schema that rebuilt
 * them would drop keys such as `__proto__`.
 */

/** What a callback claims. Only the id is used to act; the rest is compared with the API's answer and reported. */
export interface CallbackClaim {
  readonly id: string
  /** `undefined` where the callback says nothing of it. */
  readonly status: string | undefined
  readonly modifiedDetails: unknown
  readonly note: unknown
}

/** An answer of the API about one request. */
export interface WireAnswer {
  /** `null` where the answer names none, as some inline answers do. */
  readonly id: string | null
  readonly status: DecisionStatus | 'pending' | 'unknown'
  /** The status word as it was written. */
  readonly word: string
  readonly modifiedDetails: JsonObject | null
  readonly note: string | null
  readonly decidedAt: string | null
  readonly reviewUrl: string | null
}

/** Deeper than this, an answer is unreadable: serializers recurse, and a decision must be stored. */
export const maxDepth = 64

const ids = { id: z.string().nullish(), approvalId: z.string().nullish() }

const callbackSchema = z.object({
  ...ids,
  status: z.string().optional(),
  modifiedDetails: z.unknown().optional(),
  decisionNote: z.unknown().optional(),
})

const answerSchema = z.object({
  ...ids,
  status: z.string(),
  // Another type than an object is no edit that anyone documented: the whole answer is unreadable then.
  modifiedDetails: z.custom<JsonObject>(isJsonObject).nullish(),
  decisionNote: z.unknown().optional(),
  decidedAt: z.unknown().optional(),
  reviewUrl: z.unknown().optional(),
})

/** Reads the body of a callback, or `null` where it has not the shape of one. */
export function parseCallback(value: unknown): CallbackClaim | null {
  const parsed = callbackSchema.safeParse(value)
  if (!parsed.success) return null
  const id = oneId(parsed.data)
  if (typeof id !== 'string') return null
  return {
    id,
    status: parsed.data.status,
    modifiedDetails: parsed.data.modifiedDetails,
    note: parsed.data.decisionNote,
  }
}

/** Reads an answer to GET or to either submission, or `null` where it cannot be understood. */
export function parseAnswer(value: unknown): WireAnswer | null {
  const parsed = answerSchema.safeParse(value)
  if (!parsed.success) return null
  const id = oneId(parsed.data)
  if (id === undefined) return null
  const { status: word, modifiedDetails, decisionNote, decidedAt, reviewUrl } = parsed.data
  if (!isStorable(modifiedDetails) || !isStorable(decisionNote)) return null
  return {
    id,
    status: readStatus(word),
    word,
    modifiedDetails: modifiedDetails ?? null,
    note: readNote(decisionNote),
    decidedAt: typeof decidedAt === 'string' ? decidedAt : null,
    reviewUrl: typeof reviewUrl === 'string' ? reviewUrl : null,
  }
}

/** Bytes as text, or `null` where they are no UTF-8: decoding puts other characters for the broken ones, and nobody would notice. */
export function readUtf8(bytes: Uint8Array): string | null {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString() : null
}

/** Parses JSON of at most {@link maxDepth} levels. Throws `SyntaxError` on anything else. */
export function parseJson(text: string): unknown {
  // Most answers have not even as many brackets as there may be levels.
  if (!hasMore(text, maxDepth)) return JSON.parse(text)
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === 0x5c) at++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > maxDepth) throw new SyntaxError(`JSON nested deeper than ${maxDepth} levels`)
    } else if (code === 0x7d || code === 0x5d) depth--
  }
  return JSON.parse(text)
}

/** Whether a text has more opening brackets than so many, wherever they stand. */
function hasMore(text: string, most: number): boolean {
  let left = most
  for (const bracket of ['{', '[']) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) if (--left < 0) return true
  }
  return false
}

/** What the parser of dates would take for more than a date is none: to it '1' is a year, and noon is noon by our zone. */
const isoDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/

/** A date that the API wrote, or `null` where it is none: ISO 8601 with its offset, which alone names one moment. */
export function readDate(text: string | null): Date | null {
  if (text === null || !isoDate.test(text)) return null
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? null : date
}

/** Names of the fields in which a callback contradicts the API. A field that it leaves out contradicts nothing. */
export function contradictions(
  claim: CallbackClaim,
  truth: { readonly status: string; readonly modifiedDetails: JsonObject | null; readonly note: string | null },
): readonly string[] {
  const fields: string[] = []
  if (claim.status !== undefined && readStatus(claim.status) !== truth.status) fields.push('status')
  if (claim.modifiedDetails !== undefined && !sameJson(claim.modifiedDetails, truth.modifiedDetails)) {
    fields.push('modifiedDetails')
  }
  if (claim.note !== undefined && claim.note !== truth.note) fields.push('decisionNote')
  return fields
}

/** The id, `null` where there is none, `undefined` where two names for it disagree. */
function oneId({ id, approvalId }: z.infer<z.ZodObject<typeof ids>>): string | null | undefined {
  const named = approvalId ?? id ?? null
  return (id ?? named) === named ? named : undefined
}

/** Whether no number in it was too large for JavaScript: such a one would be kept as `null`, which nobody said. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value !== 'object' || value === null || Object.values(value).every(isStorable)
}

/** A note is text; whatever else stands there is kept as JSON, because conditions may live only there. */
function readNote(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Equality of JSON values, whatever the order of their keys. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => {
    // Both are objects here; arrays are compared by index.
    const left = a as Record<string, unknown>
    const right = b as Record<string, unknown>
    return Object.hasOwn(right, key) && sameJson(left[key], right[key])
  })
}
