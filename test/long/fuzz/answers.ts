import assert from 'node:assert/strict'
import type { CallbackResponse } from '../../../src/index.js'

/*
 * A copy of the documented table of responses: every word, its status with and without a sweep, and its title.
 */
const taken: readonly (readonly [status: number, result: string])[] = [
  [200, 'handled'],
  [200, 'edit-refused'],
  [202, 'parked'],
  [202, 'running'],
  [202, 'in-progress'],
  [202, 'too-soon'],
  [202, 'awaiting-id'],
  [202, 'undecided'],
  [202, 'over-budget'],
  [202, 'api-failed'],
  [202, 'api-throttled'],
  [202, 'api-key-refused'],
  [202, 'assistant-unknown'],
  [202, 'no-handler'],
  [202, 'handler-failed'],
  [202, 'no-free-slot'],
]

const refused: readonly (readonly [status: number, code: string, title: string])[] = [
  [400, 'malformed', 'Malformed callback'],
  [400, 'body-aborted', 'The body did not arrive'],
  [401, 'token-refused', 'The callback URL has no valid token'],
  [403, 'agent-refused', 'Not a Cheqpoint callback'],
  [404, 'unknown-approval', 'Unknown approval'],
  [405, 'method-not-allowed', 'Method not allowed'],
  [408, 'body-too-slow', 'The body came too slowly'],
  [413, 'body-too-large', 'The body is too large'],
  [415, 'media-type-refused', 'Not plain JSON'],
  [500, 'body-already-read', 'The body was read by something else'],
  [503, 'store-unavailable', 'Try again later'],
  [503, 'closing', 'Try again later'],
  [503, 'overloaded', 'Try again later'],
]

const alone: readonly (readonly [status: number, code: string, title: string])[] = [
  [409, 'in-progress', 'Another delivery is at work'],
  [409, 'too-soon', 'Asked a moment ago'],
  [409, 'awaiting-id', 'The submission has no id yet'],
  [409, 'undecided', 'Not decided yet'],
  [429, 'over-budget', 'Too many requests to confirm'],
  [500, 'api-key-refused', 'The receiver is not set up for this request'],
  [500, 'assistant-unknown', 'The receiver is not set up for this request'],
  [500, 'no-handler', 'The receiver is not set up for this request'],
  [500, 'handler-failed', 'The handler failed'],
  [502, 'api-failed', 'The decision could not be confirmed'],
  [503, 'api-throttled', 'The decision could not be confirmed yet'],
  [503, 'no-free-slot', 'No place is free'],
]

/** Bodies by the meaning of a response: `200 handled`, `404 unknown-approval`. */
const bodies = new Map<string, string>([
  ...taken.map(([status, result]) => [`${status} ${result}`, `{"result":"${result}"}`] as const),
  ...[...refused, ...alone].map(
    ([status, code, title]) =>
      [`${status} ${code}`, `{"type":"about:blank","title":"${title}","status":${status},"code":"${code}"}`] as const,
  ),
])
const meanings: ReadonlyMap<string, string> = new Map([...bodies].map(([meaning, body]) => [body, meaning]))

const fixedHeaders = new Map([
  ['cache-control', /^no-store$/],
  ['x-content-type-options', /^nosniff$/],
  ['content-type', /^application\/(problem\+)?json$/],
  ['allow', /^POST$/],
  ['connection', /^close$/],
  ['retry-after', /^[1-9]\d*$/],
])

/**
 * The meaning of a response, as status and word. Throws if the response is not byte for byte in the table, so that it
 * cannot contain data of the request.
 */
export function readAnswer({ status, headers, body }: CallbackResponse): string {
  const meaning = meanings.get(body) ?? ''
  assert.ok(meaning.startsWith(`${status} `), `no answer of the table: ${status} ${body}`)
  for (const [name, value] of Object.entries(headers)) {
    assert.match(value, fixedHeaders.get(name) ?? /^no such header$/, `a header that the table does not have: ${name}`)
  }
  return meaning
}
