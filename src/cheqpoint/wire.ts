import { z } from 'zod'
import { type DecisionStatus, readStatus } from '../model/decision.js'
import { isJsonObject, type JsonObject, sameJson } from '../util/json.js'

/*
 * Parses what Cheqpoint sends, in every spelling that its docs show. Unknown fields are tolerated, unknown values
 * decide nothing. Objects that people wrote are passed on unchanged: a schema that copies them would drop keys such as
 * `__proto__`.
 */

/** What a callback claims. Only the id is acted on; the rest is compared with the response of the API and reported. */
export interface CallbackPayload {
  readonly id: string
  /** `undefined` if the callback has none. */
  readonly status: string | undefined
  readonly modifiedDetails: unknown
  readonly note: unknown
}

/** A response of the API about one request. */
export interface ApiApproval {
  /** `null` if the response has none, as some inline responses do. */
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
  // An edit of another type is undocumented, and makes the response unreadable.
  modifiedDetails: z.custom<JsonObject>(isJsonObject).nullish(),
  decisionNote: z.unknown().optional(),
  decidedAt: z.unknown().optional(),
  reviewUrl: z.unknown().optional(),
})

/** Parses the body of a callback; `null` if it has another shape. */
export function parseCallback(value: unknown): CallbackPayload | null {
  const { data } = callbackSchema.safeParse(value)
  const id = data === undefined ? null : oneId(data)
  if (data === undefined || typeof id !== 'string') return null
  return { id, status: data.status, modifiedDetails: data.modifiedDetails, note: data.decisionNote }
}

/** Parses the response to a GET or a submission; `null` if it has another shape. */
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

/** Names of the fields in which a callback contradicts the API. A missing field contradicts nothing. */
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

/** The id; `null` if there is none, `undefined` if its two names disagree. */
function oneId({ id, approvalId }: z.infer<z.ZodObject<typeof ids>>): string | null | undefined {
  const named = approvalId ?? id ?? null
  return (id ?? named) === named ? named : undefined
}

/** Whether no number in it is too large for JavaScript: such a number would be stored as `null`. */
function isStorable(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value !== 'object' || value === null || Object.values(value).every(isStorable)
}

/** A note is text. Any other value is kept as JSON, because it may contain a condition. */
function readNote(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
