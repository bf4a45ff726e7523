import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net'
import { onTestFinished } from 'vitest'

export interface SeenRequest {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
}

/** A real server on a free loopback port, closed with all its sockets when the test ends. */
export interface MisbehavingServer {
  readonly url: string
  /** Requests whose head arrived; empty for a raw server. */
  readonly requests: readonly SeenRequest[]
  /** Every connection that was ever made. */
  readonly sockets: readonly Socket[]
  /** Resolves when the given connection is gone. */
  gone(index: number): Promise<void>
}

/** An HTTP server with a custom listener, which controls bodies and framing. */
export async function misbehave(listener: RequestListener): Promise<MisbehavingServer> {
  const requests: SeenRequest[] = []
  const server = createServer((request, response) => {
    requests.push({ method: request.method, url: request.url, headers: request.headers })
    listener(request, response)
  })
  return listen(server, requests)
}

/** A TCP server that writes these bytes after a request, and then calls `then` with the socket. */
export async function misbehaveRaw(
  bytes: string,
  then: (socket: Socket) => void = () => {},
): Promise<MisbehavingServer> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write(bytes, () => then(socket)))
  })
  return listen(server, [])
}

/** A loopback port that nothing listens on. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = address(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function listen(server: Server | TcpServer, requests: readonly SeenRequest[]): Promise<MisbehavingServer> {
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => sockets.push(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${address(server).port}`,
    requests,
    sockets,
    gone(index) {
      const socket = sockets[index]
      if (socket === undefined) throw new Error(`there was no connection ${index}`)
      return socket.destroyed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()))
    },
  }
}

function address(server: Server | TcpServer): AddressInfo {
  const found = server.address()
  if (found === null || typeof found === 'string') throw new Error('the server listens on no port')
  return found
}
