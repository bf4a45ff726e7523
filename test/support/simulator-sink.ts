import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Change, Simulator } from '../../src/simulator/index.js'

/** A callback as received. */
export interface ReceivedCallback {
  readonly method: string | undefined
  readonly url: string | undefined
  /** Alternating names and values, as sent. */
  readonly rawHeaders: readonly string[]
  readonly body: unknown
}

export interface CallbackSink {
  readonly url: string
  readonly received: readonly ReceivedCallback[]
  /** The responses to the next callbacks, in order; the last repeats. `null`: no response. */
  answers: ({ readonly status: number; readonly headers?: Record<string, string> } | null)[]
  /** Called before a callback is answered. */
  onCallback: () => Promise<void> | void
  close(): Promise<void>
}

/** A server that records callbacks as a receiver's socket gets them. */
export async function openSink(): Promise<CallbackSink> {
  const received: ReceivedCallback[] = []
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const { method, url, rawHeaders } = incoming
    received.push({ method, url, rawHeaders, body: JSON.parse(Buffer.concat(chunks).toString()) })
    const answer = sink.answers.length > 1 ? sink.answers.shift() : sink.answers[0]
    await sink.onCallback()
    if (answer) outgoing.writeHead(answer.status, answer.headers).end('noted')
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const sink: CallbackSink = {
    url: `http://127.0.0.1:${port}/webhooks/cheqpoint`,
    received,
    answers: [{ status: 200 }],
    onCallback: () => {},
    async close() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
  return sink
}

/** Resolves with the next matching change. */
export function nextChange(simulator: Simulator, fits: (change: Change) => boolean): Promise<Change> {
  return new Promise((resolve) => {
    const stop = simulator.subscribe((change) => {
      if (!fits(change)) return
      stop()
      resolve(change)
    })
  })
}

/** The id of the next request that is submitted. */
export async function nextSubmission(simulator: Simulator): Promise<string> {
  const change = await nextChange(simulator, ({ type }) => type === 'request')
  return change.type === 'request' ? change.request.id : ''
}

/** Asks a simulator without a socket. */
export function callInside(simulator: Simulator, path: string, init?: RequestInit): Promise<Response> {
  return simulator.fetch(new Request(`http://localhost${path}`, init))
}
