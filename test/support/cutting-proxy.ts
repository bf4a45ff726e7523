import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A TCP proxy to a loopback server that breaks connections on request. */
export interface CuttingProxy {
  readonly port: number
  /** Number of connections so far. */
  readonly connections: number
  /** Bytes in each direction since the last `cutAfter`, or since the start. */
  readonly passed: Readonly<Record<Direction, number>>
  /** Passes this number of bytes in one direction, then resets the connection that brings the next byte. Once. */
  cutAfter(direction: Direction, bytes: number): void
  /** Resets every connection, and accepts none until `up`. */
  down(): void
  up(): void
  close(): void
}

export type Direction = 'to the server' | 'from the server'

export async function startCuttingProxy(target: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>()
  const passed = { 'to the server': 0, 'from the server': 0 }
  let cut: { readonly direction: Direction; left: number } | undefined
  let isDown = false
  let connections = 0

  const server = createServer((client) => {
    if (isDown) return void client.resetAndDestroy()
    connections++
    const upstream = connect(target, '127.0.0.1')
    const end = (): void => {
      client.resetAndDestroy()
      upstream.resetAndDestroy()
    }
    for (const [from, to, direction] of [
      [client, upstream, 'to the server'],
      [upstream, client, 'from the server'],
    ] as const) {
      sockets.add(from)
      from.on('error', end).on('close', () => {
        sockets.delete(from)
        end()
      })
      from.on('data', (chunk: Buffer) => {
        if (cut?.direction !== direction || chunk.length <= cut.left) {
          if (cut?.direction === direction) cut.left -= chunk.length
          passed[direction] += chunk.length
          to.write(chunk)
          return
        }
        const rest = chunk.subarray(0, cut.left)
        cut = undefined
        passed[direction] += rest.length
        // The bytes before the cut must arrive before the reset.
        to.end(rest, end)
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    // The address of a TCP server is an object.
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections
    },
    passed,
    cutAfter(direction, bytes) {
      passed['to the server'] = 0
      passed['from the server'] = 0
      cut = { direction, left: bytes }
    },
    down() {
      isDown = true
      for (const socket of sockets) socket.resetAndDestroy()
    },
    up() {
      isDown = false
    },
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
