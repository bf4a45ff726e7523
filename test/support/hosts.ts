import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import express from 'express'
import express4 from 'express4'
import fastify, { type FastifyInstance } from 'fastify'
import { Hono } from 'hono'
import { expressCallback } from '../../adapters/express.js'
import { fastifyCallback } from '../../adapters/fastify.js'
import { honoCallback } from '../../adapters/hono.js'
import { fromIncoming, type Receiver } from '../../src/index.js'
import { RawConnection, type Received, type Sent, wireOf } from './raw-http.js'

/** The receiver methods that a host uses. */
export type Mounted = Pick<Receiver, 'handle' | 'fetch'>

/** A way of putting a receiver behind HTTP. */
export interface Host {
  readonly name: string
  /** `POST`: the framework itself answers every other method. */
  readonly takes: 'POST' | 'every method'
  readonly open: (receiver: Mounted) => Promise<OpenHost>
}

export interface OpenHost {
  readonly send: (sent: Sent) => Promise<Received>
  readonly close: () => Promise<void>
}

/** A host with a port. */
export interface SocketHost extends Host {
  readonly open: (receiver: Mounted) => Promise<OpenSocketHost>
}

export interface OpenSocketHost extends OpenHost {
  readonly port: number
  readonly server: Server
}

export const path = '/webhooks/cheqpoint'

export const socketHosts: readonly SocketHost[] = [
  onSocket('Express, app.post', 'POST', (receiver) => createServer(express().post(path, expressCallback(receiver)))),
  onSocket('Express, app.all', 'every method', (receiver) =>
    createServer(express().all(path, expressCallback(receiver))),
  ),
  onSocket('Express, app.use at a mount path', 'every method', (receiver) =>
    createServer(express().use('/webhooks', expressCallback(receiver))),
  ),
  onSocket('Express, inside a Router', 'every method', (receiver) =>
    createServer(express().use('/webhooks', express.Router().all('/cheqpoint', expressCallback(receiver)))),
  ),
  onSocket('Express 4, app.all', 'every method', (receiver) =>
    createServer(express4().all(path, expressCallback(receiver))),
  ),
  onSocket('Fastify, app.register at a prefix', 'every method', (receiver) =>
    fastifyServer(receiver, fastify().addHttpMethod('PROPFIND')),
  ),
  onSocket('Hono on Node.js, app.post', 'POST', (receiver) =>
    honoServer(new Hono().post(path, honoCallback(receiver))),
  ),
  onSocket('Hono on Node.js, app.all inside a route', 'every method', (receiver) =>
    honoServer(new Hono().route('/webhooks', new Hono().all('/cheqpoint', honoCallback(receiver)))),
  ),
  onSocket('Hono on Node.js, receiver.fetch(c.req.raw)', 'every method', (receiver) =>
    honoServer(new Hono().all(path, (context) => receiver.fetch(context.req.raw))),
  ),
  onSocket('node:http by hand', 'every method', (receiver) =>
    createServer(async (request, response) => {
      const { status, headers, body } = await receiver.handle(fromIncoming(request))
      response.statusCode = status
      response.setHeaders(new Map(Object.entries(headers))).end(body)
    }),
  ),
]

const fetchHosts: readonly Host[] = [
  inProcess('Hono, app.request()', (receiver) => {
    const app = new Hono().all(path, honoCallback(receiver))
    return async (request) => app.request(request)
  }),
  inProcess('receiver.fetch', (receiver) => (request) => receiver.fetch(request)),
]

/** Every host. All must respond alike. */
export const hosts: readonly Host[] = [...socketHosts, ...fetchHosts]

/** A plugin that reads bodies of its own, beside the app's routes. */
async function fastifyServer(receiver: Mounted, app: FastifyInstance): Promise<Server> {
  app.register(fastifyCallback(receiver), { prefix: path })
  await app.ready()
  return app.server
}

function honoServer(app: Hono): Server {
  // The type allows for HTTP/2; without options it is a server of node:http.
  return createAdaptorServer({ fetch: app.fetch }) as Server
}

/** Listens on a free port of the loopback. */
export async function listenServer(server: Server): Promise<OpenSocketHost> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // the address of a TCP server is an object
  return {
    port,
    server,
    async send(sent) {
      const connection = await RawConnection.open(port)
      try {
        connection.write(wireOf(sent))
        return await connection.answer({ headOnly: sent.method === 'HEAD' })
      } finally {
        await connection.destroy()
      }
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** A listener of Express or of node:http behind a port. */
export function listenTo(listener: RequestListener): Promise<OpenSocketHost> {
  return listenServer(createServer(listener))
}

/** A Hono app behind a port. */
export function listenToHono(app: Hono): Promise<OpenSocketHost> {
  return listenServer(honoServer(app))
}

function onSocket(
  name: string,
  takes: Host['takes'],
  make: (receiver: Mounted) => Server | Promise<Server>,
): SocketHost {
  return { name, takes, open: async (receiver) => listenServer(await make(receiver)) }
}

function inProcess(name: string, make: (receiver: Mounted) => (request: Request) => Promise<Response>): Host {
  return { name, takes: 'every method', open: async (receiver) => openFetch(make(receiver)) }
}

/** A Hono app without a port. */
export async function inProcessHono(app: Hono): Promise<OpenHost> {
  return openFetch(async (request) => app.request(request))
}

function openFetch(fetch: (request: Request) => Promise<Response>): OpenHost {
  return { send: async (sent) => receivedOf(await fetch(requestOf(sent)), sent.method), close: async () => {} }
}

/** What a server would make of the same bytes. */
export function requestOf({ method, path: at, headers, body, framing }: Sent): Request {
  const all = new Headers()
  for (const [name, value] of headers) all.append(name, value)
  const bytes = Buffer.from(body)
  const init = { method, headers: all }
  if (method === 'GET' || method === 'HEAD') return new Request(`http://app.test${at}`, init)
  if (framing === 'chunked' || framing === 'unfinished') {
    const middle = Math.floor(bytes.length / 2)
    const stream = new ReadableStream({
      start(controller) {
        for (const each of [bytes.subarray(0, middle), bytes.subarray(middle)]) controller.enqueue(each)
        if (framing === 'chunked') controller.close()
      },
    })
    return new Request(`http://app.test${at}`, { ...init, body: stream, duplex: 'half' })
  }
  all.set('content-length', String(typeof framing === 'object' ? framing.declared : bytes.length))
  return new Request(`http://app.test${at}`, { ...init, body: typeof framing === 'object' ? null : bytes })
}

async function receivedOf(response: Response, method: string): Promise<Received> {
  // A server sends no body in response to HEAD.
  const body = method === 'HEAD' ? '' : await response.text()
  return { status: response.status, headers: Object.fromEntries(response.headers), body }
}
