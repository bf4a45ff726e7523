import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Hono } from 'hono'
import { CheqpointError } from '../index.js'
import type { SimulatorEnv } from './calls.js'
import { loadPeer } from './peers.js'

/** A server that listens. */
export interface Listening {
  readonly url: string
  readonly port: number
  readonly server: Server
}

/** Serves the app. Rejects with `peer-missing`, or with `argument-invalid` where the address cannot be had. */
export async function serve(app: Hono<SimulatorEnv>, port: number, host: string): Promise<Listening> {
  const { getRequestListener } = await loadPeer('@hono/node-server', () => import('@hono/node-server'))
  // The globals of a process under test stay Node's own.
  const answer = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  // It handles its errors itself and never rejects.
  const server = createServer((incoming, outgoing) => void answer(incoming, outgoing))
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, host, resolve)
    })
  } catch (cause) {
    throw new CheqpointError('argument-invalid', `cannot listen on port ${port} of ${host}`, { cause })
  }
  // A server that listens on a TCP port has such an address.
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
