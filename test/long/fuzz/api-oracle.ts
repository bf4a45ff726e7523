import { isDeepStrictEqual } from 'node:util'
import { maxResponseBytes } from './api-answers.js'
import type { UpstreamAnswer } from './upstream.js'

/*
 * The meaning of a response of the API, from the documents alone: the vendor's HTTP page, and the design for everything
 * that the page does not specify.
 */

type Json = Readonly<Record<string, unknown>>

/** Allowed effects of a response. Only `runs` calls the handler. */
export type Meaning =
  | { readonly kind: 'unusable' | 'throttled' | 'key-refused' | 'undecided' }
  | { readonly kind: 'runs'; readonly decision: Expected }
  | {
      readonly kind: 'parks'
      readonly reason: 'edit-refused' | 'edit-ambiguous' | 'edit-invalid' | 'details-invalid' | 'unconfirmed'
    }

export interface Expected {
  readonly status: 'approved' | 'rejected' | 'expired'
  readonly modifiedDetails: Json | null
  readonly note: string | null
  readonly decidedAt: number | null
  /** The effect of an approval. */
  readonly details?: unknown
}

export type Policy = 'none' | 'replace' | 'merge' | 'refuse' | 'schema'

export interface Asked {
  readonly id: string
  readonly original: Json
  readonly policy: Policy
  readonly expiresAt: number
  /** By the clock of the store. */
  readonly now: number
}

export function meaningOf(answer: UpstreamAnswer, asked: Asked): Meaning {
  const { status } = answer
  if (status === 401 || status === 403) return { kind: 'key-refused' }
  if (status === 429) return { kind: 'throttled' }
  const said = status >= 200 && status <= 299 ? read(answer, asked.id) : null
  if (said === null)
    return asked.now > asked.expiresAt + day ? { kind: 'parks', reason: 'unconfirmed' } : { kind: 'unusable' }
  return judge(said, asked)
}

const day = 86_400_000

interface Said extends Omit<Expected, 'status' | 'details'> {
  readonly word: string
  /** Time of the response, by the clock of the API. */
  readonly servedAt: number | null
}

/** The response's data about this approval; `null` if it is not reliable. */
function read({ headers, chunks, end }: UpstreamAnswer, id: string): Said | null {
  const bytes = Buffer.concat(chunks)
  const { 'content-encoding': coding, 'content-length': length } = headers
  if (end !== 'whole' || bytes.length > maxResponseBytes || Number(length) > maxResponseBytes) return null
  if (coding !== undefined && String(coding).toLowerCase() !== 'identity') return null
  const text = bytes.toString()
  if (!Buffer.from(text).equals(bytes)) return null
  const body = parse(text)
  if (body === null || depthOf(text) > 64) return null
  const { id: one, approvalId: other, status, modifiedDetails = null, decisionNote = null, decidedAt } = body
  const named = [one, other].filter((each) => each !== undefined && each !== null)
  if (named.length === 0 || named.some((each) => each !== id)) return null
  if (typeof status !== 'string') return null
  if (modifiedDetails !== null && !isObject(modifiedDetails)) return null
  if (!isExact(modifiedDetails) || !isExact(decisionNote)) return null
  const note = decisionNote === null || typeof decisionNote === 'string' ? decisionNote : JSON.stringify(decisionNote)
  const servedAt = typeof headers.date === 'string' ? Date.parse(headers.date) : Number.NaN
  return {
    ...{ word: status, modifiedDetails, note, servedAt: Number.isNaN(servedAt) ? null : servedAt },
    decidedAt: typeof decidedAt === 'string' ? dateOf(decidedAt) : null,
  }
}

function judge({ word, modifiedDetails, note, decidedAt, servedAt }: Said, asked: Asked): Meaning {
  const { expiresAt, now } = asked
  // By the store's clock, and by the API's if it was sent.
  const isOver = now > expiresAt && (servedAt === null || servedAt > expiresAt)
  const known = [...statuses].find(([, spellings]) => spellings.some((each) => each === word.toLowerCase()))
  const status = known?.[0]
  if (status === undefined) {
    if (!isOver) return { kind: 'undecided' }
    return { kind: 'runs', decision: { status: 'expired', modifiedDetails: null, note: null, decidedAt: null } }
  }
  const isLate = status === 'approved' && (decidedAt === null ? isOver : decidedAt > expiresAt)
  if (status !== 'approved' || isLate)
    return { kind: 'runs', decision: { status: isLate ? 'expired' : status, modifiedDetails, note, decidedAt } }
  const effective = detailsOf(modifiedDetails, asked)
  if (typeof effective === 'string') return { kind: 'parks', reason: effective }
  return { kind: 'runs', decision: { status, modifiedDetails, note, decidedAt, details: effective.details } }
}

const statuses: ReadonlyMap<Expected['status'], readonly string[]> = new Map([
  ['approved', ['approved']],
  ['rejected', ['rejected', 'declined']],
  ['expired', ['expired', 'timed_out', 'cancelled', 'canceled']],
])

function detailsOf(
  edit: Json | null,
  { original, policy }: Asked,
): { readonly details: unknown } | Exclude<Extract<Meaning, { kind: 'parks' }>['reason'], 'unconfirmed'> {
  if (edit === null) return policy === 'schema' && !passesSchema(original) ? 'details-invalid' : { details: original }
  if (policy === 'refuse') return 'edit-refused'
  if ((policy === 'none' || policy === 'schema') && lacks(original, edit)) return 'edit-ambiguous'
  if (policy === 'schema' && !passesSchema(edit)) return 'edit-invalid'
  return { details: policy === 'merge' ? merged(original, edit) : edit }
}

/** Whether a value matches the schema of the action `schema`. */
export function passesSchema(value: unknown): boolean {
  return isObject(value) && typeof value['amount'] === 'number'
}

function lacks(original: unknown, edit: unknown): boolean {
  if (!isObject(original) || !isObject(edit)) return false
  return Object.keys(original).some((key) => !Object.hasOwn(edit, key) || lacks(original[key], edit[key]))
}

/** RFC 7396, on copies without a prototype. */
function merged(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch
  const result: Record<string, unknown> = Object.assign(Object.create(null), isObject(target) ? target : {})
  for (const key of Object.keys(patch)) {
    if (patch[key] === null) delete result[key]
    else result[key] = merged(result[key], patch[key])
  }
  return result
}

function parse(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Levels of brackets, without those in strings. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  for (const [bracket] of text.replace(/"(?:[^"\\]|\\.)*"/g, '').matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1
    deepest = Math.max(deepest, depth)
  }
  return deepest
}

/** Whether a number has no exact JavaScript value, so that the handler would get another one. */
function isExact(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value !== 'object' || value === null || Object.values(value).every(isExact)
}

/** A time in ISO 8601 with an offset, as on the vendor's page. Other forms are ambiguous. */
function dateOf(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text)) return null
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? null : ms
}

/** Equality of JSON values. Ignores prototypes, the order of keys, and the sign of zero. */
export function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(plain(a), plain(b))
}

function plain(value: unknown): unknown {
  if (value === 0) return 0
  if (Array.isArray(value)) return value.map(plain)
  if (!isObject(value)) return value
  return new Map(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, plain(each)]),
  )
}
