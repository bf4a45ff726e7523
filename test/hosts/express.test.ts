import { once } from 'node:events'
import { IncomingMessage } from 'node:http'
import { connect, createServer } from 'node:http2'
import { type AddressInfo, Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { gzipSync } from 'node:zlib'
import express, { type ErrorRequestHandler, type RequestHandler } from 'express'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { expressCallback } from '../../adapters/express.js'
import { type Callback, type CallbackResponse, fromIncoming, type ReceiverOptions } from '../../src/index.js'
import {
  type AdapterBench,
  adapterBench,
  agent,
  bodyFor,
  callback,
  comparable,
  type Expected,
  json,
  problem,
  taken,
} from '../support/adapters-bench.js'
import { listenTo, type OpenSocketHost, path } from '../support/hosts.js'
import { headOf, RawConnection, type Sent } from '../support/raw-http.js'

const handled = taken(200, 'handled')
const malformed = problem(400, 'malformed', 'Malformed callback')
const typeRefused = problem(415, 'media-type-refused', 'Not plain JSON')
const drained = problem(500, 'body-already-read', 'The body was read by something else')

const every = (): boolean => true
const maxBodyBytes = 300_000

let current: AdapterBench
let host: OpenSocketHost
afterEach(async () => {
  await host.close()
  await current.receiver.close()
})

/** Opens an app with these before the handler. Middleware that waits for a lost body outlasts the test. */
async function open(before: readonly RequestHandler[], options: Partial<ReceiverOptions> = {}): Promise<void> {
  current = await adapterBench({ callbacks: { maxBodyBytes, bodyTimeoutMs: 60_000 }, ...options })
  const app = express()
  for (const each of before) app.use(each)
  app.post(path, expressCallback(current.receiver))
  host = await listenTo(app)
}

async function send(parts: Partial<Sent> = {}): Promise<Expected> {
  return comparable(await host.send(callback(parts)))
}

const typed = (type: string, body: Sent['body'] = bodyFor('req_1')): Partial<Sent> => ({
  headers: [agent, ['Content-Type', type]],
  body,
})

/** A parser's hook that keeps the bytes, as platforms and other receivers need it. */
const keepRaw: NonNullable<Parameters<typeof express.json>[0]>['verify'] = (request, _, bytes) => {
  Object.assign(request, { rawBody: bytes })
}

const parsers: readonly (readonly [name: string, before: readonly RequestHandler[]])[] = [
  ['no parser', []],
  ['express.json', [express.json({ limit: '1mb' })]],
  ['express.json without strict mode', [express.json({ limit: '1mb', strict: false })]],
  ['express.json with a hook that keeps the bytes', [express.json({ limit: '1mb', verify: keepRaw })]],
  ['express.raw', [express.raw({ limit: '1mb', type: every })]],
  ['express.text', [express.text({ limit: '1mb', type: every })]],
  ['express.urlencoded', [express.urlencoded({ limit: '1mb', extended: true })]],
  ['all of them', [express.json(), express.urlencoded(), express.text(), express.raw()]],
  ['express.json twice', [express.json({ limit: '1mb' }), express.json({ limit: '1mb' })]],
]

describe.each(parsers)('with %s before it', (_, before) => {
  it.each<readonly [string, Partial<Sent>, Expected]>([
    ['a genuine callback', {}, handled],
    ['a callback in chunks', { framing: 'chunked' }, handled],
    ['a callback of many packets', { body: bodyFor('req_1').padEnd(100_000) }, handled],
    ['a callback without a content type', { headers: [agent] }, handled],
    ['a callback with a +json type', typed('application/vnd.cheqpoint+json'), handled],
    ['an empty body', { body: '' }, malformed],
    ['an empty body in chunks', { body: '', framing: 'chunked' }, malformed],
    ['an object without an id', { body: '{}' }, malformed],
    ['an array', { body: '[]' }, malformed],
    ['text', typed('text/plain'), typeRefused],
    ['a form', typed('application/x-www-form-urlencoded', 'approvalId=req_1'), typeRefused],
    [
      'an encoded body',
      { headers: [agent, json, ['Content-Encoding', 'gzip']], body: gzipSync(bodyFor('req_1')) },
      typeRefused,
    ],
  ])('gives %s the same response as without', async (__, sent, answer) => {
    await open(before)
    expect(await send(sent)).toEqual(answer)
    expect(current.runs).toHaveLength(answer === handled ? 1 : 0)
  })
})

describe('a parser before it', () => {
  it("with a higher limit does not bypass the receiver's limit", async () => {
    const tooLarge = problem(413, 'body-too-large', 'The body is too large', { closes: true })
    for (const [name, before] of parsers) {
      await open(before, { callbacks: { maxBodyBytes: 1_000 } })
      expect([name, await send({ body: bodyFor('req_1').padEnd(1_001) })]).toEqual([name, tooLarge])
    }
  })

  it('with a lower limit responds itself, and the receiver gets nothing', async () => {
    const quiet: ErrorRequestHandler = (error, _, response, __) => {
      response.status(error.status).send(error.type)
    }
    current = await adapterBench()
    const app = express()
      .use(express.json({ limit: 10 }))
      .post(path, expressCallback(current.receiver))
      .use(quiet)
    host = await listenTo(app)
    expect(await send()).toMatchObject({ status: 413, body: 'entity.too.large' })
    expect(current.eventTypes()).not.toContain('refused')
  })

  it('is not needed: a parser mounted after the receiver is not reached', async () => {
    current = await adapterBench()
    const after = vi.fn(express.json())
    host = await listenTo(express().use(path, expressCallback(current.receiver)).use(after))
    expect(await send()).toEqual(handled)
    expect(after).not.toHaveBeenCalled()
  })
})

describe('a body that other middleware read', () => {
  const readers: readonly (readonly [name: string, read: RequestHandler])[] = [
    [
      'by iterating over it',
      async (request, _, next) => {
        for await (const _chunk of request);
        next()
      },
    ],
    [
      'through its events',
      (request, _, next) => {
        request.on('data', () => {}).on('end', () => next())
      },
    ],
    [
      'into a pipe',
      (request, _, next) => {
        const sink = new PassThrough()
        sink.resume().on('end', () => next())
        request.pipe(sink)
      },
    ],
    [
      'in part',
      (request, _, next) => {
        request.once('readable', () => {
          request.read(1)
          next()
        })
      },
    ],
  ]
  it.each(readers)('%s is refused at once with the configuration error', async (_, read) => {
    await open([read])
    expect(await send()).toEqual(drained)
    expect(current.events).toContainEqual({ type: 'refused', reason: 'body-already-read', approvalId: null })
    expect(current.storeCalls).toEqual([])
  })

  it.each(readers.slice(0, 3))('%s is used if its bytes are in rawBody', async (_, read) => {
    const keep: RequestHandler = (request, _, next) => {
      Object.assign(request, { rawBody: Buffer.from(bodyFor('req_1')) })
      next()
    }
    await open([read, keep])
    expect(await send()).toEqual(handled)
  })

  it('is read even while others listen to the stream', async () => {
    let heard = 0
    await open([
      (request, _, next) => {
        request.on('data', (bytes: Buffer) => {
          heard += bytes.length
        })
        next()
      },
    ])
    expect(await send({ body: bodyFor('req_1').padEnd(200_000) })).toEqual(handled)
    expect(heard).toBe(200_000)
  })
})

describe('a body that a platform has set', () => {
  const leave = (body: unknown): RequestHandler => {
    return (request, _, next) => {
      request.body = body
      next()
    }
  }

  it.each([
    ['an object', JSON.parse(bodyFor('req_1')), handled],
    ['text', bodyFor('req_1'), handled],
    ['a Buffer', Buffer.from(bodyFor('req_1')), handled],
    ['bytes', new Uint8Array(Buffer.from(bodyFor('req_1'))), handled],
    ['an empty Buffer', Buffer.alloc(0), malformed],
  ])('as %s is used, without waiting for the empty stream', async (_, body, answer) => {
    await open([leave(body)])
    const connection = await RawConnection.open(host.port)
    connection.write(headOf({ method: 'POST', path, headers: [agent, json] }, ['Content-Length: 50']))
    expect(comparable(await connection.answer())).toEqual(answer)
    await connection.destroy()
  })

  it.each([
    ['{}', {}],
    ['null', null],
    ['undefined', undefined],
  ])('as %s beside an unread stream is ignored, and the stream is read', async (_, body) => {
    await open([leave(body)])
    expect(await send()).toEqual(handled)
  })

  it('and parses on access is malformed if that throws', async () => {
    const parse = (): never => {
      throw new SyntaxError('Invalid JSON')
    }
    await open([(request, _, next) => next(void Object.defineProperty(request, 'body', { get: parse }))])
    expect(await send({ body: '{' })).toEqual(malformed)
  })

  it('does not need raw headers, which mock requests lack', async () => {
    await open([])
    const request = new IncomingMessage(new Socket())
    request.method = 'POST'
    request.url = path
    request.headers = { 'user-agent': agent[1], 'content-type': json[1] }
    const answer = await current.receiver.handle(fromIncoming(request, { parsed: bodyFor('req_1') }))
    expect(answer).toMatchObject({ status: 200, body: handled.body })
  })
})

describe('the handler in an app', () => {
  it('writes nothing if other middleware has responded meanwhile', async () => {
    const impatient: RequestHandler = (_, response, next) => {
      next()
      void asked.then(() => response.status(504).set('content-length', '4').end('late'))
    }
    const failed = vi.fn()
    current = await adapterBench()
    const report: ErrorRequestHandler = (error, _, __, ___) => failed(error)
    host = await listenTo(express().use(impatient).post(path, expressCallback(current.receiver)).use(report))
    const asked = current.hang()
    expect(await send()).toMatchObject({ status: 504, body: 'late' })
    current.letGo()
    await current.seen('completed')
    await new Promise(setImmediate)
    expect(current.runs).toHaveLength(1)
    expect(failed).not.toHaveBeenCalled()
  })

  it('keeps headers of other middleware, and adds neither ETag nor cookies', async () => {
    const policy: RequestHandler = (_, response, next) => {
      response.set('x-content-type-options', 'nosniff').set('strict-transport-security', 'max-age=1')
      next()
    }
    await open([policy])
    expect(await send()).toEqual({
      ...handled,
      headers: { ...handled.headers, 'strict-transport-security': 'max-age=1' },
    })
  })

  it('passes on the requested URL, including the mount path', async () => {
    const urls: string[] = []
    const handle = async ({ url }: Callback): Promise<CallbackResponse> => {
      urls.push(url)
      return { status: 200, headers: {}, body: '{}' }
    }
    current = await adapterBench()
    const router = express.Router().use('/cheqpoint', expressCallback({ handle }))
    host = await listenTo(express().use('/webhooks', router))
    await send({ path: `${path}?cq=token` })
    expect(urls).toEqual([`${path}?cq=token`])
  })
})

describe('a mistake in the app', () => {
  it('is reported at once if the adapter is not given a receiver', async () => {
    await open([])
    for (const wrong of [undefined, null, {}, { apiKey: 'cq_live_test', onDecision() {} }]) {
      const make = (): unknown => expressCallback(wrong as unknown as AdapterBench['receiver'])
      expect(make).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
      expect(make).toThrow('expressCallback() takes a receiver; pass what createReceiver(options) returned')
    }
  })

  it('is reported if handle() is given a request of a host, with or without a header function', async () => {
    current = await adapterBench()
    const rejected: unknown[] = []
    const handle: RequestHandler = async (request, response) => {
      const callback = request as unknown as Callback
      await current.receiver.handle(callback).catch((error: unknown) => rejected.push(error))
      response.end()
    }
    host = await listenTo(express().use(express.json()).post(path, handle))
    await host.send(callback())
    const web = new Request('https://app.test/') as unknown as Callback
    await current.receiver.handle(web).catch((error: unknown) => rejected.push(error))
    expect(rejected).toMatchObject([
      { code: 'argument-invalid', message: expect.stringContaining('fromIncoming(request)') },
      { code: 'argument-invalid', message: expect.stringContaining('receiver.fetch(request)') },
    ])
    expect(current.eventTypes()).not.toContain('refused')
  })
})

it('works over HTTP/2, which has no Connection header', async () => {
  current = await adapterBench({ callbacks: { maxBodyBytes: 100 } })
  const seen: unknown[] = []
  const server = createServer((request, response) => {
    // Requests of node:http2 have all the members that are used of node:http, which the types do not show.
    const callback = fromIncoming(request as unknown as IncomingMessage)
    void current.receiver.handle(callback).then(({ status, headers, body }) => {
      seen.push(headers)
      response.writeHead(status, headers).end(body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`) // the address of a TCP server is an object
  const stream = client.request({ ':method': 'POST', ':path': path, 'user-agent': agent[1], 'content-type': json[1] })
  stream.end('x'.repeat(101))
  const [headers] = await once(stream, 'response')
  expect(headers[':status']).toBe(413)
  expect(seen).toEqual([expect.not.objectContaining({ connection: expect.anything() })])
  client.destroy()
  server.close()
  await once(server, 'close')
  host = await listenTo(express())
})
