import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy on the loopback that can stop passing on the server's data, or break connections. */
export interface Proxy {
  readonly port: number
  /** Drops the server's data from now on, and keeps connections open. */
  readonly hold: () => void
  /** Breaks all connections; new ones are accepted. */
  readonly cut: () => void
  readonly close: () => void
}

export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>()
  let holds = false
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    for (const [socket, peer] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => peer.destroy())
      socket.on('close', () => peer.destroy())
    }
    client.pipe(upstream)
    upstream.on('data', (chunk: Buffer) => {
      if (!holds) client.write(chunk)
    })
  })
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    // The address of a TCP server is an object.
    port: (server.address() as AddressInfo).port,
    hold() {
      holds = true
    },
    cut,
    close() {
      server.close()
      cut()
    },
  }
}
