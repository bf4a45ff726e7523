import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { request } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import {
  createCallbackUrl,
  createClient,
  fromRequest,
  memoryStore,
  register,
  toResponse,
  type VerifyOptions,
  verifyAndResolve,
} from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { FakeApi } from '../support/fake-api.js'

const details = { orderId: '8842', amount: 120 }
const secret = 'a secret of the core tests'
const webhook = 'https://app.test/webhooks/cheqpoint'

function core(options: Partial<VerifyOptions> = {}) {
  const api = new FakeApi()
  const client = createClient({ apiKey: 'cq_live_test', dispatcher: api })
  const all: VerifyOptions = { store: memoryStore(), client, log: false, ...options }
  api.approve('req_1')
  return { api, options: all, register: () => register('req_1', { action: 'refund', details }, all) }
}

/** A server whose listener is given every request, and its origin. */
async function serve(listener: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  // It listens on a port, as was asked for.
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function send(origin: string, path = '/hook'): Promise<number> {
  const { statusCode, body } = await request(`${origin}${path}`, {
    method: 'POST',
    headers: { 'user-agent': 'Cheqpoint-Callback/1.0', 'content-type': 'application/json' },
    body: JSON.stringify({ approvalId: 'req_1', status: 'approved' }),
  })
  await body.dump()
  return statusCode
}

describe('verifyAndResolve takes', () => {
  it('a Request', async () => {
    const bench = core()
    await bench.register()
    expect(await verifyAndResolve(callbackRequest('req_1'), bench.options)).toMatchObject({ kind: 'ok' })
  })

  it('a Callback', async () => {
    const bench = core()
    await bench.register()
    expect(await verifyAndResolve(fromRequest(callbackRequest('req_1')), bench.options)).toMatchObject({ kind: 'ok' })
  })

  it('an IncomingMessage that parses its body on access, where that throws', async () => {
    const kinds: string[] = []
    const parse = (): never => {
      throw new SyntaxError('Invalid JSON')
    }
    const origin = await serve(async (incoming, response) => {
      const input = Object.defineProperty(incoming, 'body', { get: parse })
      kinds.push(await verifyAndResolve(input, core().options).then(({ kind }) => kind, String))
      response.end()
    })
    await send(origin)
    expect(kinds).toEqual(['malformed'])
  })

  it('an IncomingMessage whose body is unread', async () => {
    const bench = core()
    await bench.register()
    const kinds: string[] = []
    const origin = await serve(async (incoming, response) => {
      const outcome = await verifyAndResolve(incoming, bench.options)
      kinds.push(outcome.kind)
      const { status, headers, body } = toResponse(outcome, { swept: false })
      response.writeHead(status, headers).end(body)
    })
    expect(await send(origin)).toBe(200)
    expect(kinds).toEqual(['ok'])
  })

  it('a request of Express, even if its body has the fields of a Callback', async () => {
    const bench = core()
    await bench.register()
    const incoming = {
      method: 'POST',
      url: '/hook',
      rawHeaders: ['user-agent', 'Cheqpoint-Callback/1.0', 'content-type', 'application/json'],
      headers: { 'user-agent': 'Cheqpoint-Callback/1.0', 'content-type': 'application/json' },
      header: () => 'Cheqpoint-Callback/1.0',
      body: { approvalId: 'req_1', parsed: { approvalId: 'req_2' } },
    }
    // What is read of a request of Express.
    const outcome = await verifyAndResolve(incoming as unknown as IncomingMessage, bench.options)
    expect(outcome).toMatchObject({ kind: 'ok', claim: { approvalId: 'req_1' } })
  })

  it.each([
    ['express.json()', () => express.json()],
    ['express.raw()', () => express.raw({ type: '*/*' })],
    ['express.text()', () => express.text({ type: '*/*' })],
  ])('an IncomingMessage that %s has parsed, behind a router of Express', async (_words, parser) => {
    const { url } = createCallbackUrl('https://app.test/webhooks/cheqpoint', secret)
    const bench = core()
    await bench.register()
    const kinds: string[] = []
    const app = express()
    const router = express.Router()
    router.post('/cheqpoint', parser(), async (incoming, response) => {
      const outcome = await verifyAndResolve(incoming, bench.options)
      kinds.push(outcome.kind)
      response.sendStatus(toResponse(outcome, { swept: false }).status)
    })
    app.use('/webhooks', router)
    const origin = await serve(app)
    expect(await send(origin, `/webhooks/cheqpoint${new URL(url).search}`)).toBe(200)
    expect(kinds).toEqual(['ok'])
  })

  it('an IncomingMessage that was drained elsewhere: it resolves with body-already-read instead of waiting', async () => {
    const bench = core()
    await bench.register()
    const kinds: string[] = []
    const origin = await serve(async (incoming: IncomingMessage, response) => {
      for await (const _chunk of incoming);
      const outcome = await verifyAndResolve(incoming, bench.options)
      kinds.push(outcome.kind)
      response.writeHead(toResponse(outcome, { swept: false }).status).end()
    })
    expect(await send(origin)).toBe(500)
    expect(kinds).toEqual(['body-already-read'])
  })

  it.each([undefined, null, 7, 'text', {}])('nothing else: %j', async (input) => {
    const { options } = core()
    // What the types rule out, plain JavaScript may send.
    const given = input as unknown as Request
    await expect(verifyAndResolve(given, options)).rejects.toMatchObject({ code: 'argument-invalid' })
  })
})

describe('createCallbackUrl and register', () => {
  it('make a URL whose token proves the request that was registered with its reference', async () => {
    const bench = core({ callbackSecret: secret })
    const [mine, strange] = [createCallbackUrl(webhook, secret), createCallbackUrl(webhook, secret)]
    expect(await register('req_1', { action: 'refund', details, ref: mine.ref }, bench.options)).toBe(true)
    expect(await register('req_1', { action: 'refund', details, ref: mine.ref }, bench.options)).toBe(false)
    const verify = async (url: string) =>
      (await verifyAndResolve(callbackRequest('req_1', { url }), bench.options)).kind
    expect(await verify(webhook)).toBe('token-refused')
    expect(await verify(strange.url)).toBe('token-refused')
    expect(bench.api.gets).toEqual([])
    expect(await verify(mine.url)).toBe('ok')
  })

  it('put the token where a function says', async () => {
    const bench = core({ callbackSecret: [secret, 'the secret of last year'] })
    const { url, ref } = createCallbackUrl((token) => `https://app.test/hooks/${token}/x`, 'the secret of last year')
    await register('req_1', { action: 'refund', details, ref }, bench.options)
    expect(await verifyAndResolve(callbackRequest('req_1', { url }), bench.options)).toMatchObject({ kind: 'ok' })
  })

  it('make a token that expires at expiresAt', async () => {
    const expiresAt = new Date(Date.now() + 60_000)
    const { url, ref } = createCallbackUrl(webhook, secret, { expiresAt })
    for (const [now, kind] of [
      [expiresAt.getTime(), 'ok'],
      [expiresAt.getTime() + 1_000, 'token-refused'],
    ] as const) {
      const bench = core({ callbackSecret: secret, clock: { now: () => now, elapsed: () => performance.now() } })
      await register('req_1', { action: 'refund', details, ref }, bench.options)
      expect((await verifyAndResolve(callbackRequest('req_1', { url }), bench.options)).kind).toBe(kind)
    }
  })

  it.each([
    ['a secret that is short', () => createCallbackUrl(webhook, 'short')],
    ['a URL that is none', () => createCallbackUrl('/hook', secret)],
    ['a function that loses the token', () => createCallbackUrl(() => webhook, secret)],
    ['a function that puts it where it is not sent', () => createCallbackUrl((token) => `${webhook}#${token}`, secret)],
    [
      'a function that puts it into the password',
      () => createCallbackUrl((token) => `https://a:${token}@app.test/`, secret),
    ],
    ['a function that throws', () => createCallbackUrl(() => JSON.parse('{'), secret)],
  ])('refuse %s', (_words, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'option-invalid' }))
  })

  it.each([
    ['null', null, 'option-invalid', 'object'],
    ['an unknown name', { expiresIn: 5 }, 'option-unknown', 'did you mean expiresAt?'],
    ['a number', { expiresAt: Date.now() + 60_000 }, 'option-invalid', 'a valid Date'],
    ['a text', { expiresAt: '2100-01-01' }, 'option-invalid', 'a valid Date'],
    ['an invalid Date', { expiresAt: new Date('x') }, 'option-invalid', 'a valid Date'],
    ['a Date of seconds', { expiresAt: new Date(Date.now() / 1_000) }, 'option-invalid', 'in the future'],
  ])('createCallbackUrl refuses options that are wrong: %s', (_words, options, code, words) => {
    // What the types rule out, plain JavaScript may send.
    const given = options as { readonly expiresAt: Date }
    const failure = { code, message: expect.stringContaining(words) }
    expect(() => createCallbackUrl(webhook, secret, given)).toThrow(expect.objectContaining(failure))
  })

  it('register refuses a request without ref if callbackSecret is set, since its callbacks would be refused', async () => {
    const { options } = core({ callbackSecret: secret })
    const failure = { code: 'argument-invalid', message: expect.stringMatching(/^ref .*createCallbackUrl\(\)/) }
    await expect(register('req_1', { action: 'refund', details }, options)).rejects.toMatchObject(failure)
    const { ref } = createCallbackUrl(webhook, secret)
    expect(await register('req_1', { action: 'refund', details, ref }, options)).toBe(true)
  })

  it.each([
    ['an id that is none', 'a/b', { action: 'refund', details }, 'id-invalid'],
    ['no request', 'req_1', undefined, 'argument-invalid'],
    ['an unknown name', 'req_1', { action: 'refund', details, summary: 'x' }, 'argument-invalid'],
    ['details that are no JSON', 'req_1', { action: 'refund', details: { at: 1n } }, 'not-json'],
    [
      'details that are too large',
      'req_1',
      { action: 'refund', details: { x: 'x'.repeat(300_000) } },
      'details-too-large',
    ],
  ])('register refuses %s', async (_words, id, tracked, code) => {
    const { options } = core()
    // What the types rule out, plain JavaScript may send.
    const given = tracked as Parameters<typeof register>[1]
    await expect(register(id, given, options)).rejects.toMatchObject({ code })
  })
})

describe('verifyAndResolve with actions', () => {
  it('types the decision by their schemas', async () => {
    const api = new FakeApi()
    const client = createClient({ apiKey: 'cq_live_test', dispatcher: api })
    const actions = { refund: { details: z.object({ amount: z.number().transform((amount) => `$${amount}`) }) } }
    const options = { store: memoryStore(), client, log: false, actions } as const
    await register('req_1', { action: 'refund', details }, options)
    api.approve('req_1')
    const outcome = await verifyAndResolve(callbackRequest('req_1'), options)
    if (outcome.kind !== 'ok') throw new Error(outcome.kind)
    const { decision } = outcome.claim
    if (decision.status !== 'approved') throw new Error(decision.status)
    // Would not compile if the amount were not the text that the schema makes of it.
    const amount: string = decision.details.amount
    expect(amount).toBe('$120')
    expect(await outcome.claim.complete({ amount })).toBe('completed')
  })
})
