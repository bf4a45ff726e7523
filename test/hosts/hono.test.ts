import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createAdaptorServer } from '@hono/node-server'
import { type Context, type ExecutionContext, Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { honoCallback } from '../../adapters/hono.js'
import type { Callback, CallbackResponse, ReceiverOptions } from '../../src/index.js'
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
import { inProcessHono, listenToHono, type OpenHost, path, requestOf } from '../support/hosts.js'
import type { Sent } from '../support/raw-http.js'

const handled = taken(200, 'handled')
const malformed = problem(400, 'malformed', 'Malformed callback')
const drained = problem(500, 'body-already-read', 'The body was read by something else')

const ways: readonly (readonly [name: string, open: (app: Hono) => Promise<OpenHost>])[] = [
  ['on Node.js', listenToHono],
  ['through app.request()', inProcessHono],
]

let current: AdapterBench
afterEach(() => current.receiver.close())

describe.each(ways)('%s', (_, openApp) => {
  let host: OpenHost
  afterEach(() => host.close())

  /** Opens an app with these before the handler. Middleware that waits for a lost body outlasts the test. */
  async function open(...before: readonly MiddlewareHandler[]): Promise<void> {
    current = await adapterBench({ callbacks: { bodyTimeoutMs: 60_000 } })
    const app = new Hono()
    for (const each of before) app.use(each)
    host = await openApp(app.post(path, honoCallback(current.receiver)))
  }

  async function send(parts: Partial<Sent> = {}): Promise<Expected> {
    return comparable(await host.send(callback(parts)))
  }

  /** Middleware that reads the body first, and ignores errors. */
  function reading(read: (context: Context) => Promise<unknown>): MiddlewareHandler {
    return async (context, next) => {
      await read(context).catch(() => {})
      await next()
    }
  }

  describe('a body that middleware read through c.req', () => {
    const readers: readonly (readonly [name: string, read: (context: Context) => Promise<unknown>])[] = [
      ['as JSON', ({ req }) => req.json()],
      ['as text', ({ req }) => req.text()],
      ['as an ArrayBuffer', ({ req }) => req.arrayBuffer()],
      ['as a Blob', ({ req }) => req.blob()],
      ['twice', async ({ req }) => [await req.arrayBuffer(), await req.json()]],
    ]
    it.each(readers)('%s is used', async (_, read) => {
      await open(reading(read))
      expect(await send()).toEqual(handled)
      expect(current.runs).toHaveLength(1)
    })

    it.each(readers)('%s is malformed as without the middleware', async (_, read) => {
      await open(reading(read))
      expect(await send({ body: '{"approvalId":' })).toEqual(malformed)
      expect(await send({ body: '' })).toEqual(malformed)
    })

    it('as an ArrayBuffer must still be UTF-8', async () => {
      await open(reading(({ req }) => req.arrayBuffer()))
      const body = Buffer.from([...Buffer.from('{"approvalId":"req_1","x":"'), 0xff, 0x22, 0x7d])
      expect(await send({ body })).toEqual(malformed)
    })

    it('that it tried to read as a form is lost, and refused at once', async () => {
      await open(reading(({ req }) => req.formData()))
      expect(await send()).toEqual(drained)
    })
  })

  describe('a body that middleware read past c.req', () => {
    it.each<readonly [string, (context: Context) => Promise<unknown>]>([
      ['as text', ({ req }) => req.raw.text()],
      ['as JSON', ({ req }) => req.raw.json()],
      ['in part', async ({ req }) => req.raw.body?.getReader().read()],
      ['not yet, but holds the reader of', async ({ req }) => req.raw.body?.getReader()],
      ['to its end', async ({ req }) => req.raw.body?.pipeTo(new WritableStream())],
      [
        'in part, its reader released',
        async ({ req }) => {
          const reader = req.raw.body?.getReader()
          await reader?.read()
          reader?.releaseLock()
        },
      ],
    ])('%s is refused at once with the configuration error', async (_, read) => {
      await open(reading(read))
      expect(await send()).toEqual(drained)
      expect(current.events).toContainEqual({ type: 'refused', reason: 'body-already-read', approvalId: null })
      expect(current.storeCalls).toEqual([])
      expect(await send({ framing: 'chunked' })).toEqual(drained)
    })

    it('from a clone is still available', async () => {
      const copies: string[] = []
      await open(reading(async ({ req }) => copies.push(await req.raw.clone().text())))
      const body = bodyFor('req_1').padEnd(200_000)
      expect(await send({ body })).toEqual(handled)
      expect(await send({ body, framing: 'chunked' })).toEqual(handled)
      expect(copies).toEqual([body, body])
    })
  })

  it('reads a body behind a body limit, also of many packets and in chunks', async () => {
    await open(bodyLimit({ maxSize: 250_000 }))
    const body = bodyFor('req_1').padEnd(250_000)
    for (const framing of ['length', 'chunked'] as const) {
      expect(await send({ framing })).toEqual(handled)
      expect(await send({ framing, body })).toEqual(handled)
      expect(await send({ framing, body: `${body} ` })).toMatchObject({ status: 413, body: 'Payload Too Large' })
    }
  })

  it('keeps a body of declared length readable for later middleware', async () => {
    const later: string[] = []
    await open(async ({ req }, next) => {
      await next()
      later.push(await req.text())
    })
    expect(await send()).toEqual(handled)
    expect(later).toEqual([bodyFor('req_1')])
  })

  it('keeps the headers of middleware', async () => {
    await open(cors({ origin: 'https://app.test' }))
    expect(await send({ headers: [agent, json, ['Origin', 'https://app.test']] })).toEqual({
      ...handled,
      headers: { ...handled.headers, 'access-control-allow-origin': 'https://app.test', vary: 'Origin' },
    })
  })

  it('passes on the requested URL, under a base path and a parameter', async () => {
    const urls: string[] = []
    const handle = async ({ url }: Callback): Promise<CallbackResponse> => {
      urls.push(url)
      return { status: 200, headers: {}, body: '{}' }
    }
    current = await adapterBench()
    const app = new Hono<{ Bindings: { KEY: string } }>().basePath('/webhooks').post('/:name', honoCallback({ handle }))
    host = await openApp(new Hono().route('/', app))
    await send({ path: `${path}?cq=token` })
    expect(urls).toEqual([`http://app.test${path}?cq=token`])
  })
})

describe('an execution context', () => {
  const options: Partial<ReceiverOptions> = { callbacks: { ackAfterMs: 20 } }

  async function request(context: ExecutionContext | undefined): Promise<Expected> {
    const app = new Hono().post(path, honoCallback(current.receiver))
    const response = await app.request(requestOf(callback()), undefined, {}, context)
    return comparable({
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: await response.text(),
    })
  }

  function contextOf(waitUntil: ExecutionContext['waitUntil']): ExecutionContext {
    return { waitUntil, passThroughOnException: () => {}, props: {} }
  }

  it('gets the work, so that a slow handler does not delay the response', async () => {
    let finish = (): void => {}
    const running = new Promise<void>((resolve) => {
      finish = resolve
    })
    current = await adapterBench({ ...options, onDecision: () => running })
    const work: Promise<unknown>[] = []
    expect(await request(contextOf((promise) => work.push(promise)))).toEqual(taken(202, 'running'))
    expect(current.eventTypes()).not.toContain('completed')
    finish()
    await Promise.all(work)
    expect(work).toHaveLength(1)
    expect(current.eventTypes()).toContain('completed')
  })

  it('is the this value of its method', async () => {
    current = await adapterBench()
    const work: unknown[] = []
    class Execution {
      readonly props = {}
      readonly #work = work
      waitUntil(promise: Promise<unknown>): void {
        this.#work.push(promise)
      }
      passThroughOnException(): void {}
    }
    expect(await request(new Execution())).toEqual(handled)
    expect(work).toHaveLength(1)
  })

  it('may throw from waitUntil without effect', async () => {
    current = await adapterBench()
    const waitUntil = vi.fn(() => {
      throw new Error('too late for that')
    })
    expect(await request(contextOf(waitUntil))).toEqual(handled)
    expect(waitUntil).toHaveBeenCalledOnce()
    expect(current.runs).toHaveLength(1)
  })

  it('may be missing: the response then waits for the handler', async () => {
    current = await adapterBench({ ...options, onDecision: () => new Promise((resolve) => setTimeout(resolve, 60)) })
    expect(await request(undefined)).toEqual(handled)
  })
})

describe('a mock request', () => {
  async function request(parts: RequestInit): Promise<Response> {
    current = await adapterBench({ callbacks: { maxBodyBytes: 1_000, bodyTimeoutMs: 60_000 } })
    const app = new Hono().post(path, honoCallback(current.receiver))
    const headers = { ...Object.fromEntries([agent, json]), ...parts.headers }
    return app.request(path, { method: 'POST', duplex: 'half', ...parts, headers })
  }

  it('with a declared length and a body in chunks is limited by its actual size', async () => {
    const unended = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1_001)) })
    const headers = { 'content-length': '50', 'transfer-encoding': 'chunked' }
    expect((await request({ body: unended, headers })).status).toBe(413)
  })

  it('with an empty stream is malformed', async () => {
    const texts = new ReadableStream({
      start(controller) {
        controller.enqueue(bodyFor('req_1'))
        controller.close()
      },
    })
    expect((await request({ body: texts })).status).toBe(400)
    expect(current.events).toContainEqual({ type: 'refused', reason: 'malformed', approvalId: null })
  })
})

it('refuses any argument but a receiver when it is called', () => {
  for (const wrong of [undefined, null, {}, { apiKey: 'cq_live_test', onDecision() {} }]) {
    const make = (): unknown => honoCallback(wrong as unknown as AdapterBench['receiver'])
    expect(make).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
    expect(make).toThrow('honoCallback() takes a receiver; pass what createReceiver(options) returned')
  }
})

it('works over HTTP/2, which has no Connection header', async () => {
  current = await adapterBench({ callbacks: { maxBodyBytes: 100 } })
  const app = new Hono().post(path, honoCallback(current.receiver))
  const server = createAdaptorServer({ fetch: app.fetch, createServer: createHttp2Server })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // The address of a TCP server is an object.
  const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const post = async (body: string): Promise<readonly [unknown, string]> => {
    const stream = client.request({ ':method': 'POST', ':path': path, 'user-agent': agent[1], 'content-type': json[1] })
    stream.end(body)
    const [headers] = await once(stream, 'response')
    return [headers[':status'], await text(stream)]
  }
  // Node.js omits such a header and warns.
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  expect(await post('{"approvalId":"req_1"}')).toEqual([200, handled.body])
  expect(await post('x'.repeat(101))).toEqual([413, expect.stringContaining('"body-too-large"')])
  expect(warn).not.toHaveBeenCalled()
  warn.mockRestore()
  client.destroy()
  server.close()
  await once(server, 'close')
})
