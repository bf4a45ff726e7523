import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CheqpointError } from '../model/errors.js'

/** A request, with its socket if it came through the server. */
export interface Asked {
  readonly request: Request
  /** The path as sent: not decoded, without the query. */
  readonly path: string
  readonly socket: Socket | undefined
}

export type Answer = (asked: Asked) => Promise<Response>

/** A server that listens. */
export interface Listening {
  readonly url: string
  readonly port: number
  readonly server: Server
}

export function notFound(): Response {
  return Response.json({ error: 'Not found' }, { status: 404 })
}

/** Starts a server. Rejects with `argument-invalid` if it cannot listen on the address. */
export async function serve(answer: Answer, port: number, host: string): Promise<Listening> {
  const server = createServer((incoming, outgoing) => {
    // The client disconnected, or a fault destroyed the response: there is nothing to respond to.
    exchange(answer, incoming, outgoing).catch(() => outgoing.destroy())
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
  } catch (cause) {
    throw new CheqpointError('argument-invalid', `cannot listen on port ${port} of ${host}`, { cause })
  }
  // On a TCP port, the address is an object.
  const address = server.address() as AddressInfo
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return { url: `http://${name}:${address.port}`, port: address.port, server }
}

/** Ends the server and destroys its sockets. */
export async function endServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function exchange(answer: Answer, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const gone = new AbortController()
  outgoing.once('close', () => gone.abort())
  const asked = read(incoming, gone.signal)
  const response = asked === null ? Response.json({ error: 'Bad request' }, { status: 400 }) : await answer(asked)
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  if (response.body === null) outgoing.end()
  else await pipeline(Readable.fromWeb(response.body), outgoing)
  // Until a body was read, the connection has no room for the next request.
  if (asked?.request.bodyUsed === false) await asked.request.body?.pipeTo(new WritableStream())
}

/** Returns `null` if host and path are not a URL, or if `Request` does not support the method. */
function read(incoming: IncomingMessage, signal: AbortSignal): Asked | null {
  const { method = '', url = '', headers, socket } = incoming
  const body = method === 'GET' || method === 'HEAD' ? null : Readable.toWeb(incoming)
  try {
    const pairs = Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)])
    const request = new Request(`http://${headers.host}${url}`, {
      method,
      headers: pairs,
      body,
      signal,
      duplex: 'half',
    })
    return { request, path: new URL(request.url).pathname, socket }
  } catch {
    return null
  }
}
