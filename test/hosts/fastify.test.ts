import { PassThrough, Transform } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createGunzip, gzipSync } from 'node:zlib'
import fastify, {
  type FastifyInstance,
  type FastifyRequest,
  type FastifyServerOptions,
  type preParsingHookHandler,
  type RouteHandlerMethod,
  type RouteOptions,
} from 'fastify'
import { afterEach, describe, expect, it } from 'vitest'
import { fastifyCallback } from '../../adapters/fastify.js'
import type { ReceiverOptions } from '../../src/index.js'
import {
  type AdapterBench,
  adapterBench,
  agent,
  bodyFor,
  callback,
  comparable,
  json,
  problem,
  taken,
} from '../support/adapters-bench.js'
import { listenServer, type OpenSocketHost, path } from '../support/hosts.js'
import { headOf, RawConnection, type Sent, wireOf } from '../support/raw-http.js'

/*
 * Features of Fastify apps only: their parsers, limits and hooks, beside and around the plugin.
 */

const handled = taken(200, 'handled')
let current: AdapterBench
let app: FastifyInstance
let host: OpenSocketHost

/** An app with the plugin and its own routes. */
async function open(
  prepare: (app: FastifyInstance) => unknown = () => {},
  options: Partial<ReceiverOptions> = {},
  server: FastifyServerOptions = {},
): Promise<void> {
  current = await adapterBench(options)
  app = fastify(server)
  await prepare(app)
  app.register(fastifyCallback(current.receiver), { prefix: path })
  await app.ready()
  host = await listenServer(app.server)
}

afterEach(async () => {
  await host?.close()
  await app?.close()
  await current?.receiver.close()
})

const echo = (each: FastifyInstance): unknown => each.post('/echo', async (request) => ({ got: request.body }))

describe('the other routes of the app', () => {
  it('keep their parsers, including those that are added later', async () => {
    await open((each) => {
      echo(each)
      each.addContentTypeParser('text/csv', { parseAs: 'string' }, (_, body, done) => done(null, `csv ${body}`))
    })
    const send = async (type: string, payload: string) =>
      (await app.inject({ method: 'POST', url: '/echo', headers: { 'content-type': type }, payload })).body
    expect(await send('application/json', '{"a":1}')).toBe('{"got":{"a":1}}')
    expect(await send('text/plain', 'plain')).toBe('{"got":"plain"}')
    expect(await send('text/csv', '1,2')).toBe('{"got":"csv 1,2"}')
    expect(await send('application/xml', '<a/>')).toContain('FST_ERR_CTP_INVALID_MEDIA_TYPE')
    expect(comparable(await host.send(callback()))).toEqual(handled)
  })

  it('keep their body limit, and callbacks have the limit of the receiver', async () => {
    await open(echo, { callbacks: { maxBodyBytes: 2_000 } }, { bodyLimit: 100 })
    const payload = JSON.stringify({ text: 'x'.repeat(200) })
    const headers = { 'content-type': 'application/json' }
    expect((await app.inject({ method: 'POST', url: '/echo', headers, payload })).statusCode).toBe(413)
    expect(comparable(await host.send(callback({ body: bodyFor('req_1').padEnd(2_000) })))).toEqual(handled)
    expect((await host.send(callback({ body: bodyFor('req_1').padEnd(2_001) }))).status).toBe(413)
  })

  it('with a parser for every type do not parse callbacks', async () => {
    const parsed: string[] = []
    await open((each) => {
      each.addContentTypeParser('*', (request, _, done) => {
        parsed.push(request.url)
        done(null)
      })
    })
    expect(comparable(await host.send(callback()))).toEqual(handled)
    expect(parsed).toEqual([])
  })
})

describe('the app around the plugin', () => {
  it('may add hooks, whose headers and refusals apply to callbacks too', async () => {
    const hooks: string[] = []
    await open((each) => {
      for (const hook of ['onRequest', 'preValidation', 'preHandler'] as const) {
        each.addHook(hook, async () => void hooks.push(hook))
      }
      each.addHook('onSend', async (_, reply) => void reply.header('x-app', 'ours'))
      each.addHook('onRequest', async (request, reply) =>
        request.headers['x-blocked'] === undefined ? undefined : reply.code(429).send(),
      )
    })
    const { headers, status } = await host.send(callback())
    expect([status, headers['x-app'], hooks]).toEqual([200, 'ours', ['onRequest', 'preValidation', 'preHandler']])
    expect((await host.send(callback({ headers: [agent, json, ['X-Blocked', '1']] }))).status).toBe(429)
    expect(current.runs).toHaveLength(1)
  })

  it('may have an error handler, which is not called for refused callbacks', async () => {
    await open((each) => each.setErrorHandler((_, __, reply) => reply.code(500).send('the app')))
    const refused = problem(415, 'media-type-refused', 'Not plain JSON')
    for (const type of ['json', '', 'text/plain', 'application/json, text/plain']) {
      expect(comparable(await host.send(callback({ headers: [agent, ['Content-Type', type]] })))).toEqual(refused)
    }
  })

  it('has its error handler called if one of its hooks fails', async () => {
    await open((each) => {
      each.setErrorHandler((error: Error, _, reply) => reply.code(418).send(error.message))
      each.addHook('preHandler', async () => {
        throw new Error('no session')
      })
    })
    expect(await host.send(callback())).toMatchObject({ status: 418, body: 'no session' })
    expect(current.storeCalls).toEqual([])
  })

  it('may read the body before the plugin, which refuses it without waiting', async () => {
    await open((each) => {
      each.addHook('preParsing', async (request, _, payload) => {
        if (request.url !== path) return payload
        for await (const _chunk of payload);
        return payload
      })
    })
    expect(await host.send(callback())).toMatchObject({
      status: 500,
      body: expect.stringContaining('body-already-read'),
    })
  })

  it.each<readonly [string, (request: FastifyRequest, bytes: Buffer) => unknown]>([
    ['its bytes in rawBody', (request, bytes) => Object.assign(request, { rawBody: bytes })],
    ['its text in rawBody', (request, bytes) => Object.assign(request, { rawBody: bytes.toString() })],
    ['the parsed body', (request, bytes) => Object.assign(request, { body: JSON.parse(bytes.toString()) })],
  ])('may read the body before the plugin and leave %s, which is used', async (_, leave) => {
    await open((each) =>
      each.addHook('preHandler', async (request) => {
        leave(request, await buffer(request.raw))
      }),
    )
    expect(comparable(await host.send(callback()))).toEqual(handled)
  })

  const unzip: preParsingHookHandler = (_, __, payload, done) => done(null, payload.pipe(createGunzip()))

  it.each<readonly [string, (app: FastifyInstance) => unknown]>([
    ['by a hook of its own', (each) => each.addHook('preParsing', unzip)],
    ['by a hook that a plugin adds to each route', (each) => each.addHook('onRoute', addUnzip)],
  ])('may replace the stream of the body %s, which is then read in place of the request', async (_, prepare) => {
    await open(prepare)
    expect(comparable(await host.send(callback({ body: gzipSync(bodyFor('req_1')) })))).toEqual(handled)
    expect((await host.send(callback({ body: gzipSync(bodyFor('req_1').padEnd(262_145)) }))).status).toBe(413)
  })

  function addUnzip(route: RouteOptions): void {
    route.preParsing = unzip
  }

  describe.each<readonly [string, () => Transform]>([
    ['keeps what is left of it', () => new PassThrough()],
    ['fails', () => new Transform({ transform: (_, __, done) => done(new Error('not compressed')) })],
  ])('may replace the stream of a body with one that %s: the connection is used again', (_, made) => {
    it.each<readonly [string, Partial<Sent>, number]>([
      ['its agent', { headers: [json] }, 403],
      ['a content type that is none', { headers: [agent, ['Content-Type', ';']] }, 415],
      ['its method', { method: 'GET' }, 405],
    ])('after a request that is refused for %s', async (__, sent, status) => {
      await open((each) =>
        each.addHook('preParsing', (request, ___, payload, done) =>
          done(null, request.headers['x-replaced'] === undefined ? payload : payload.pipe(made())),
        ),
      )
      const refused = callback({ body: 'a'.repeat(200_000), ...sent })
      const connection = await RawConnection.open(host.port)
      connection.write(wireOf({ ...refused, headers: [...refused.headers, ['X-Replaced', '1']] }))
      expect((await connection.answer()).status).toBe(status)
      connection.write(wireOf(callback()))
      expect(comparable(await connection.answer())).toEqual(handled)
      connection.socket.destroy()
    })
  })

  it('can be tested with inject, without a port', async () => {
    await open()
    const headers = { 'user-agent': agent[1], 'content-type': json[1] }
    const response = await app.inject({ method: 'POST', url: path, headers, payload: bodyFor('req_1') })
    expect([response.statusCode, response.body]).toEqual([200, handled.body])
  })

  it('may have the token in the path', async () => {
    current = await adapterBench({
      callbackUrl: (token) => `https://app.test/hooks/${token}`,
      callbackSecret: 'a secret of the fastify tests',
    })
    const { url, ref } = current.receiver.callbackUrl()
    await current.receiver.track('req_2', { action: 'process_refund', details: { orderId: '1', amount: 1 }, ref })
    current.api.approve('req_2')
    app = fastify()
    app.register(fastifyCallback(current.receiver), { prefix: '/hooks/:token' })
    await app.ready()
    host = await listenServer(app.server)
    const body = bodyFor('req_2')
    expect((await host.send(callback({ path: '/hooks/forged', body }))).status).toBe(401)
    expect((await host.send(callback({ path: new URL(url).pathname, body }))).status).toBe(200)
  })

  it('passes on the requested URL, even if it was rewritten', async () => {
    current = await adapterBench({ callbackUrl: `https://app.test${path}`, callbackSecret: 'a secret of these tests' })
    const { url, ref } = current.receiver.callbackUrl()
    await current.receiver.track('req_2', { action: 'process_refund', details: { orderId: '1', amount: 1 }, ref })
    current.api.approve('req_2')
    app = fastify({ rewriteUrl: ({ url: asked = '' }) => asked.replace(/^\/outside/, '').replace(/\?.*/, '') })
    app.register(fastifyCallback(current.receiver), { prefix: path })
    await app.ready()
    host = await listenServer(app.server)
    const at = `/outside${path}${new URL(url).search}`
    expect((await host.send(callback({ path: at, body: bodyFor('req_2') }))).status).toBe(200)
  })

  it('may respond first, as a time-out does', async () => {
    await open((each) => {
      each.addHook('preHandler', async (_, reply) => {
        setImmediate(() => reply.code(504).send('too late'))
      })
    })
    const asked = current.hang()
    const answered = host.send(callback())
    await asked
    expect(await answered).toMatchObject({ status: 504, body: 'too late' })
    current.letGo()
    await current.seen('completed')
    expect(current.runs).toHaveLength(1)
  })
})

describe('a declared length whose body is not read', () => {
  it('closes the connection after the response', async () => {
    await open()
    const connection = await RawConnection.open(host.port)
    connection.write(headOf({ method: 'POST', path, headers: [json] }, ['Content-Length: 1000000000']))
    expect((await connection.answer()).status).toBe(403)
    await connection.closed
  })
})

describe('a plugin that is given as a handler', () => {
  it('names the right call', async () => {
    current = await adapterBench()
    app = fastify()
    // Callers without types can pass anything.
    app.post('/hook', fastifyCallback(current.receiver) as unknown as RouteHandlerMethod)
    const response = await app.inject({ method: 'POST', url: '/hook' })
    expect(response.json()).toMatchObject({ code: 'argument-invalid' })
    expect(response.json().message).toContain('call app.register(fastifyCallback(receiver)')
  })
})

describe('an argument that is not a receiver', () => {
  it('is refused when the app is built', () => {
    for (const given of [undefined, null, {}, { handle: 1 }]) {
      // Callers without types can pass anything.
      const make = (): unknown => fastifyCallback(given as unknown as AdapterBench['receiver'])
      expect(make).toThrow('fastifyCallback() takes a receiver; pass what createReceiver(options) returned')
    }
  })
})
