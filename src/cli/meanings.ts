import type { Outcome } from '../index.js'
import { wordOf } from './callback.js'
import type { Answered } from './exchange.js'

/** What each response of a receiver means to the sender of a callback. `!`: something is wrong there. */
const meanings: Readonly<Record<Outcome['kind'], string>> = {
  handled: 'The API had decided, and the handler ran with what the API says, now or before. All is well.',
  completed: 'The handler ran before, and did not run again. All is well.',
  'edit-refused': "Confirmed, but the reviewer's edit must not run: a person has to decide (see: parked).",
  parked: 'It is parked and waits for a person (see: parked). Nothing ran now.',
  running: 'The decision is confirmed, and the handler is running. All is well.',
  'in-progress': 'Another delivery for this approval is in progress, so nothing was done twice. All is well.',
  'over-budget': 'More callbacks than may be confirmed per second; the sweep polls soon. Worry only if it lasts.',
  'no-free-slot':
    'Every slot for polls or handlers is taken; the sweep goes on when one is free. Worry only if it lasts.',
  'too-soon': 'The API was asked about this a moment ago, and is asked again after the minimum interval. All is well.',
  'awaiting-id': 'The token is valid, and its submission has no id yet; the submission settles it. All is well.',
  undecided: 'The API was asked and has not decided, so nothing ran: an early callback, or a forged one. All is well.',
  'api-failed': '!The API does not know the id, or failed, so nothing ran. It is asked again later.',
  'api-throttled': '!The API asks the receiver to slow down, so nothing ran. It is asked again later.',
  'api-key-refused': "!The API refuses the receiver's key, so nothing ran. Give it a valid one (see: doctor).",
  'assistant-unknown': '!The receiver has no key for this assistant, so nothing ran. Add it to apiKeys.',
  'no-handler': '!The receiver has no handler for this action, so nothing ran. Add one.',
  'handler-failed': '!Confirmed, and the handler threw; it runs again after a pause. See the log of the receiver.',
  'unknown-approval': 'The receiver follows no such approval: no API call, and nothing ran. Right for a stranger.',
  'token-refused': 'No valid token for this approval in the URL: no API call, and nothing ran. Right for a stranger.',
  'agent-refused': 'The receiver does not accept this User-Agent, and read no further. Right for a stranger.',
  malformed: 'The body is no callback, or the id cannot be one. Nothing ran. Right for a stranger.',
  'body-aborted': '!The body did not arrive as announced, so nothing ran. Check proxies that cut bodies.',
  'method-not-allowed': 'Only POST is accepted. Nothing ran.',
  'body-too-large': 'The body is larger than the receiver reads. Nothing ran.',
  'body-too-slow': '!The body came too slowly, so nothing ran. Check for a slow proxy.',
  'media-type-refused': 'The body is not plain JSON. Nothing ran.',
  'body-already-read': '!Something read the body before the receiver and left nothing. Mount the receiver before it.',
  'store-unavailable': "!The receiver's store does not answer, so nothing ran (see: doctor).",
  closing: '!The receiver is shutting down, so nothing ran. Try again when it is back.',
  overloaded: '!The receiver has as many callbacks in flight as it accepts, so nothing ran. Try again later.',
}

export interface Meaning {
  /** `null` where the response is none of this library. */
  readonly word: string | null
  readonly meaning: string
  /** Something is wrong at the receiver, whatever the callback was. */
  readonly worry: boolean
}

/** What a response means, wherever it comes from. */
export function meaningOf(answer: Answered): Meaning {
  const word = wordOf(answer)
  const known = new Map(Object.entries(meanings)).get(word ?? '') ?? (word === null ? stranger(answer.status) : newer)
  return { word, meaning: known.replace(/^!/, ''), worry: known.startsWith('!') }
}

const newer = '!This command line does not know the word: the receiver runs another version of the library.'

function stranger(status: number): string {
  if (status >= 400)
    return '!Refused before it reached a receiver. Check the path, and what stands before the receiver.'
  if (status >= 300) return '!A redirect, which no sender must follow. Give Cheqpoint the URL it leads to.'
  return '!No receiver of this library answered. Check the path, and what stands before the receiver.'
}
