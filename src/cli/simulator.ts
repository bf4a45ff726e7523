import { once } from 'node:events'
import { isCheqpointError } from '../index.js'
import { type Change, createSimulator, type Simulator } from '../simulator/index.js'
import { type Command, command, type Report } from './command.js'
import { CliError } from './failure.js'
import { httpUrl, text, whole } from './readers.js'
import { plain, shownKey, shownUrl, type Terminal } from './terminal.js'

/** A well-known key that only a simulator accepts. */
const localKey = 'cq_live_local'

export const simulator: Command = command({
  name: 'simulator',
  summary: 'run a local Cheqpoint, until Ctrl-C',
  notes:
    'It has the documented endpoints, and sends callbacks to the URL that a request names. With --json each line is a document. It forgets everything when it ends.',
  examples: ['', '--port 0 --verbose', '--callback-url http://localhost:3000/webhooks/cheqpoint'],
  options: {
    port: { value: 'PORT', read: whole(0, 65_535), default: '4010', about: 'port to listen on; 0 for any free one' },
    key: { value: 'KEY', read: text, default: localKey, about: 'the key to accept' },
    'callback-url': {
      value: 'URL',
      read: httpUrl,
      otherwise: 'none',
      about: 'callback URL in the printed curl command',
    },
    verbose: { about: 'print API calls and bodies too' },
  },
  async run({ port, key, verbose, ...given }, terminal) {
    const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
    const local = await createSimulator({ apiKey: key })
    narrate(local, verbose, terminal)
    const { url } = await local.listen(port).catch((error: unknown) => {
      throw listenFailure(port, error)
    })
    terminal.print(greeting(url, key, given['callback-url'], terminal))
    await ended
    await local.close()
    return { text: 'Closed.', document: { type: 'closed' } }
  },
})

/** The error of the command if the simulator cannot listen. Any other error is returned as it is. */
export function listenFailure(port: number, error: unknown): unknown {
  if (!isCheqpointError(error, 'argument-invalid')) return error
  if (Object(error.cause).code === 'EACCES')
    return new CliError(1, 'port-taken', `port ${port} needs more rights`, 'give a port above 1023, or --port 0')
  return new CliError(1, 'port-taken', `port ${port} is taken`, 'stop what listens there, or give --port 0')
}

/** Prints events of the simulator as they happen. */
export function narrate(local: Simulator, verbose: boolean, terminal: Terminal): void {
  local.subscribe((change) => {
    const event = eventOf(change, verbose)
    if (event !== null) terminal.print({ text: lineOf(event), document: event })
  })
}

function greeting(url: string, key: string, callbackUrl: URL | undefined, { paint }: Terminal): Report {
  const shown = key === localKey ? key : shownKey(key)
  const request = {
    action: 'process_refund',
    summary: 'Refund $120 for order 8842',
    details: { orderId: '8842', amount: 120 },
    callbackUrl: callbackUrl?.href,
  }
  const header = key === localKey ? `'x-api-key: ${key}'` : '"x-api-key: $CHEQPOINT_CONNECTION_KEY"'
  const text = [
    `${paint('bold', 'A local Cheqpoint')}  ${url}`,
    `  page      ${url}/`,
    `  key       ${shown}`,
    `  receiver  createReceiver({ baseUrl: '${url}', … })`,
    '',
    `curl ${url}/api/webhooks/inbound -H ${header} \\`,
    `  -d '${JSON.stringify(request).replaceAll("'", '%27')}'`,
    '',
    paint('dim', 'Ctrl-C ends it.'),
  ]
  return { text: text.join('\n'), document: { type: 'listening', url, page: `${url}/`, key: shown } }
}

/** One printed event. `body` holds payloads, with `--verbose` only. */
interface Event {
  readonly type: 'request' | 'decision' | 'callback' | 'call'
  readonly at: string
  readonly approvalId: string | null
  readonly status: string | number | null
  readonly said: string
  readonly body?: unknown
}

function eventOf(change: Change, verbose: boolean): Event | null {
  const more = (body: unknown): Pick<Event, 'body'> => (verbose ? { body } : {})
  if (change.type === 'request') {
    const { id: approvalId, status, action, summary, details, modifiedDetails, note, ...when } = change.request
    if (when.decidedAt === null) {
      const said = `${action}: ${summary}`
      return { type: 'request', at: when.submittedAt, approvalId, status, said, ...more(details) }
    }
    const said = `${status}${modifiedDetails === null ? '' : ' with an edit'}${note === null ? '' : ` "${note}"`}`
    return { type: 'decision', at: when.decidedAt, approvalId, status, said, ...more(modifiedDetails) }
  }
  if (change.type === 'call') {
    const { at, method, path, status } = change.call
    if (!verbose || status === null) return null
    return { type: 'call', at, approvalId: null, status, said: `${method} ${path} ${status}` }
  }
  const { approvalId, state, answer, url, cause, body, createdAt, endedAt } = change.delivery
  if (state !== 'ended' && state !== 'dropped') return null
  const what = cause === 'decision' ? '' : ` (${cause})`
  const how = state === 'dropped' ? 'dropped on purpose' : (answer?.error ?? `answered ${answer?.status}`)
  const said = `${shownUrl(new URL(url))}${what} ${how}`
  const [at, status] = [endedAt ?? createdAt, answer?.status ?? null]
  return { type: 'callback', at, approvalId, status, said, ...more({ sent: body, answer: answer?.body ?? null }) }
}

function lineOf({ type, at, approvalId, said, body }: Event): string {
  const more = body === undefined || body === null ? '' : `  ${JSON.stringify(body)}`
  return `${at.slice(11, 19)}  ${type.padEnd(8)}  ${plain(`${approvalId === null ? '' : `${approvalId}  `}${said}${more}`)}`
}
