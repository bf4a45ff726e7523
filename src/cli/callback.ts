import type { JsonObject } from '../index.js'
import type { Answered, Sent } from './exchange.js'

/** The User-Agent of Cheqpoint's callbacks. Any sender can forge it. */
export const genuineAgent = 'Cheqpoint-Callback/1.0'

/** The body of a callback. */
export interface Claimed {
  readonly approvalId: string
  readonly status: string
  readonly modifiedDetails: JsonObject | null
  readonly decisionNote: string | null
}

/** Creates a callback in the documented form; `change` overrides headers. */
export function callback(body: Claimed | Buffer | string, change: Readonly<Record<string, string>> = {}): Sent {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const headers = { 'content-type': 'application/json', 'user-agent': genuineAgent, ...change }
  return { method: 'POST', headers, body: bytes }
}

/** Returns the outcome in a receiver's response; `null` if the response is not from this library. */
export function wordOf({ status, body, headers }: Pick<Answered, 'status' | 'body' | 'headers'>): string | null {
  const type = status < 300 ? 'application/json' : 'application/problem+json'
  if (!String(headers['content-type']).startsWith(type)) return null
  try {
    const { result, code }: { readonly result?: unknown; readonly code?: unknown } = JSON.parse(body)
    const word = status < 300 ? result : code
    return typeof word === 'string' ? word : null
  } catch {
    return null
  }
}
