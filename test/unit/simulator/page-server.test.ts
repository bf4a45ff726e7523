import type { Socket } from 'node:net'
import { request as send } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createSimulator, type Simulator } from '../../../src/simulator/index.js'
import { guarded } from '../../../src/simulator/page/guard.js'
import type { News } from '../../../src/simulator/page/view.js'
import { type CallbackSink, callInside, nextChange, openSink } from '../../support/simulator-sink.js'

const apiKey = 'cq_live_page'
const refund = { action: 'process_refund', summary: 'Refund', details: { amount: 120 } }

let simulator: Simulator
let sink: CallbackSink
let url: string

beforeEach(async () => {
  sink = await openSink()
  simulator = await createSimulator({ apiKey })
  url = (await simulator.listen()).url
})

afterEach(async () => {
  vi.useRealTimers()
  await simulator.close()
  await sink.close()
})

interface Answer {
  readonly status: number
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: string
}

async function call(method: 'GET' | 'POST', path: string, headers: object = {}, body = ''): Promise<Answer> {
  const answer = await send(`${url}${path}`, { method, headers: { ...headers }, body: body || null, reset: true })
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.text() }
}

/** What the page asks for. */
async function ask(action: string, body: unknown): Promise<{ readonly status: number; readonly error: unknown }> {
  const { status, body: text } = await call('POST', `/ui/${action}`, json, JSON.stringify(body))
  return { status, error: text === '' ? null : JSON.parse(text).error }
}

const json = { 'content-type': 'application/json' }

async function submit(extra: object = {}): Promise<string> {
  const body = JSON.stringify({ ...refund, callbackUrl: sink.url, ...extra })
  const answer = await call('POST', '/api/webhooks/inbound', { ...json, 'x-api-key': apiKey }, body)
  return JSON.parse(answer.body).approvalId
}

/** The messages of the feed, one after the other; none after its end, or `stop`. */
interface Listening {
  next(): Promise<News | undefined>
  stop(): void
}

async function listen(): Promise<Listening> {
  const { body } = await send(`${url}/ui/events`)
  const lines = messages(body)
  return {
    stop: () => body.on('error', () => {}).destroy(),
    async next() {
      const { value } = await lines.next().catch(() => ({ value: undefined }))
      return value
    },
  }
}

async function* messages(stream: AsyncIterable<Uint8Array>): AsyncGenerator<News, undefined> {
  let text = ''
  for await (const part of stream) {
    text += Buffer.from(part).toString()
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      yield JSON.parse(text.slice(text.indexOf('data: ') + 6, end))
      text = text.slice(end + 2)
    }
  }
  return undefined
}

describe('the files of the page', () => {
  it.each([
    ['/', 'text/html; charset=utf-8', '<!doctype html>'],
    ['/ui/page.css', 'text/css; charset=utf-8', ':root'],
    ['/ui/icon.svg', 'image/svg+xml; charset=utf-8', '<svg'],
  ])('are served at %s', async (path, type, start) => {
    const { status, headers, body } = await call('GET', path)
    expect([status, headers['content-type']]).toEqual([200, type])
    expect(body.startsWith(start)).toBe(true)
  })

  it('may load only their own files, make no markup of text, and be neither cached nor framed', async () => {
    for (const path of ['/', '/ui/page.css', '/ui/events', '/ui/nothing.js']) {
      const answer = await send(`${url}${path}`)
      const policy = String(answer.headers['content-security-policy']).split('; ')
      expect(policy).toEqual([
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
      ])
      expect(answer.headers['cache-control']).toBe('no-store')
      expect(answer.headers['x-content-type-options']).toBe('nosniff')
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
      answer.body.on('error', () => {}).destroy()
    }
  })

  it.each([
    '/ui/page.html',
    '/ui/nothing.css',
    '/ui/..%2fpage.js',
    '/ui/%2e%2e/page.js',
    '/ui/..%2f..%2f..%2f..%2fpackage.js',
    '/ui/client/app.js',
    '/ui/',
    '/ui',
  ])('are no others: %s is not found', async (path) => {
    expect(await call('GET', path)).toMatchObject({ status: 404, body: '{"error":"Not found"}' })
  })
})

describe('who may use the page', () => {
  it.each(['localhost', 'localhost:4010', '127.0.0.1:4010', '127.8.9.1', '[::1]:4010'])(
    'one who calls it %s',
    async (host) => {
      expect((await call('GET', '/', { host })).status).toBe(200)
      expect((await call('POST', '/ui/faults', { host, ...json, origin: `http://${host}` }, '{}')).status).toBe(204)
    },
  )

  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '127.evil.example',
    '192.168.0.7:4010',
    '0.0.0.0:4010',
    'user@localhost',
    'a b',
    '',
  ])('no request that calls it %j, as a site does whose name was made to lead here', async (host) => {
    for (const path of ['/', '/ui/page.css', '/ui/events']) {
      expect(await call('GET', path, { host })).toMatchObject({ status: expect.toSatisfy((status) => status >= 400) })
    }
    await call('POST', '/ui/faults', { host, ...json }, '{"drop":true}')
    expect(simulator.faults.drop).toBe(false)
  })

  it.each(['http://evil.example', 'http://localhost:1', 'https://127.0.0.1', 'null'])(
    'no page of the origin %s',
    async (origin) => {
      const id = await submit()
      const body = JSON.stringify({ id, status: 'approved' })
      expect((await call('POST', '/ui/decide', { ...json, origin }, body)).status).toBe(403)
      expect((await call('GET', '/ui/events', { origin })).status).toBe(403)
      expect(simulator.list({ status: 'pending' })).toHaveLength(1)
    },
  )

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain; application/json',
  ])('no form, which can send only types such as %s', async (type) => {
    const id = await submit()
    const body = JSON.stringify({ id, status: 'approved' })
    expect((await call('POST', '/ui/decide', { 'content-type': type }, body)).status).toBe(415)
    expect((await call('POST', '/ui/decide', {}, body)).status).toBe(415)
    expect(simulator.list({ status: 'pending' })).toHaveLength(1)
  })

  it('leaves the endpoints of the API to agents at any address', async () => {
    const headers = { 'x-api-key': apiKey, host: 'sim.internal:4010', 'x-forwarded-for': '203.0.113.9' }
    const answer = await call('POST', '/api/webhooks/inbound', headers, JSON.stringify(refund))
    expect(answer.status).toBe(200)
    expect(answer.headers['content-security-policy']).toBeUndefined()
  })

  it.each(['http://app.internal', 'https://localhost.evil.example', 'null'])(
    'refuses the endpoints of the API to a web site: %s',
    async (origin) => {
      const headers = { 'x-api-key': apiKey, origin }
      expect((await call('POST', '/api/webhooks/inbound', headers, JSON.stringify(refund))).status).toBe(403)
      expect(simulator.requests()).toEqual([])
    },
  )

  it.each(['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip'])(
    'refuses the page behind a proxy or a tunnel, which sends %s',
    async (header) => {
      expect((await call('GET', '/', { [header]: '203.0.113.9' })).status).toBe(403)
    },
  )

  it.each([
    ['127.0.0.1', 200],
    ['127.8.9.1', 200],
    ['::1', 200],
    ['::ffff:127.0.0.1', 200],
    ['::ffff:192.168.0.7', 403],
    ['192.168.0.7', 403],
    ['127.0.0.1.evil.example', 403],
    ['fe80::1', 403],
  ])('a peer at %s gets %i from the page', async (remoteAddress, status) => {
    const answer = guarded(async () => new Response('the page'))
    const request = new Request('http://localhost:4010/')
    // The address is all that is read of the socket.
    const socket = { remoteAddress } as Socket
    expect((await answer({ request, path: '/', socket })).status).toBe(status)
  })

  it('is neither logged as a call of the API, nor meets its faults', async () => {
    simulator.faults.api = { status: 500 }
    expect((await call('GET', '/')).status).toBe(200)
    expect(await ask('faults', { drop: true })).toMatchObject({ status: 204 })
    expect(simulator.requests()).toEqual([])
  })
})

describe('what the page can do', () => {
  it('decides a request, with a note and an edit', async () => {
    const id = await submit()
    const edit = { amount: 95 }
    const decision = { id, status: 'approved', note: 'Less.', modifiedDetails: edit }
    const { status, body } = await call('POST', '/ui/decide', json, JSON.stringify(decision))
    expect([status, JSON.parse(body)]).toEqual([200, { id, status: 'approved', callbackUrl: sink.url, inline: false }])
    await simulator.settled()
    expect(sink.received[0]?.body).toStrictEqual({
      approvalId: id,
      status: 'approved',
      modifiedDetails: edit,
      decisionNote: 'Less.',
    })
  })

  it.each<[object, string]>([
    [{ status: 'approved' }, 'id must be text'],
    [{ id: 'ours' }, 'status must be text'],
    [{ id: 'ours', status: 'pending' }, 'status must be a word that decides'],
    [{ id: 'ours', status: 'approved', note: 5 }, 'note must be text or null'],
    [{ id: 'ours', status: 'approved', modifiedDetails: [1] }, 'modifiedDetails must be an object or null'],
  ])('refuses the decision %j', async (body, why) => {
    const own = await submit()
    const answer = await ask('decide', 'id' in body && body.id === 'ours' ? { ...body, id: own } : body)
    expect(answer).toEqual({ status: 409, error: expect.stringContaining(why) })
    expect(simulator.list({ status: 'pending' })).toHaveLength(1)
  })

  it('names the requests that wait where no request has the id', async () => {
    const id = await submit()
    const { status, body } = await call('POST', '/ui/decide', json, '{"id":"req_none","status":"approved"}')
    const error = 'no request has this id'
    expect([status, JSON.parse(body)]).toEqual([404, { id: 'req_none', error, waiting: [id] }])
  })

  it('refuses to decide twice', async () => {
    const id = await submit()
    await ask('decide', { id, status: 'approved' })
    const error = 'the request is decided already: approved'
    expect(await ask('decide', { id, status: 'rejected' })).toEqual({ status: 409, error })
    expect(simulator.list()[0]?.status).toBe('approved')
  })

  it.each(['', 'no JSON', '[]', 'null', '"text"'])('refuses the body %j', async (body) => {
    expect((await call('POST', '/ui/decide', json, body)).status).toBe(400)
  })

  it('delivers the callback of a decided request again, without waiting for its response', async () => {
    const id = await submit()
    await ask('decide', { id, status: 'approved' })
    await simulator.settled()
    sink.answers = [null]
    expect(await ask('redeliver', { id })).toMatchObject({ status: 204 })
    await vi.waitFor(() => expect(sink.received).toHaveLength(2))
    expect(simulator.deliveries().at(-1)).toMatchObject({ cause: 'redelivery', state: 'sending' })
  })

  it('forges a callback, and decides nothing by it', async () => {
    const id = await submit()
    expect(await ask('forge', { id, status: 'approved' })).toMatchObject({ status: 204 })
    await simulator.settled()
    expect(sink.received[0]?.body).toMatchObject({ approvalId: id, status: 'approved' })
    expect(simulator.list({ status: 'pending' })).toHaveLength(1)
  })

  it('refuses to call back where nothing can be called back', async () => {
    const pending = await submit()
    const silent = await submit({ callbackUrl: undefined })
    simulator.decide(silent, { status: 'approved' })
    expect(await ask('redeliver', { id: pending })).toEqual({ status: 409, error: 'the request is not decided' })
    for (const id of [silent, 'req_none']) {
      for (const action of ['redeliver', 'forge']) {
        const error = 'no request with a callback URL has this id'
        expect(await ask(action, { id, status: 'approved' })).toEqual({ status: 409, error })
      }
    }
    expect(simulator.deliveries()).toEqual([])
  })

  it.each<object>([
    { drop: true, duplicate: 2, delayMs: 0.5 },
    { drop: 1 },
    { early: 'true' },
    { duplicate: -1 },
    { duplicate: 1e9 },
    { retries: 101 },
    { slowMs: 86_400_001 },
    { staleReads: null },
    { dorp: true },
    { toString: 'x' },
    { api: 500 },
    { api: { status: 199 } },
    { api: { status: 204 } },
    { api: { status: 600 } },
    { api: { status: 500, rate: 1.1 } },
    { api: { status: 500, count: 0 } },
    { api: { status: 500, retryAfter: 'a\nb' } },
    { api: { status: 500, surprise: 1 } },
  ])('refuses the faults %j, all of them', async (faults) => {
    const before = { ...simulator.faults }
    expect(await ask('faults', faults)).toEqual({
      status: 409,
      error: expect.stringContaining('is not a fault, or out of range'),
    })
    expect({ ...simulator.faults }).toStrictEqual(before)
  })

  it('sets a rule, and leaves all to reviewers again', async () => {
    await ask('rule', { rule: 'reject' })
    const answer = await call('POST', '/api/webhooks/inbound', { 'x-api-key': apiKey }, JSON.stringify(refund))
    expect(JSON.parse(answer.body)).toMatchObject({ status: 'rejected' })
    await ask('rule', { rule: 'off' })
    await submit()
    expect(simulator.list({ status: 'pending' })).toHaveLength(1)
    for (const rule of ['code', 'toString', '']) expect(await ask('rule', { rule })).toMatchObject({ status: 409 })
  })
})

describe('the feed of the page', () => {
  it('begins with everything, and goes on with what changed', async () => {
    const first = await submit()
    simulator.decide(first, { status: 'approved' })
    await simulator.settled()
    const feed = await listen()
    const start = await feed.next()
    expect(start).toMatchObject({ fresh: true, apiKey, rule: 'off', faults: { drop: false } })
    expect(start?.requests).toEqual(simulator.list())
    expect(start?.deliveries).toMatchObject([{ approvalId: first, answer: { status: 200, body: 'noted' } }])
    expect(start?.calls).toMatchObject([{ method: 'POST', path: '/api/webhooks/inbound', status: 200 }])

    simulator.faults.drop = true
    expect(await feed.next())?.toMatchObject({ fresh: false, requests: [], deliveries: [], faults: { drop: true } })
    simulator.rule(() => null)
    expect(await feed.next())?.toMatchObject({ rule: 'code' })
    simulator.rule(null)
    expect(await feed.next())?.toMatchObject({ rule: 'off' })
    const second = callInside(simulator, '/api/approvals/request', {
      method: 'POST',
      headers: { 'x-api-key': apiKey },
      body: JSON.stringify(refund),
    })
    await second
    expect((await feed.next())?.requests.map(({ status }) => status)).toEqual(['pending'])
    feed.stop()
  })

  it('reports a limited fault as it is used up', async () => {
    simulator.faults.api = { status: 500, count: 1 }
    const feed = await listen()
    expect((await feed.next())?.faults.api).toEqual({ status: 500, count: 1 })
    await call('GET', '/api/approvals/any')
    expect((await feed.next())?.faults.api).toBeNull()
    feed.stop()
  })

  it('goes on while a test fakes the time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { body } = await callInside(simulator, '/ui/events')
    if (body === null) throw new Error('no stream')
    const feed = messages(body)
    await feed.next()
    simulator.faults.drop = true
    expect((await feed.next()).value?.faults.drop).toBe(true)
  })

  it('begins with the newest two hundred of each kind, so that what waits is not pushed out', async () => {
    const post = (body: object) =>
      callInside(simulator, '/api/approvals/request', {
        method: 'POST',
        headers: { 'x-api-key': apiKey },
        body: JSON.stringify({ ...refund, ...body }),
      })
    await post({ summary: 'waits' })
    simulator.rule(() => ({ status: 'approved' }))
    for (let count = 0; count < 205; count++) await post({ summary: `decided ${count}` })
    const feed = await listen()
    const start = await feed.next()
    const summaries = start?.requests.map(({ summary }) => summary) ?? []
    expect([summaries.length, summaries[0], summaries[1]]).toEqual([201, 'waits', 'decided 5'])
    expect(start?.calls).toHaveLength(200)
    feed.stop()
  })

  it('survives details nested so deeply that they cannot be written', async () => {
    const feed = await listen()
    await feed.next()
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    const body = `{"action":"a","summary":"s","details":{"deep":${deep}}}`
    const arrived = nextChange(simulator, ({ type }) => type === 'request')
    await call('POST', '/api/approvals/request', { 'x-api-key': apiKey }, body)
    await arrived
    const instead = { '…': 'nested more than 100 levels deep, so not shown' }
    expect((await feed.next())?.requests).toMatchObject([{ summary: 's', details: instead, submission: instead }])
    const again = await listen()
    expect((await again.next())?.requests).toMatchObject([{ details: instead }])
    feed.stop()
    again.stop()
  })

  it('lets go of a page that does not read, and of no other', async () => {
    const stuck = await callInside(simulator, '/ui/events')
    const feed = await listen()
    await feed.next()
    for (let change = 1; change <= 120; change++) {
      simulator.faults.delayMs = change
      expect((await feed.next())?.faults.delayMs).toBe(change)
    }
    const queued = (await stuck.text()).match(/^data: /gm)
    expect(queued).toHaveLength(100)
    feed.stop()
  })

  it('ends with the simulator, and for one who comes after the end', async () => {
    const feed = await listen()
    await feed.next()
    await simulator.close()
    expect(await feed.next()).toBeUndefined()
    const late = await callInside(simulator, '/ui/events')
    expect(await late.text()).toContain('"fresh":true')
  })
})
