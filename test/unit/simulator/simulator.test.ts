import { execFileSync } from 'node:child_process'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { Pool, request as send } from 'undici'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  type Change,
  createSimulator,
  type DecisionInput,
  type Simulator,
  type SimulatorOptions,
} from '../../../src/simulator/index.js'
import { misbehave } from '../../support/misbehaving-server.js'
import { type CallbackSink, callInside, nextChange, nextSubmission, openSink } from '../../support/simulator-sink.js'

// Taken before any simulator listens.
const globals = { Request: globalThis.Request, Response: globalThis.Response }
const apiKey = 'cq_live_simulated'
const epoch = Date.parse('2026-04-01T09:30:00.000Z')
const refund = {
  action: 'process_refund',
  summary: 'Refund $120.00 for order #8842',
  details: { orderId: '8842', amount: 120, currency: 'USD' },
}

let simulator: Simulator
let sink: CallbackSink
let url: string
let now: number

beforeEach(async () => {
  now = epoch
  sink = await openSink()
  const clock = { now: () => now, elapsed: () => now - epoch }
  simulator = await createSimulator({ apiKey, clock })
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
  readonly body: unknown
}

async function call(
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  key: string | null = apiKey,
): Promise<Answer> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (key !== null) headers['x-api-key'] = key
  const text = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body)
  const answer = await send(`${url}${path}`, { method, headers, body: text, reset: true })
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.json() }
}

const read = (id: string): Promise<Answer> => call('GET', `/api/approvals/${id}`)
const inbound = (extra: object = {}): Promise<Answer> => call('POST', '/api/webhooks/inbound', { ...refund, ...extra })

/** Submits a request that waits for a reviewer and has a callback URL. */
async function submitPending(): Promise<string> {
  const submitted = nextSubmission(simulator)
  await inbound({ callbackUrl: sink.url })
  return submitted
}

describe('POST /api/approvals/request', () => {
  it('answers with a new id and PENDING', async () => {
    const { status, headers, body } = await call('POST', '/api/approvals/request', refund)
    expect(status).toBe(200)
    expect(headers['content-type']).toMatch(/^application\/json/)
    expect(body).toStrictEqual({ id: expect.stringMatching(/^req_[0-9a-z]{17,}$/), status: 'PENDING' })
  })

  it('gives ids that differ even where random does not', async () => {
    const constant = await createSimulator({ apiKey, random: () => 0.5 })
    const post = { method: 'POST', headers: { 'x-api-key': apiKey }, body: JSON.stringify(refund) }
    await callInside(constant, '/api/approvals/request', post)
    await callInside(constant, '/api/approvals/request', post)
    expect(new Set(constant.list().map(({ id }) => id)).size).toBe(2)
  })

  it('sends no callback, because a callback URL is documented for the other endpoint only', async () => {
    const { body } = await call('POST', '/api/approvals/request', { ...refund, callbackUrl: sink.url })
    expect(body).toMatchObject({ status: 'PENDING' })
    const [request] = simulator.list()
    simulator.decide(request?.id ?? '', { status: 'approved' })
    await simulator.settled()
    expect(sink.received).toStrictEqual([])
  })

  it('responds PENDING where a rule decided, and GET has the decision', async () => {
    simulator.rule(() => ({ status: 'rejected', note: 'Over the limit' }))
    const { body } = await call('POST', '/api/approvals/request', refund)
    expect(body).toMatchObject({ status: 'PENDING' })
    const { id = '' } = simulator.list()[0] ?? {}
    expect((await read(id)).body).toMatchObject({ status: 'REJECTED', decisionNote: 'Over the limit' })
  })
})

describe('GET /api/approvals/{id}', () => {
  it('answers with the five documented fields, each null but id and status, while pending', async () => {
    const id = await submitPending()
    const { status, body } = await read(id)
    expect(status).toBe(200)
    expect(body).toStrictEqual({ id, status: 'PENDING', modifiedDetails: null, decisionNote: null, decidedAt: null })
  })

  it('answers with the five documented fields and an upper-case status once decided', async () => {
    const id = await submitPending()
    now += 90_000
    simulator.decide(id, { status: 'approved', note: 'Looks good', modifiedDetails: { amount: 100 } })
    expect((await read(id)).body).toStrictEqual({
      id,
      status: 'APPROVED',
      modifiedDetails: { amount: 100 },
      decisionNote: 'Looks good',
      decidedAt: '2026-04-01T09:31:30.000Z',
    })
  })

  it('passes an undocumented word on', async () => {
    const id = await submitPending()
    simulator.decide(id, { status: 'Approved_by_AI' })
    expect((await read(id)).body).toMatchObject({ status: 'APPROVED_BY_AI' })
  })

  it('keeps keys such as __proto__ in an edit', async () => {
    const id = await submitPending()
    const modifiedDetails = JSON.parse('{"__proto__":{"amount":1},"constructor":2}')
    simulator.decide(id, { status: 'approved', modifiedDetails })
    const { body } = await read(id)
    expect(JSON.stringify(body)).toContain('"modifiedDetails":{"__proto__":{"amount":1},"constructor":2}')
  })

  it.each(['req_unknown', '__proto__', 'constructor'])('answers 404 for the unknown id %s', async (id) => {
    expect(await read(id)).toMatchObject({ status: 404, body: { error: 'Not found' } })
  })
})

describe('POST /api/webhooks/inbound', () => {
  it('answers pending at once, with a review URL on the simulator', async () => {
    const { status, body } = await inbound()
    const { id } = simulator.list()[0] ?? {}
    expect(status).toBe(200)
    expect(body).toStrictEqual({ status: 'pending', approvalId: id, reviewUrl: `${url}/#${id}` })
  })

  it('answers a delayed submission with the decision, and sends no callback for it', async () => {
    const submitted = nextSubmission(simulator)
    const answer = inbound({ maxWaitMs: 10_000, callbackUrl: sink.url })
    const id = await submitted
    simulator.decide(id, { status: 'approved', modifiedDetails: { amount: 80 } })
    expect((await answer).body).toStrictEqual({ status: 'approved', approvalId: id, modifiedDetails: { amount: 80 } })
    expect(simulator.list()[0]).toMatchObject({ status: 'approved', inline: true })
    expect(simulator.deliveries()).toStrictEqual([])
  })

  it.each([
    ['maxWaitMs', 1_500, 1_500],
    ['10 s, whatever more is asked', 3_600_000, 10_000],
  ])(
    'delays a submission for %s, then responds pending, and a later decision is called back',
    async (_, asked, held) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      const post = { method: 'POST', headers: { 'x-api-key': apiKey } }
      const body = JSON.stringify({ ...refund, callbackUrl: sink.url, maxWaitMs: asked })
      let answered = false
      const answer = Promise.resolve(callInside(simulator, '/api/webhooks/inbound', { ...post, body })).finally(() => {
        answered = true
      })
      await nextSubmission(simulator)
      await vi.advanceTimersByTimeAsync(held - 1)
      expect(answered).toBe(false)
      await vi.advanceTimersByTimeAsync(1)
      expect(await (await answer).json()).toMatchObject({ status: 'pending', approvalId: expect.any(String) })
      vi.useRealTimers()
      simulator.decide(simulator.list()[0]?.id ?? '', { status: 'approved' })
      await simulator.settled()
      expect(sink.received).toHaveLength(1)
    },
  )

  it('delays any number of submissions at once without a warning', async () => {
    const warn = vi.spyOn(process, 'emitWarning')
    onTestFinished(() => warn.mockRestore())
    const answers = Array.from({ length: 12 }, () => inbound({ maxWaitMs: 10_000 }))
    await vi.waitUntil(() => simulator.list().length === 12)
    for (const { id } of simulator.list()) simulator.decide(id, { status: 'approved' })
    for (const { body } of await Promise.all(answers)) expect(body).toMatchObject({ status: 'approved' })
    expect(warn).not.toHaveBeenCalled()
  })

  it('stops holding when the caller goes away, so that the decision is called back', async () => {
    const submitted = nextSubmission(simulator)
    const answered = nextChange(simulator, (change) => change.type === 'call' && change.call.status === 200)
    const abort = new AbortController()
    const { signal } = abort
    const body = JSON.stringify({ ...refund, callbackUrl: sink.url, maxWaitMs: 10_000 })
    const headers = { 'x-api-key': apiKey }
    const gone = send(`${url}/api/webhooks/inbound`, { method: 'POST', headers, body, signal }).catch(() => 'gone')
    const id = await submitted
    abort.abort()
    expect(await gone).toBe('gone')
    await answered
    simulator.decide(id, { status: 'approved' })
    await simulator.settled()
    expect(sink.received).toHaveLength(1)
  })

  it.each(['approved', 'rejected'])('answers inline where a rule says %s, and sends no callback', async (status) => {
    simulator.rule(({ action }) => (action === 'process_refund' ? { status } : null))
    const { body } = await inbound({ callbackUrl: sink.url })
    expect(body).toStrictEqual({ status, approvalId: simulator.list()[0]?.id, modifiedDetails: null })
    await simulator.settled()
    expect(sink.received).toStrictEqual([])
  })

  it('must be a function, which is said where it is set', () => {
    // What a caller without types may pass.
    const set = (): void => simulator.rule({ status: 'approved' } as never)
    expect(set).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
  })

  it('leaves requests to reviewers where the rule has no opinion, and after it was taken back', async () => {
    simulator.rule(() => null)
    expect((await inbound()).body).toMatchObject({ status: 'pending' })
    simulator.rule(() => ({ status: 'approved' }))
    simulator.rule(null)
    expect((await inbound()).body).toMatchObject({ status: 'pending' })
  })
})

describe('callbacks', () => {
  it('carry exactly the four documented fields with a lower-case status', async () => {
    const id = await submitPending()
    simulator.decide(id, { status: 'APPROVED', note: 'Approved.' })
    await simulator.settled()
    expect(sink.received).toHaveLength(1)
    expect(sink.received[0]).toMatchObject({
      method: 'POST',
      url: '/webhooks/cheqpoint',
      body: { approvalId: id, status: 'approved', modifiedDetails: null, decisionNote: 'Approved.' },
    })
    expect(Object.keys(sink.received[0]?.body as object)).toStrictEqual([
      'approvalId',
      'status',
      'modifiedDetails',
      'decisionNote',
    ])
  })

  it('carry the documented agent header once, a JSON content type, and no key', async () => {
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.settled()
    const raw = sink.received[0]?.rawHeaders ?? []
    const values = (name: string): readonly string[] =>
      raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name)
    expect(values('user-agent')).toStrictEqual(['Cheqpoint-Callback/1.0'])
    expect(values('content-type')).toStrictEqual(['application/json'])
    expect(raw.join('\n')).not.toContain(apiKey)
  })

  it('go to webhookUrl where the older name is used, query and all', async () => {
    await inbound({ webhookUrl: `${sink.url}?cq=token` })
    simulator.decide(simulator.list()[0]?.id ?? '', { status: 'rejected' })
    await simulator.settled()
    expect(sink.received[0]).toMatchObject({ url: '/webhooks/cheqpoint?cq=token', body: { status: 'rejected' } })
  })

  it('are logged with request and response', async () => {
    const id = await submitPending()
    sink.answers = [{ status: 404 }]
    simulator.decide(id, { status: 'approved' })
    now += 7
    await simulator.settled()
    expect(simulator.deliveries()).toStrictEqual([
      {
        id: 'callback_1',
        approvalId: id,
        url: sink.url,
        cause: 'decision',
        headers: { 'Content-Type': 'application/json', 'User-Agent': 'Cheqpoint-Callback/1.0' },
        body: `{"approvalId":"${id}","status":"approved","modifiedDetails":null,"decisionNote":null}`,
        state: 'ended',
        answer: { status: 404, body: 'noted', error: null },
        createdAt: '2026-04-01T09:30:00.000Z',
        sentAt: expect.stringMatching(/^2026-04-01T09:30:00/),
        endedAt: '2026-04-01T09:30:00.007Z',
      },
    ])
  })

  it('are not repeated, whatever the response', async () => {
    sink.answers = [{ status: 500 }]
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.settled()
    expect(sink.received).toHaveLength(1)
  })

  it('follow no redirect', async () => {
    sink.answers = [{ status: 307, headers: { location: sink.url } }]
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.settled()
    expect(sink.received).toHaveLength(1)
    expect(simulator.deliveries()[0]?.answer).toMatchObject({ status: 307 })
  })

  it('say why there was no response where nothing listens', async () => {
    const id = await submitPending()
    await sink.close()
    simulator.decide(id, { status: 'approved' })
    await simulator.settled()
    const answer = simulator.deliveries()[0]?.answer
    expect(answer).toMatchObject({ status: null, error: expect.stringContaining('ECONNREFUSED') })
  })

  it.each([
    ['50 MB', (response: ServerResponse) => void response.end(Buffer.alloc(50e6, 97))],
    [
      'without an end',
      (response: ServerResponse) => {
        const more = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, 97)));
        }
        response.on('drain', more)
        more()
      },
    ],
  ])('keep 64 KiB of a response of %s, and cut it off there', async (_, respond) => {
    const server = await misbehave((request, response) => {
      request.resume().on('end', () => respond(response))
    })
    const { status, body } = await simulator.sendCallback({ to: server.url, approvalId: 'req_1' })
    expect([status, body]).toEqual([200, 'a'.repeat(65_536)])
    expect(simulator.deliveries().at(-1)?.answer?.body).toBe(body)
    await server.gone(0)
  })

  it('wait 10 s for a response and no longer', async () => {
    sink.answers = [null]
    const arrived = new Promise<void>((resolve) => {
      sink.onCallback = resolve
    })
    const id = await submitPending()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    simulator.decide(id, { status: 'approved' })
    await arrived
    await vi.advanceTimersByTimeAsync(9_999)
    expect(simulator.deliveries()[0]).toMatchObject({ state: 'sending' })
    await vi.advanceTimersByTimeAsync(1)
    await simulator.settled()
    expect(simulator.deliveries()[0]?.answer?.error).toBe('no complete answer within 10000 ms')
  })

  it('are sent again by redeliver', async () => {
    const id = await submitPending()
    simulator.faults.drop = true
    simulator.decide(id, { status: 'approved', note: 'ok' })
    expect(await simulator.redeliver(id)).toStrictEqual({ status: 200, body: 'noted', error: null })
    expect(sink.received[0]?.body).toMatchObject({ approvalId: id, status: 'approved', decisionNote: 'ok' })
    expect(simulator.deliveries().map(({ cause }) => cause)).toStrictEqual(['decision', 'redelivery'])
  })

  it('cannot be redelivered before the decision, without a URL, or for an unknown id', async () => {
    const pending = await submitPending()
    await inbound()
    const withoutUrl = simulator.list()[1]?.id ?? ''
    simulator.decide(withoutUrl, { status: 'approved' })
    for (const id of [pending, withoutUrl, 'req_unknown']) {
      await expect(simulator.redeliver(id)).rejects.toMatchObject({ code: 'argument-invalid' })
    }
  })

  it('can be forged in every part', async () => {
    const answer = await simulator.sendCallback({
      to: `${sink.url}?cq=guess`,
      approvalId: 'req_never_submitted',
      status: 'APPROVED',
      modifiedDetails: { amount: 1_000_000 },
      decisionNote: 'trust me',
      agent: 'Cheqpoint-Callback/9.9',
    })
    expect(answer).toStrictEqual({ status: 200, body: 'noted', error: null })
    expect(sink.received[0]).toMatchObject({
      url: '/webhooks/cheqpoint?cq=guess',
      body: {
        approvalId: 'req_never_submitted',
        status: 'APPROVED',
        modifiedDetails: { amount: 1_000_000 },
        decisionNote: 'trust me',
      },
    })
    expect(sink.received[0]?.rawHeaders).toContain('Cheqpoint-Callback/9.9')
  })

  it('that cannot be sent resolve with the reason', async () => {
    const answer = await simulator.sendCallback({ to: 'no url', approvalId: 'req_1' })
    expect(answer).toMatchObject({ status: null, error: expect.any(String) })
  })
})

describe('what a caller must send', () => {
  it.each([
    ['no key', null],
    ['another key', 'cq_live_other'],
    ['an empty key', ''],
  ])('answers 401 to %s, on every endpoint', async (_, key) => {
    const answers = [
      await call('POST', '/api/approvals/request', refund, key),
      await call('POST', '/api/webhooks/inbound', refund, key),
      await call('GET', '/api/approvals/req_1', undefined, key),
    ]
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 401, body: { error: 'Missing or unknown x-api-key' } })
    }
    expect(simulator.list()).toStrictEqual([])
  })

  it.each([
    ['action', { ...refund, action: undefined }],
    ['action', { ...refund, action: '' }],
    ['summary', { ...refund, summary: 7 }],
    ['details', { ...refund, details: undefined }],
    ['details', { ...refund, details: null }],
    ['details', { ...refund, details: ['8842'] }],
    ['maxWaitMs', { ...refund, maxWaitMs: '10000' }],
    ['maxWaitMs', { ...refund, maxWaitMs: -1 }],
    ['callbackUrl', { ...refund, callbackUrl: '/webhooks/cheqpoint' }],
    ['callbackUrl', { ...refund, callbackUrl: 'file:///etc/passwd' }],
    ['body', '{"action":'],
    ['body', '[]'],
    ['body', ''],
  ])('answers 400 and keeps nothing where %s is wrong (%j)', async (name, body) => {
    for (const path of ['/api/approvals/request', '/api/webhooks/inbound']) {
      const answer = await call('POST', path, body)
      expect(answer).toMatchObject({ status: 400, body: { error: expect.stringContaining(name) } })
    }
    expect(simulator.list()).toStrictEqual([])
  })

  it('answers the next request on a connection where it refused a large body unread', async () => {
    const pool = new Pool(url, { connections: 1 })
    onTestFinished(() => pool.destroy())
    const body = JSON.stringify({ ...refund, details: { text: 'x'.repeat(500_000) } })
    const post = { method: 'POST', path: '/api/webhooks/inbound', body } as const
    const refused = await pool.request({ ...post, headers: { 'x-api-key': 'another' } })
    await refused.body.dump()
    const accepted = await pool.request({ ...post, headers: { 'x-api-key': apiKey } })
    expect([refused.statusCode, accepted.statusCode]).toEqual([401, 200])
    await accepted.body.dump()
  })

  it('answers 404 as JSON where there is no endpoint', async () => {
    expect(await call('GET', '/api/approvals')).toMatchObject({ status: 404, body: { error: 'Not found' } })
  })
})

describe('keys of several assistants', () => {
  const ask = (several: Simulator, id: string, key: string): Response | Promise<Response> =>
    callInside(several, `/api/approvals/${id}`, { headers: { 'x-api-key': key } })

  it('show an assistant its own requests only, under each of its keys', async () => {
    const several = await createSimulator({ apiKeys: { refunds: ['key-a1', 'key-a2'], mails: 'key-b' } })
    const headers = { 'x-api-key': 'key-a1' }
    await callInside(several, '/api/webhooks/inbound', { method: 'POST', headers, body: JSON.stringify(refund) })
    const [request] = several.list()
    expect(request?.assistant).toBe('refunds')
    const id = request?.id ?? ''
    expect((await ask(several, id, 'key-a2')).status).toBe(200)
    expect((await ask(several, id, 'key-b')).status).toBe(404)
    expect(several.requests().map(({ assistant, status }) => [assistant, status])).toStrictEqual([
      ['refunds', 200],
      ['refunds', 200],
      ['mails', 404],
    ])
  })

  it('are distinct even where an assistant has the name of a built-in', async () => {
    const several = await createSimulator({ apiKeys: { constructor: 'key-c' } })
    expect((await ask(several, 'req_1', 'key-c')).status).toBe(404)
    expect(several.requests()[0]?.assistant).toBe('constructor')
  })
})

describe('a wrong argument', () => {
  const callback = { to: 'https://app.test/hook', approvalId: 'req_1' }
  const all: readonly (readonly [keyof Simulator, readonly unknown[], string])[] = [
    ['list', [null, 7, [], { state: 'pending' }], 'list()'],
    ['list', [{ status: 7 }, { status: null }], "status must be a word, such as 'pending'"],
    ['sendCallback', [undefined, null, 7, { ...callback, url: 'x' }], 'what is given to sendCallback()'],
    ['sendCallback', [{}, { approvalId: 'req_1' }, { ...callback, to: 7 }], 'to of sendCallback() must be the URL'],
    ['sendCallback', [{ ...callback, modifiedDetails: { at: 1n } }], 'must be JSON'],
    ['subscribe', [undefined, null, {}], 'subscribe() takes a function'],
    ['fetch', [undefined, null, 'http://127.0.0.1/', {}], 'simulator.fetch() takes a Request'],
  ]
  it.each(all)('of %s() is refused with a code, and the error says what is right', async (name, wrongs, words) => {
    // What a caller without types may pass.
    const method = simulator[name] as (wrong: unknown) => unknown
    const failure = { code: 'argument-invalid', message: expect.stringContaining(words) }
    for (const wrong of wrongs)
      await expect((async () => method.call(simulator, wrong))()).rejects.toMatchObject(failure)
    expect(simulator.deliveries()).toStrictEqual([])
  })

  it('that is a misspelt name gets a suggestion', () => {
    const misspelt: object = { statsu: 'pending' }
    expect(() => simulator.list(misspelt)).toThrow('did you mean status?')
  })
})

describe('decide', () => {
  it('lets the first decision stand and throws on another', async () => {
    const id = await submitPending()
    simulator.decide(id, { status: 'rejected' })
    expect(() => simulator.decide(id, { status: 'approved' })).toThrow(
      expect.objectContaining({ code: 'argument-invalid', approvalId: id }),
    )
    expect(simulator.list()[0]).toMatchObject({ status: 'rejected' })
    await simulator.settled()
    expect(sink.received).toHaveLength(1)
  })

  it('throws on an id that was not submitted', () => {
    expect(() => simulator.decide('req_unknown', { status: 'approved' })).toThrow(
      expect.objectContaining({ code: 'argument-invalid' }),
    )
  })

  it.each<[string, DecisionInput]>([
    ['pending', { status: 'PENDING' }],
    ['an empty word', { status: '' }],
    // What a caller without types may pass.
    ['an edit that is a list', { status: 'approved', modifiedDetails: [] as never }],
    ['an edit that is no object as JSON', { status: 'approved', modifiedDetails: new Date(epoch) as never }],
    ['an edit that is text', { status: 'approved', modifiedDetails: 'amount' as never }],
    ['an edit that is a function', { status: 'approved', modifiedDetails: (() => {}) as never }],
    ['an edit that JSON cannot write', { status: 'approved', modifiedDetails: { amount: 1n } as never }],
    ['a misspelt field', { status: 'approved', ...{ modifiedDetail: { amount: 1 } } }],
    ['nothing', undefined as never],
  ])('throws on %s and leaves the request pending', async (_, decision) => {
    const id = await submitPending()
    expect(() => simulator.decide(id, decision)).toThrow(expect.objectContaining({ code: 'argument-invalid' }))
    expect(simulator.list()[0]?.status).toBe('pending')
  })

  it('keeps the edit as it was when it was made', async () => {
    const id = await submitPending()
    const modifiedDetails = { amount: 100 }
    simulator.decide(id, { status: 'approved', modifiedDetails })
    modifiedDetails.amount = 1_000_000
    expect((await read(id)).body).toMatchObject({ modifiedDetails: { amount: 100 } })
  })
})

describe('what can be read', () => {
  it('lists requests with everything known of them', async () => {
    const id = await submitPending()
    now += 1_000
    simulator.decide(id, { status: 'cancelled', note: null })
    expect(simulator.list()).toStrictEqual([
      {
        id,
        assistant: null,
        ...refund,
        submission: { ...refund, callbackUrl: sink.url },
        callbackUrl: sink.url,
        maxWaitMs: 0,
        submittedAt: '2026-04-01T09:30:00.000Z',
        status: 'cancelled',
        modifiedDetails: null,
        note: null,
        decidedAt: '2026-04-01T09:30:01.000Z',
        inline: false,
      },
    ])
  })

  it('lists the requests of one status, whatever its case', async () => {
    const first = await submitPending()
    const second = await submitPending()
    simulator.decide(first, { status: 'approved' })
    expect(simulator.list({ status: 'pending' }).map(({ id }) => id)).toStrictEqual([second])
    expect(simulator.list({ status: 'APPROVED' }).map(({ id }) => id)).toStrictEqual([first])
    expect(simulator.list({ status: 'rejected' })).toStrictEqual([])
  })

  it('counts every API call, and never shows a key', async () => {
    const id = await submitPending()
    await read(id)
    await call('GET', `/api/approvals/${id}?fresh=1`, undefined, 'cq_live_other')
    expect(simulator.requests()).toStrictEqual([
      { method: 'POST', path: '/api/webhooks/inbound', assistant: null, status: 200, at: '2026-04-01T09:30:00.000Z' },
      { method: 'GET', path: `/api/approvals/${id}`, assistant: null, status: 200, at: '2026-04-01T09:30:00.000Z' },
      { method: 'GET', path: `/api/approvals/${id}`, assistant: null, status: 401, at: '2026-04-01T09:30:00.000Z' },
    ])
    const shown = JSON.stringify([simulator.requests(), simulator.list(), simulator.deliveries()])
    expect(shown).not.toContain('cq_live_')
  })

  it('notifies subscribers of each change until they unsubscribe', async () => {
    const seen: string[] = []
    const stop = simulator.subscribe((change: Change) => seen.push(change.type))
    const id = await submitPending()
    simulator.decide(id, { status: 'approved' })
    await simulator.settled()
    // Call in, request kept, call answered; decided; callback waiting, sending, ended.
    expect(seen).toStrictEqual(['call', 'request', 'call', 'request', 'delivery', 'delivery', 'delivery'])
    stop()
    await inbound()
    expect(seen).toHaveLength(7)
  })

  it('is not disturbed by a subscriber that throws', async () => {
    simulator.subscribe(() => {
      throw new Error('broken')
    })
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.settled()
    expect(sink.received).toHaveLength(1)
  })
})

describe('faults of callbacks', () => {
  it('drop: logs the callback and sends nothing', async () => {
    simulator.faults.drop = true
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.settled()
    expect(sink.received).toStrictEqual([])
    expect(simulator.deliveries()).toMatchObject([{ state: 'dropped', answer: null, sentAt: null }])
  })

  it('duplicate: sends so many more at the same time', async () => {
    simulator.faults.duplicate = 2
    let arrived = 0
    const all = new Promise<void>((resolve) => {
      sink.onCallback = () => {
        arrived++
        if (arrived === 3) resolve()
        // Nobody is answered before everybody is there.
        return all
      }
    })
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.settled()
    expect(new Set(sink.received.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    expect(simulator.deliveries().map(({ cause }) => cause)).toStrictEqual(['decision', 'duplicate', 'duplicate'])
  })

  it('delayMs: sends so long after the decision', async () => {
    simulator.faults.delayMs = 60_000
    const id = await submitPending()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    simulator.decide(id, { status: 'approved' })
    await vi.advanceTimersByTimeAsync(59_999)
    expect(simulator.deliveries()).toMatchObject([{ state: 'waiting', sentAt: null }])
    await vi.advanceTimersByTimeAsync(1)
    vi.useRealTimers()
    await simulator.settled()
    expect(sink.received).toHaveLength(1)
  })

  it('early: the callback is sent before the response to the submission, which is pending', async () => {
    simulator.faults.early = true
    simulator.rule(() => ({ status: 'approved', modifiedDetails: { amount: 90 } }))
    let answered = false
    sink.onCallback = () => {
      expect(answered).toBe(false)
    }
    const { body } = await inbound({ callbackUrl: sink.url }).finally(() => {
      answered = true
    })
    expect(sink.received).toHaveLength(1)
    const id = simulator.list()[0]?.id ?? ''
    expect(body).toMatchObject({ status: 'pending', approvalId: id })
    expect((await read(id)).body).toMatchObject({ status: 'APPROVED', modifiedDetails: { amount: 90 } })
  })

  it('retries: tries again until a 2xx, so many times at most', async () => {
    simulator.faults.retries = 5
    sink.answers = [{ status: 500 }, { status: 409 }, { status: 202 }]
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.settled()
    expect(simulator.deliveries().map(({ cause, answer }) => [cause, answer?.status])).toStrictEqual([
      ['decision', 500],
      ['retry', 409],
      ['retry', 202],
    ])
    simulator.faults.retries = 1
    sink.answers = [{ status: 500 }]
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.settled()
    expect(sink.received).toHaveLength(5)
  })

  it('are read at the decision, so each decision has its own', async () => {
    const dropped = await submitPending()
    const sent = await submitPending()
    simulator.faults.drop = true
    simulator.decide(dropped, { status: 'approved' })
    simulator.faults.drop = false
    simulator.decide(sent, { status: 'approved' })
    await simulator.settled()
    expect(sink.received.map(({ body }) => body)).toMatchObject([{ approvalId: sent }])
  })
})

describe('faults of the API', () => {
  it('api: answers every call with the status and keeps nothing', async () => {
    simulator.faults.api = { status: 429, retryAfter: 7 }
    const answer = await inbound()
    expect(answer).toMatchObject({ status: 429, headers: { 'retry-after': '7' }, body: { error: 'Simulated fault' } })
    expect((await read('req_1')).status).toBe(429)
    expect(simulator.list()).toStrictEqual([])
    expect(simulator.requests().map(({ status }) => status)).toStrictEqual([429, 429])
  })

  it('api: with a count, only so many calls, and the object given is left as it was', async () => {
    const id = await submitPending()
    const fault = { status: 503, count: 2 }
    simulator.faults.api = fault
    expect([(await read(id)).status, (await read(id)).status]).toStrictEqual([503, 503])
    expect(simulator.faults.api).toBeNull()
    expect((await read(id)).status).toBe(200)
    expect(fault).toStrictEqual({ status: 503, count: 2 })
  })

  it('api: with a rate, only that share of the calls', async () => {
    const draws = [0.24, 0.25, 0.1, 0.99]
    const rated = await createSimulator({ apiKey, random: () => draws.shift() ?? 0 })
    rated.faults.api = { status: 500, rate: 0.25 }
    for (let n = 0; n < 4; n++) await callInside(rated, '/api/approvals/req_1', { headers: { 'x-api-key': apiKey } })
    expect(rated.requests().map(({ status }) => status)).toStrictEqual([500, 404, 500, 404])
  })

  it('slowMs: delays a response that was made before', async () => {
    const id = await submitPending()
    simulator.faults.slowMs = 3_000
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const asked = nextChange(simulator, ({ type }) => type === 'call')
    let answered = false
    const headers = { 'x-api-key': apiKey }
    const answer = Promise.resolve(callInside(simulator, `/api/approvals/${id}`, { headers })).finally(() => {
      answered = true
    })
    await asked
    await vi.advanceTimersByTimeAsync(2_999)
    expect(answered).toBe(false)
    simulator.decide(id, { status: 'approved' })
    await vi.advanceTimersByTimeAsync(1)
    expect(await (await answer).json()).toMatchObject({ status: 'PENDING' })
  })

  it('staleReads: this many reads after the decision still return PENDING', async () => {
    const id = await submitPending()
    simulator.faults.staleReads = 2
    await read(id)
    simulator.decide(id, { status: 'approved' })
    const pending = { id, status: 'PENDING', modifiedDetails: null, decisionNote: null, decidedAt: null }
    expect((await read(id)).body).toStrictEqual(pending)
    expect((await read(id)).body).toStrictEqual(pending)
    expect((await read(id)).body).toMatchObject({ status: 'APPROVED' })
  })

  it('staleMs: reads return PENDING until this time after the decision', async () => {
    const id = await submitPending()
    simulator.faults.staleMs = 5_000
    simulator.decide(id, { status: 'approved' })
    now += 4_999
    expect((await read(id)).body).toMatchObject({ status: 'PENDING' })
    now += 1
    expect((await read(id)).body).toMatchObject({ status: 'APPROVED' })
  })

  it('loseSubmitResponse: accepts the request and destroys the socket', async () => {
    simulator.faults.loseSubmitResponse = true
    await expect(inbound({ callbackUrl: sink.url })).rejects.toMatchObject({ code: 'UND_ERR_SOCKET' })
    expect(simulator.requests()).toMatchObject([{ method: 'POST', status: null }])
    const [request] = simulator.list({ status: 'pending' })
    simulator.decide(request?.id ?? '', { status: 'approved' })
    await simulator.settled()
    expect(sink.received).toHaveLength(1)
    expect((await read(request?.id ?? '')).status).toBe(200)
  })

  it('loseSubmitResponse: still answers a submission that was refused', async () => {
    simulator.faults.loseSubmitResponse = true
    expect((await call('POST', '/api/approvals/request', {})).status).toBe(400)
  })

  it('loseSubmitResponse: answers 502 where there is no socket to destroy', async () => {
    simulator.faults.loseSubmitResponse = true
    const post = { method: 'POST', headers: { 'x-api-key': apiKey }, body: JSON.stringify(refund) }
    expect((await callInside(simulator, '/api/approvals/request', post)).status).toBe(502)
    expect(simulator.list()).toHaveLength(1)
  })

  it('throw on a misspelt name', () => {
    const failure = { code: 'argument-invalid', message: expect.stringContaining('no fault is called dorp; known are') }
    expect(() => Object.assign(simulator.faults, { dorp: true })).toThrow(expect.objectContaining(failure))
  })
})

describe('listen and close', () => {
  it('listens on loopback only', async () => {
    const { port } = new URL(url)
    expect(url).toBe(`http://127.0.0.1:${port}`)
    // Any address of 127.0.0.0/8 is this machine; a server on every interface would answer here.
    await expect(send(`http://127.0.0.2:${port}/`)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('rejects a port that is in use, then takes another, and listens only once', async () => {
    const other = await createSimulator({ apiKey })
    onTestFinished(() => other.close())
    const { port } = new URL(url)
    await expect(other.listen(Number(port))).rejects.toMatchObject({
      code: 'argument-invalid',
      cause: { code: 'EADDRINUSE' },
    })
    expect((await other.listen()).port).not.toBe(Number(port))
    await expect(simulator.listen()).rejects.toMatchObject({ code: 'argument-invalid' })
  })

  it('ends callbacks at close, those sent and those that wait, and tries none again', async () => {
    sink.answers = [null]
    const arrived = new Promise<void>((resolve) => {
      sink.onCallback = resolve
    })
    simulator.faults.retries = 3
    simulator.decide(await submitPending(), { status: 'approved' })
    await arrived
    simulator.faults.delayMs = 60_000
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.close()
    expect(simulator.deliveries().map(({ state, answer }) => [state, answer?.error])).toStrictEqual([
      ['ended', 'the simulator was closed'],
      ['ended', 'the simulator was closed'],
    ])
  })

  it('ends delayed submissions and slow responses at close', async () => {
    const headers = { 'x-api-key': apiKey }
    const body = JSON.stringify({ ...refund, maxWaitMs: 10_000 })
    const submitted = nextSubmission(simulator)
    const held = callInside(simulator, '/api/webhooks/inbound', { method: 'POST', headers, body })
    const id = await submitted
    simulator.faults.slowMs = 60_000
    const asked = nextChange(simulator, ({ type }) => type === 'call')
    const slow = callInside(simulator, `/api/approvals/${id}`, { headers })
    await asked
    await simulator.close()
    expect(await (await held).json()).toMatchObject({ status: 'pending', approvalId: id })
    expect((await slow).status).toBe(200)
    // What comes after the end waits for nothing either.
    expect((await callInside(simulator, `/api/approvals/${id}`, { headers })).status).toBe(200)
  })

  it('destroys sockets at close, also one that is in the middle of a request', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    const ended = new Promise<void>((resolve) => {
      socket.on('error', () => {}).on('close', () => resolve())
    })
    const asked = nextChange(simulator, ({ type }) => type === 'call')
    const head = `POST /api/approvals/request HTTP/1.1\r\nhost: local\r\nx-api-key: ${apiKey}\r\n`
    socket.write(`${head}content-length: 100\r\n\r\n{"action":`)
    await asked
    await simulator.close()
    await ended
    await expect(read('req_1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('closes twice, stays readable, and does not listen again', async () => {
    const id = await submitPending()
    await simulator.close()
    await simulator.close()
    expect(simulator.list().map((request) => request.id)).toStrictEqual([id])
    await expect(simulator.listen()).rejects.toMatchObject({ code: 'argument-invalid' })
  })

  it('waits in settled for what a callback causes, and for nothing where nothing is in progress', async () => {
    await simulator.settled()
    const second = await submitPending()
    sink.onCallback = () => {
      sink.onCallback = () => {}
      simulator.decide(second, { status: 'approved' })
    }
    simulator.decide(await submitPending(), { status: 'approved' })
    await simulator.settled()
    expect(sink.received).toHaveLength(2)
  })

  it('leaves the globals of the process alone', () => {
    expect([globalThis.Request === globals.Request, globalThis.Response === globals.Response]).toEqual([true, true])
  })
})

describe('createSimulator', () => {
  it.each<[string, string, SimulatorOptions]>([
    ['option-missing', 'apiKey', {}],
    // What the types rule out, plain JavaScript may send.
    ['option-missing', 'apiKey', undefined as unknown as SimulatorOptions],
    ['option-missing', 'apiKey', null as unknown as SimulatorOptions],
    ['option-invalid', 'apiKey', { apiKey: '' }],
    ['option-invalid', 'apiKey', { apiKey: 'with space' }],
    ['option-invalid', 'apiKey', { apiKey: [] }],
    ['option-invalid', 'apiKey', { apiKey: ['a', 'a'] }],
    ['option-invalid', 'apiKeys', { apiKeys: {} }],
    ['option-invalid', 'apiKeys.mails', { apiKeys: { refunds: 'same', mails: 'same' } }],
    ['option-invalid', 'apiKeys', { apiKey: 'a', apiKeys: { refunds: 'b' } }],
    ['option-invalid', 'clock', { apiKey: 'a', clock: { now: () => 0 } as never }],
    ['option-invalid', 'clock', { apiKey: 'a', clock: null as never }],
    ['option-invalid', 'random', { apiKey: 'a', random: 0.5 as never }],
    ['option-unknown', 'latency', { apiKey: 'a', ...{ latency: 5 } }],
  ])('rejects with %s naming %s', async (code, named, options) => {
    await expect(createSimulator(options)).rejects.toMatchObject({ code, message: expect.stringContaining(named) })
  })

  it('never names a key in an error', async () => {
    const error: unknown = await createSimulator({ apiKey: 'cq live secret' }).catch((thrown: unknown) => thrown)
    expect(String(error)).not.toContain('secret')
  })

  it('loads node:http and no package', () => {
    const hook = `import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent('export const resolve = (name, context, next) => ' +
        '/^(\\\\.|node:|file:)/.test(name) ? next(name, context) : Promise.reject(new Error("loads " + name))'), import.meta.url)`
    const program = `${hook}
      const { createSimulator } = await import('./dist/src/simulator/index.js')
      const simulator = await createSimulator({ apiKey: 'k' })
      const { url } = await simulator.listen()
      await simulator.sendCallback({ to: url, approvalId: 'req_1' })
      console.log((await fetch(url)).status)
      await simulator.close()`
    const args = ['--input-type=module', '-e', program]
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe('200\n')
  })
})
