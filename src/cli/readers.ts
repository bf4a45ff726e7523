import type { JsonObject } from '../index.js'
import type { Valued } from './command.js'

/*
 * Parsers of option values. The message of an error names what is allowed, and follows "must be".
 */

export function text(given: string): string {
  if (given === '') throw new RangeError('a text')
  return given
}

export function headerValue(given: string): string {
  if (/^[!-~]([ -~]*[!-~])?$/.test(given)) return given
  throw new RangeError('a header value in printable ASCII')
}

/** The operand of commands for one approval. */
export const approvalId: Valued<string> & { readonly required: true } = {
  ...{ operand: true, required: true, value: 'ID', read: text, about: 'approval id' },
}

export function whole(least: number, most: number): (given: string) => number {
  return (given) => {
    const value = Number(given)
    if (/^\d+$/.test(given) && value >= least && value <= most) return value
    throw new RangeError(`a whole number from ${least} to ${most}`)
  }
}

export function jsonObject(given: string): JsonObject {
  try {
    const value: unknown = JSON.parse(given)
    // JSON.parse returns only JSON values.
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  } catch {
    // Not JSON.
  }
  throw new RangeError(`a JSON object, such as '{"amount":90}'`)
}

export function urlOf(example: string, ...protocols: readonly string[]): (given: string) => URL {
  return (given) => {
    const url = URL.canParse(given) ? new URL(given) : null
    if (url !== null && url.hostname !== '' && protocols.includes(url.protocol)) return url
    throw new RangeError(`a URL such as ${example}`)
  }
}

export const httpUrl: (given: string) => URL = urlOf('https://app.example.com/path', 'http:', 'https:')
