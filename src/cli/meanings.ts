import type { Outcome } from '../index.js'
import { wordOf } from './callback.js'
import type { Answered } from './exchange.js'

/** The meaning of each response to the sender of a callback. `!` marks a problem at the receiver. */
const meanings: Readonly<Record<Outcome['kind'], string>> = {
  handled: 'The API confirmed a decision, and its handler ran, now or before. All is well.',
  completed: 'The handler ran before, and did not run again. All is well.',
  'edit-refused': "Confirmed, but the reviewer's edit must not run: a person has to decide (see: parked).",
  parked: 'It is parked and waits for a person (see: parked). Nothing ran now.',
  running: 'The decision is confirmed, and the handler is running. All is well.',
  'in-progress': 'Another delivery for this approval is in progress, so nothing was done twice. All is well.',
  'over-budget': 'Over the budget of confirmations per second; the sweep polls soon. Act only if this lasts.',
  'no-free-slot':
    'All slots for polls or handlers are in use; the sweep continues when one is free. Act only if this lasts.',
  'too-soon': 'The API was polled a moment ago, and is polled again after the minimum interval. All is well.',
  'awaiting-id': 'The token is valid, but its submission has no id yet; the submission completes this. All is well.',
  undecided: 'The request is not decided yet, so nothing ran: the callback is early or forged. All is well.',
  'api-failed': '!The API does not know the id, or failed, so nothing ran. It is polled again later.',
  'api-throttled': '!The API asks the receiver to slow down, so nothing ran. It is polled again later.',
  'api-key-refused': "!The API refuses the receiver's key, so nothing ran. Give it a valid one (see: doctor).",
  'assistant-unknown': '!The receiver has no key for this assistant, so nothing ran. Add it to apiKeys.',
  'no-handler': '!The receiver has no handler for this action, so nothing ran. Add one.',
  'handler-failed': '!Confirmed, and the handler threw; it runs again after a pause. See the log of the receiver.',
  'unknown-approval':
    'The receiver tracks no such approval: no API call, and nothing ran. Correct for a forged callback.',
  'token-refused':
    'The URL has no valid token for this approval: no API call, and nothing ran. Correct for a forged callback.',
  'agent-refused': 'The receiver does not accept this User-Agent, and read no further. Correct for a forged callback.',
  malformed: 'The body is not a callback, or its id is invalid. Nothing ran. Correct for a forged callback.',
  'body-aborted': '!The body did not arrive as announced, so nothing ran. Check proxies that cut bodies.',
  'method-not-allowed': 'Only POST is accepted. Nothing ran.',
  'body-too-large': 'The body is larger than the receiver reads. Nothing ran.',
  'body-too-slow': '!The body came too slowly, so nothing ran. Check for a slow proxy.',
  'media-type-refused': 'The body is not plain JSON. Nothing ran.',
  'body-already-read': '!Other middleware read the body and did not keep it. Mount the receiver before it.',
  'store-unavailable': "!The receiver's store does not answer, so nothing ran (see: doctor).",
  closing: '!The receiver is shutting down, so nothing ran. Try again when it is back.',
  overloaded: '!The receiver has as many callbacks in flight as it accepts, so nothing ran. Try again later.',
}

export interface Meaning {
  /** `null` if the response is not from this library. */
  readonly word: string | null
  readonly meaning: string
  /** The receiver has a problem, independent of the callback. */
  readonly worry: boolean
}

/** Explains any response. */
export function meaningOf(answer: Answered): Meaning {
  const word = wordOf(answer)
  const known = new Map(Object.entries(meanings)).get(word ?? '') ?? (word === null ? stranger(answer.status) : newer)
  return { word, meaning: known.replace(/^!/, ''), worry: known.startsWith('!') }
}

const newer = '!Unknown result: the receiver runs another version of the library.'

function stranger(status: number): string {
  if (status >= 400)
    return '!Refused before it reached a receiver. Check the path, and the proxies before the receiver.'
  if (status >= 300) return '!A redirect, which senders do not follow. Give Cheqpoint its target URL.'
  return '!No receiver of this library answered. Check the path, and the proxies before the receiver.'
}
