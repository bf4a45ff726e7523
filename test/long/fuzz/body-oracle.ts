import { isDeepStrictEqual } from 'node:util'
import { maxBodyBytes, type SentBody } from './bodies.js'

/** The content of a callback, by the documents alone: an object with an id, and perhaps a status word. */
export type Reading =
  | { readonly kind: 'malformed' | 'too-large' }
  | { readonly kind: 'claim'; readonly id: string; readonly fields: Readonly<Record<string, unknown>> }

/** A body as the host passes it on: a parser that passes on text or a value has checked length and encoding. */
export function readSent({ bytes, form }: SentBody): Reading {
  const text = Buffer.from(bytes).toString()
  const measured = form === 'text' ? Buffer.byteLength(text) : bytes.length
  if (measured > maxBodyBytes && form !== 'value') return { kind: 'too-large' }
  const isText = form === 'text' || form === 'value' || Buffer.from(text).equals(bytes)
  return isText ? readValue(parsed(text)) : { kind: 'malformed' }
}

/** The parsed value, if it is JSON. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function readValue(value: unknown): Reading {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { kind: 'malformed' }
  const fields = Object.fromEntries(Object.entries(value))
  const { approvalId, id, status } = fields
  const ids = [approvalId, id].filter((each) => each !== undefined && each !== null)
  const [first] = ids
  if (typeof first !== 'string' || ids.some((each) => each !== first)) return { kind: 'malformed' }
  if (status !== undefined && typeof status !== 'string') return { kind: 'malformed' }
  if (first.length > 128 || [...first].some((character) => !alphabet.includes(character)) || first === '')
    return { kind: 'malformed' }
  return { kind: 'claim', id: first, fields }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'

export interface Truth {
  readonly status: 'approved' | 'rejected'
  readonly modifiedDetails: object | null
  readonly decisionNote: string | null
}

/** Names of the fields in which a claim differs from the API. */
export function liesIn(fields: Readonly<Record<string, unknown>>, truth: Truth): readonly string[] {
  const { status, modifiedDetails, decisionNote } = fields
  const said = typeof status === 'string' ? (meaningOf[status.toLowerCase()] ?? status) : undefined
  return [
    ...(said === undefined || said === truth.status ? [] : ['status']),
    ...(modifiedDetails === undefined || isDeepStrictEqual(modifiedDetails, truth.modifiedDetails)
      ? []
      : ['modifiedDetails']),
    ...(decisionNote === undefined || decisionNote === truth.decisionNote ? [] : ['decisionNote']),
  ]
}

// No prototype: a status word may be `constructor`.
const meaningOf: Readonly<Record<string, string>> = Object.assign(Object.create(null), {
  approved: 'approved',
  rejected: 'rejected',
  declined: 'rejected',
})
