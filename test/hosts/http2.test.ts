import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { type ClientHttp2Session, connect, createServer, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import fastify from 'fastify'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fastifyCallback } from '../../adapters/fastify.js'
import { honoCallback } from '../../adapters/hono.js'
import { fromIncoming, type ReceiverOptions } from '../../src/index.js'
import { type AdapterBench, adapterBench, agent, bodyFor, json } from '../support/adapters-bench.js'
import { type Mounted, path } from '../support/hosts.js'

/*
 * HTTP/2 has no `connection` header: a refusal without reading the body ends the stream, and keeps the session.
 */

const hosts: Readonly<Record<string, (receiver: Mounted) => Promise<Http2Server>>> = {
  'node:http2 by hand': async (receiver) =>
    createServer(async (request, response) => {
      // Requests of node:http2 have all the members that are used of node:http, which the types do not show.
      const answer = await receiver.handle(fromIncoming(request as unknown as IncomingMessage))
      response.writeHead(answer.status, answer.headers).end(answer.body)
    }),
  Hono: async (receiver) => {
    const app = new Hono().all(path, honoCallback(receiver))
    // With this option it is a server of node:http2.
    return createAdaptorServer({ fetch: app.fetch, createServer }) as Http2Server
  },
  Fastify: async (receiver) => {
    const app = fastify({ http2: true })
    app.register(fastifyCallback(receiver), { prefix: path })
    await app.ready()
    return app.server
  },
}

interface Response {
  readonly status: unknown
  readonly connection: unknown
  readonly body: string
}

describe.each(Object.entries(hosts))('%s over HTTP/2', (_, open) => {
  let current: AdapterBench
  let server: Http2Server
  let session: ClientHttp2Session
  const warn = vi.spyOn(process, 'emitWarning')

  beforeEach(async () => {
    warn.mockReset()
    server = await open({
      handle: (...args) => current.receiver.handle(...args),
      fetch: (...args) => current.receiver.fetch(...args),
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`) // the address of a TCP server is an object
  })
  afterEach(async () => {
    session.destroy()
    server.close()
    await once(server, 'close')
    await current.receiver.close()
    expect(warn).not.toHaveBeenCalled()
  })

  async function bench(callbacks: ReceiverOptions['callbacks'] = {}): Promise<void> {
    current = await adapterBench({ callbacks })
  }

  /** Sends a head and part of a body that never ends. Resolves once the server has ended the stream. */
  async function sendPart(part: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const own = { 'user-agent': agent[1], 'content-type': json[1], ...headers }
    const stream = session.request({ ':method': 'POST', ':path': path, ...own }, { endStream: false })
    const closed = once(stream, 'close')
    if (part !== '') stream.write(part)
    let body = ''
    stream.on('data', (chunk) => {
      body += chunk
    })
    const [head] = await once(stream, 'response')
    await closed
    expect(stream.rstCode).toBe(0)
    return { status: head[':status'], connection: head.connection, body }
  }

  async function sendWhole(): Promise<unknown> {
    const headers = { 'user-agent': agent[1], 'content-type': json[1] }
    const stream = session.request({ ':method': 'POST', ':path': path, ...headers })
    stream.end(bodyFor('req_1'))
    const [head] = await once(stream, 'response')
    stream.resume()
    await once(stream, 'close')
    return head[':status']
  }

  it.each([
    ['a body that does not come', 408, 'body-too-slow', '', {}],
    ['a body that does not come, of a declared length', 408, 'body-too-slow', '', { 'content-length': '50' }],
    ['a body that stops coming', 408, 'body-too-slow', '{', {}],
    ['a body that is too large', 413, 'body-too-large', 'x'.repeat(1_001), {}],
    ['a declared length that is too large', 413, 'body-too-large', '', { 'content-length': '1000000000' }],
    ['another agent and a body that still comes', 403, 'agent-refused', '{', { 'user-agent': 'curl/8.5.0' }],
    ['another type and a length too large', 415, 'media-type-refused', '{', { 'content-type': 'text/plain' }],
  ])('ends the stream of %s after the response, and keeps the session open', async (_, status, code, part, headers) => {
    await bench({ bodyTimeoutMs: 60, maxBodyBytes: 1_000 })
    const response = await sendPart(part, headers)
    expect([response.status, JSON.parse(response.body).code]).toEqual([status, code])
    expect(response.connection).toBeUndefined()
    expect(await sendWhole()).toBe(200)
    expect(current.runs).toHaveLength(1)
  })

  it('ends the oldest stream if more than maxUnreadBodies bodies do not arrive', async () => {
    await bench({ bodyTimeoutMs: 60_000, maxUnreadBodies: 1 })
    const both = [sendPart('{'), sendPart('{')]
    expect(await Promise.race(both)).toMatchObject({ status: 408 })
    expect(await sendWhole()).toBe(200)
    // It gave way to the complete one.
    for (const each of both) expect(await each).toMatchObject({ status: 408 })
  })
})
