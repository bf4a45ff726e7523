import { closest } from '../util/closest.js'
import { type Command, command, type Report, type Valued } from './command.js'
import { changeReport } from './entries.js'
import { exchange } from './exchange.js'
import { CliError } from './failure.js'
import { approvalId, httpUrl, jsonObject, text } from './readers.js'
import { shownUrl, type Terminal } from './terminal.js'

const note: Valued<string> = { value: 'TEXT', read: text, otherwise: 'no note', about: "the reviewer's note" }
const url = {
  value: 'URL',
  read: httpUrl,
  default: 'http://127.0.0.1:4010',
  about: 'address of the simulator',
} as const
const notes =
  'It does what the page of the simulator does, and works only on the machine of the simulator. The first decision stands.'

export const approve: Command = command({
  name: 'approve',
  summary: 'approve a request of a running simulator',
  notes,
  examples: ['req_abc123', `req_abc123 --note Less --modified '{"amount":90}'`],
  options: {
    id: approvalId,
    note,
    modified: { value: 'JSON', read: jsonObject, otherwise: 'no edit', about: 'the edited details, all of them' },
    url,
  },
  run: (given, terminal) => decide({ ...given, status: 'approved' }, terminal),
})

export const reject: Command = command({
  name: 'reject',
  summary: 'reject a request of a running simulator',
  notes,
  examples: ['req_abc123', 'req_abc123 --url http://127.0.0.1:4010'],
  options: { id: approvalId, note, url },
  run: (given, terminal) => decide({ ...given, status: 'rejected' }, terminal),
})

interface Wanted {
  readonly id: string
  readonly status: 'approved' | 'rejected'
  readonly note: string | undefined
  readonly modified?: object | undefined
  readonly url: URL
}

async function decide({ id, status, note, modified, url }: Wanted, terminal: Terminal): Promise<Report> {
  const body = JSON.stringify({ id, status, note: note ?? null, modifiedDetails: modified ?? null })
  const headers = { 'content-type': 'application/json' }
  const answer = await exchange(new URL('/ui/decide', url), { method: 'POST', headers, body: Buffer.from(body) })
  const { error, callbackUrl, inline, waiting, ...said } = objectOf(answer.body)
  if (said['id'] === id && answer.status === 200) {
    return changeReport({ approvalId: id }, status, callbackOf(callbackUrl, inline === true), true, terminal)
  }
  if (said['id'] === id && answer.status === 404 && Array.isArray(waiting)) throw unknown(id, url, waiting.map(String))
  if (answer.status === 409 && typeof error === 'string') {
    throw new CliError(1, 'request-decided', error, 'the first decision stands: submit a new request')
  }
  const message = `${shownUrl(url)} answered ${answer.status}: no simulator is there, or it is not on this machine`
  throw new CliError(1, 'simulator-unknown', message, 'give --url the address that the simulator printed')
}

function callbackOf(callbackUrl: unknown, inline: boolean): string {
  if (inline) return 'the response to the submission has the decision; no callback is due'
  if (typeof callbackUrl !== 'string') return 'no callback is due, because the submission named no URL'
  return `the callback goes to ${shownUrl(new URL(callbackUrl))}`
}

function unknown(id: string, url: URL, waiting: readonly string[]): CliError {
  const like = closest(id, waiting)
  const newest = waiting.slice(-3).reverse().join(', ')
  const others = newest === '' ? 'no request waits for a decision' : `these wait: ${newest}`
  const fix = like === undefined ? others : `did you mean ${like}?`
  return new CliError(1, 'request-unknown', `the simulator at ${shownUrl(url)} has no request ${id}`, fix)
}

/** Parses the JSON object of a response; empty if there is none. */
function objectOf(body: string): Readonly<Record<string, unknown>> {
  try {
    return jsonObject(body)
  } catch {
    return {}
  }
}
