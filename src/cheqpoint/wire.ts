import { z } from 'zod'
import { type DecisionStatus, readStatus } from '../model/decision.js'
import { isJsonObject, type JsonObject, sameJson } from '../util/json.js'

/*
 * What Cheqpoint sends, in every spelling that its pages show; past this file there is one. Unknown fields are
 * tolerated, unknown values decide nothing. Objects that people wrote are passed on untouched: a schema that rebuilt
 * them would drop keys such as `__proto__`.
 */

/** What a callback claims. Only the id is used to act; the rest is compared with the API's answer and reported. */
export interface CallbackPayload {
  readonly id: string
  /** `undefined` where the callback says nothing of it. */
  readonly status: string | undefined
  readonly modifiedDetails: unknown
  readonly note: unknown
}

/** An answer of the API about one request. */
export interface ApiApproval {
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
export function parseCallback(value: unknown): CallbackPayload | null {
  const { data } = callbackSchema.safeParse(value)
  const id = data === undefined ? null : oneId(data)
  if (data === undefined || typeof id !== 'string') return null
  return { id, status: data.status, modifiedDetails: data.modifiedDetails, note: data.decisionNote }
}

/** Reads an answer to GET or to either submission, or `null` where it cannot be understood. */
export function parseApproval(value: unknown): ApiApproval | null {
  const { data } = answerSchema.safeParse(value)
  const id = data === undefined ? undefined : oneId(data)
  if (data === undefined || id === undefined) return null
  const { status: word, modifiedDetails, decisionNote, decidedAt, reviewUrl } = data
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

/** Names of the fields in which a callback contradicts the API. A field that it leaves out contradicts nothing. */
export function contradictions(
  claim: CallbackPayload,
  confirmed: { readonly status: string; readonly modifiedDetails: JsonObject | null; readonly note: string | null },
): readonly string[] {
  const fields: string[] = []
  if (claim.status !== undefined && readStatus(claim.status) !== confirmed.status) fields.push('status')
  if (claim.modifiedDetails !== undefined && !sameJson(claim.modifiedDetails, confirmed.modifiedDetails)) {
    fields.push('modifiedDetails')
  }
  if (claim.note !== undefined && claim.note !== confirmed.note) fields.push('decisionNote')
  return fields
}

/** The id, `null` where there is none, `undefined` where two names for it disagree. */
function oneId({ id, approvalId }: z.infer<z.ZodObject<typeof ids>>): string | null | undefined {
  const named = approvalId ?? id ?? null
  return (id ?? named) === named ? named : undefined
}

/** Whether no number in it was too large for JavaScript: such a number would become `null`. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value !== 'object' || value === null || Object.values(value).every(isStorable)
}

/** A note is text; whatever else stands there is kept as JSON, because conditions may live only there. */
function readNote(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
