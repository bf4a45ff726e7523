import { getEventListeners } from 'node:events'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { MockAgent } from 'undici'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createClient } from '../../../src/cheqpoint/client.js'
import type { Client, ClientOptions, SubmitRequest } from '../../../src/cheqpoint/client-types.js'
import { idMatcher } from '../../../src/cheqpoint/ids.js'
import { CheqpointError } from '../../../src/model/errors.js'
import type { Clock } from '../../../src/util/clock.js'
import { FakeApi } from '../../support/fake-api.js'

const origin = 'https://app.cheqpoint.co'
const key = 'cq_live_canary'
const submission = { action: 'process_refund', summary: 'Refund $120', details: { orderId: '8842', amount: 120 } }

const clock: Clock = { now: () => Date.parse('2026-11-20T10:00:00Z'), elapsed: () => performance.now() }

let agent: MockAgent

beforeEach(() => {
  agent = new MockAgent()
  agent.disableNetConnect()
})

afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  agent.assertNoPendingInterceptors()
  await agent.close()
})

function client(options: Partial<ClientOptions> = {}): Client {
  return createClient({ apiKey: key, dispatcher: agent, ...options })
}

interface Sent {
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: unknown
}

interface Reply {
  readonly status?: number
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

/** Answers calls of one kind with these replies, one after the other, and tells what was sent. */
function expectCalls(call: `${'GET' | 'POST'} ${string}`, ...replies: readonly Reply[]): readonly Sent[] {
  const seen: Sent[] = []
  const [method = '', path = ''] = call.split(' ')
  for (const { status = 200, body = { id: 'req_1', status: 'APPROVED' }, headers = {} } of replies) {
    const data = typeof body === 'string' ? body : JSON.stringify(body)
    const interceptor = agent.get(origin).intercept({ method, path })
    interceptor.reply((sent) => {
      seen.push({ headers: fromPairs(sent.headers), body: sent.body })
      return { statusCode: status, data, responseOptions: { headers } }
    })
  }
  return seen
}

const expectGets = (...replies: readonly Reply[]) => expectCalls('GET /api/approvals/req_1', ...replies)

/** Headers as they were dispatched: names and values in turn. */
function fromPairs(flat: unknown): Readonly<Record<string, unknown>> {
  if (!Array.isArray(flat)) throw new Error('the headers were expected as a list')
  return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]]] : [])))
}

function keysOf(seen: readonly Sent[]): readonly unknown[] {
  return seen.map(({ headers }) => headers['x-api-key'])
}

async function failure(call: Promise<unknown>): Promise<CheqpointError> {
  const error: unknown = await call.then(
    () => new Error('the call was expected to fail'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof CheqpointError)) throw error
  return error
}

function refusalOf(create: () => unknown): CheqpointError {
  try {
    create()
  } catch (error) {
    if (error instanceof CheqpointError) return error
    throw error
  }
  throw new Error('it was expected to throw')
}

describe('createClient', () => {
  const refused: readonly (readonly [name: string, options: unknown, code: string, named: string])[] = [
    ['no key', {}, 'option-missing', 'apiKey'],
    ['a key that is not set', { apiKey: undefined }, 'option-missing', 'apiKey'],
    ['an empty set of keys', { apiKeys: {} }, 'option-missing', 'apiKeys'],
    ['both kinds of keys', { apiKey: key, apiKeys: { billing: key } }, 'option-invalid', 'apiKeys'],
    ['an empty key', { apiKey: '' }, 'option-invalid', 'apiKey'],
    ['an empty list of keys', { apiKey: [] }, 'option-invalid', 'apiKey'],
    ['a list with an empty key', { apiKey: [key, ''] }, 'option-invalid', 'apiKey'],
    ['a key with a space', { apiKey: `${key} ` }, 'option-invalid', 'apiKey'],
    ['a key with a line break', { apiKey: `${key}\r\nx-other: 1` }, 'option-invalid', 'apiKey'],
    ['a key with a final line feed', { apiKey: `${key}\n` }, 'option-invalid', 'apiKey'],
    ['a key beyond ASCII', { apiKey: `${key}é` }, 'option-invalid', 'apiKey'],
    ['a key that is no text', { apiKey: 7 }, 'option-invalid', 'apiKey'],
    ['an assistant without a key', { apiKeys: { billing: undefined } }, 'option-invalid', 'apiKeys.billing'],
    ['keys that are no object', { apiKeys: key }, 'option-invalid', 'apiKeys'],
    ['an unknown name', { apiKey: key, apikey: key }, 'option-unknown', 'apikey'],
    ['an id pattern as text', { apiKey: key, idPattern: 'req_.*' }, 'option-invalid', 'idPattern'],
    ['no time at all', { apiKey: key, timeoutMs: 0 }, 'option-invalid', 'timeoutMs'],
    ['a time that is no number', { apiKey: key, submitTimeoutMs: '5' }, 'option-invalid', 'submitTimeoutMs'],
    ['more time than a timer has', { apiKey: key, timeoutMs: 2_147_483_648 }, 'option-invalid', 'timeoutMs'],
    ['no room for an answer', { apiKey: key, maxResponseBytes: 0 }, 'option-invalid', 'maxResponseBytes'],
    ['a dispatcher that is none', { apiKey: key, dispatcher: {} }, 'option-invalid', 'dispatcher'],
    ['a random that is no function', { apiKey: key, random: 4 }, 'option-invalid', 'random'],
    ['options that are no object', key, 'option-invalid', 'options'],
  ]

  for (const [name, options, code, named] of refused) {
    it(`refuses ${name}`, () => {
      const error = refusalOf(() => createClient(options as ClientOptions))
      expect(error.code).toBe(code)
      expect(error.message).toContain(named)
    })
  }

  it('shows no key in the errors of options that hold one', () => {
    const wrong = [
      { apiKey: `${key} x` },
      { apiKey: [key, ''] },
      { apiKeys: { billing: `${key}\n` } },
      { apiKey: key, apiKeys: { a: key } },
    ]
    for (const options of wrong) expect(inspect(refusalOf(() => createClient(options)))).not.toContain(key)
  })

  it('takes the longest time that a timer has', () => {
    expect(() => client({ timeoutMs: 2_147_483_647, submitTimeoutMs: 1 })).not.toThrow()
  })

  const refusedBases = [
    'http://app.cheqpoint.co',
    'http://localhost.example.com',
    'http://notlocalhost',
    'http://127.0.0.1.example.com',
    'http://128.0.0.1',
    'http://0.0.0.0',
    'ftp://localhost',
    'file:///etc/passwd',
    'app.cheqpoint.co',
    '//app.cheqpoint.co',
    '',
    'https://user:canary@app.cheqpoint.co',
    'https://canary@app.cheqpoint.co',
    'https://:canary@app.cheqpoint.co',
    'https://app.cheqpoint.co/?token=canary',
    'https://app.cheqpoint.co/#canary',
  ]
  for (const baseUrl of refusedBases) {
    it(`refuses to send a key to '${baseUrl}'`, () => {
      const error = refusalOf(() => client({ baseUrl }))
      expect(error.code).toBe('option-invalid')
      expect(error.message).toContain('baseUrl')
      expect(error.message).not.toContain('canary')
    })
  }

  const acceptedBases = [
    'https://cheqpoint.internal:8443/proxy/',
    'http://localhost:3000',
    'http://127.0.0.1',
    'http://127.9.9.9',
    'http://[::1]:80',
  ]
  for (const baseUrl of acceptedBases) {
    it(`takes '${baseUrl}'`, () => {
      expect(() => client({ baseUrl })).not.toThrow()
    })
  }

  it('lets a key be seen neither in the client nor in its text forms', () => {
    const made = client({ apiKey: [key, `${key}_2`] })
    expect(inspect(made, { showHidden: true, depth: Number.POSITIVE_INFINITY })).not.toContain('canary')
    expect(JSON.stringify(made)).not.toContain('canary')
    expect(String(made)).not.toContain('canary')
  })
})

describe('what is sent', () => {
  it('requests an approval with the key, as plain JSON, without caches', async () => {
    const seen = expectGets({})
    await client().get('req_1')
    expect(seen).toEqual([
      {
        headers: {
          'x-api-key': key,
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'cheqpoint-callback',
          'cache-control': 'no-cache',
        },
        body: null,
      },
    ])
  })

  it('goes below the path of the base URL', async () => {
    expectCalls('GET /proxy/v1/api/approvals/req_1', {})
    expect(await client({ baseUrl: `${origin}/proxy/v1/` }).get('req_1')).toMatchObject({ status: 'approved' })
  })

  for (const [method, path] of [
    ['request', '/api/approvals/request'],
    ['inbound', '/api/webhooks/inbound'],
  ] as const) {
    it(`posts a request as it is to ${path}`, async () => {
      const seen = expectCalls(`POST ${path}`, { body: { id: 'req_1', status: 'PENDING' } })
      const full = {
        ...submission,
        riskLevel: 'high',
        riskScore: 0.9,
        justification: 'damaged',
        priority: 'urgent',
        agentName: 'support',
        metadata: { ticket: 'T-1' },
        maxWaitMs: 10_000,
        callbackUrl: 'https://shop.example.com/hook?cq=1',
        expiresAt: '2026-11-24T00:00:00.000Z',
      } as const
      await client({ clock })[method](full)
      expect(JSON.parse(String(seen[0]?.body))).toEqual(full)
      expect(seen[0]?.headers).toEqual({
        'x-api-key': key,
        accept: 'application/json',
        'accept-encoding': 'identity',
        'user-agent': 'cheqpoint-callback',
        'content-type': 'application/json',
      })
    })
  }

  for (const expiresAt of [
    new Date('2026-11-24T06:30:00Z'),
    Date.UTC(2026, 10, 24, 6, 30),
    '2026-11-24T07:30:00+01:00',
  ]) {
    it(`writes an expiry given as ${typeof expiresAt} as an ISO date, and leaves the caller's object alone`, async () => {
      const seen = expectCalls('POST /api/approvals/request', {})
      await client({ clock }).request(Object.freeze({ ...submission, expiresAt }))
      expect(JSON.parse(String(seen[0]?.body))).toEqual({ ...submission, expiresAt: '2026-11-24T06:30:00.000Z' })
    })
  }

  it.each<readonly [string, unknown]>([
    ['an invalid Date', new Date(Number.NaN)],
    ['NaN', Number.NaN],
    ['a word', 'tomorrow'],
    ['null', null],
    ['a list', [2027]],
    ['this moment', clock.now()],
    ['a past date', '2026-11-20T09:59:59Z'],
    ['seconds', clock.now() / 1000 + 3600],
  ])('refuses %s as expiresAt before anything is sent', async (_, expiresAt) => {
    // Wrong types on purpose: callers without TypeScript exist.
    const request = { ...submission, expiresAt } as SubmitRequest
    const error = await failure(client({ clock }).request(request))
    expect(error.code).toBe('argument-invalid')
    expect(error.message).toMatch(
      /^expiresAt must be (a valid Date|in the future; a Date takes milliseconds, not seconds)$/,
    )
  })

  it('refuses details that are no plain JSON before anything is sent, and quotes nothing of them', async () => {
    const circle: Record<string, unknown> = { canary: 'canary' }
    circle['again'] = circle
    const lossy = [new Map([['canary', 1]]), { amount: Number.NaN }, { at: new Date() }, { rows: new Set([1]) }]
    for (const details of [circle, { amount: 120n }, ...lossy]) {
      const error = await failure(client().inbound({ ...submission, details }))
      expect(error.code).toBe('not-json')
      expect(error.message).toMatch(/^request\.details/)
      expect(inspect(error)).not.toContain('canary')
    }
  })
})

describe('an id', () => {
  const refused = [
    '',
    '.',
    '..',
    '...',
    '%2e%2e',
    '../../x',
    '//host',
    '\\\\host',
    'a/b',
    'a\\b',
    'a?b',
    'a#b',
    'a%20b',
    'a b',
    'a\n',
    'a\r\nb',
    'a\0',
    'a\u2028b',
    'req_\u0430',
    '\ud800',
    'a'.repeat(129),
    '{"$gt":""}',
    7,
    true,
    ['req_1'],
    null,
    undefined,
  ]
  for (const id of refused) {
    it(`such as ${JSON.stringify(id)?.slice(0, 20)} is refused before anything is sent`, async () => {
      const error = await failure(client().get(id as string))
      expect(error).toMatchObject({ code: 'id-invalid', approvalId: undefined })
    })
  }

  for (const id of ['a', 'a'.repeat(128), 'req_abc-123', '__proto__', 'constructor', '-', '0']) {
    it(`such as ${id.slice(0, 20)} is requested unchanged`, async () => {
      expectCalls(`GET /api/approvals/${id}`, { body: `{"id":"${id}","status":"PENDING"}` })
      expect(await client().get(id)).toMatchObject({ id, status: 'pending' })
    })
  }
})

describe('idMatcher', () => {
  it('matches the whole id, whatever anchors and flags the pattern has', () => {
    for (const pattern of [/req_\d+/, /^req_\d+$/, /req_\d+/g, /req_\d+/y, /^req_\d+$/m, /x|req_\d+/u]) {
      const isId = idMatcher(pattern)
      for (let again = 0; again < 2; again++) expect(isId('req_12')).toBe(true)
      for (const id of ['areq_12', 'req_12a', 'req_12\n', 'req_1\nreq_2', '\nreq_12', 'REQ_12'])
        expect(isId(id)).toBe(false)
    }
  })

  it('takes a pattern of another realm', () => {
    const isId = idMatcher(runInNewContext('/req_[0-9]+/'))
    expect([isId('req_12'), isId('req_12a')]).toEqual([true, false])
  })

  it('keeps the i flag', () => {
    expect(idMatcher(/req_\d+/i)('REQ_12')).toBe(true)
  })

  it('leaves the pattern as it was', () => {
    const pattern = /req_\d+/g
    pattern.lastIndex = 3
    idMatcher(pattern)('req_12')
    expect(pattern.lastIndex).toBe(3)
  })

  it('refuses an id that would change the path, though the pattern admits it', () => {
    const isId = idMatcher(/[\s\S]*/)
    for (const id of [
      '/',
      '..',
      'ab/../',
      'ab%2fc',
      'abcde?',
      'abcde#',
      'ab\\..a',
      '......',
      '.......',
      'ab cde',
      'abcde\n',
      'abcdeé',
    ]) {
      expect(isId(id)).toBe(false)
    }
    expect(isId('abc.de')).toBe(true)
  })

  it('refuses an empty id and one of more than 512 characters, though the pattern admits them', () => {
    const isId = idMatcher(/a*/)
    expect([0, 1, 512, 513].map((length) => isId('a'.repeat(length)))).toEqual([false, true, true, false])
  })
})

describe('a response', () => {
  it('is what the API returns for the approval', async () => {
    const body = {
      id: 'req_1',
      status: 'APPROVED',
      modifiedDetails: { amount: 100 },
      decisionNote: 'Partly',
      decidedAt: '2026-11-23T12:00:00.000Z',
      other: [1],
    }
    expectGets({ body })
    expect(await client().get('req_1')).toEqual({
      id: 'req_1',
      status: 'approved',
      word: 'APPROVED',
      modifiedDetails: { amount: 100 },
      note: 'Partly',
      decidedAt: '2026-11-23T12:00:00.000Z',
      reviewUrl: null,
      servedAt: null,
    })
  })

  const unreadable: readonly (readonly [name: string, body: unknown])[] = [
    ['nothing', ''],
    ['HTML', '<!doctype html><p>canary</p>'],
    ['truncated JSON', '{"id":"req_1","status":"APPROVED","decisionNote":"canary'],
    ['two JSON texts', '{"id":"req_1","status":"APPROVED"}{"canary":1}'],
    ['a byte order mark', '\ufeff{"id":"req_1","status":"APPROVED"}'],
    ['null', null],
    ['a list', [{ id: 'req_1', status: 'APPROVED' }]],
    ['a text', '"APPROVED"'],
    ['an error object', { error: 'canary' }],
    ['no status', { id: 'req_1' }],
    ['a status that is no text', { id: 'req_1', status: true }],
    ['no id', { status: 'APPROVED' }],
    ['an id that is no text', { id: 1, status: 'APPROVED' }],
    ['another id', { id: 'req_2', status: 'APPROVED' }],
    ['another id in other letters', { id: 'REQ_1', status: 'APPROVED' }],
    ['another approvalId', { approvalId: 'req_2', status: 'APPROVED' }],
    ['two ids that disagree', { id: 'req_1', approvalId: 'req_2', status: 'APPROVED' }],
    ['an edit that is a list', { id: 'req_1', status: 'APPROVED', modifiedDetails: ['canary'] }],
    ['an edit that is a text', { id: 'req_1', status: 'APPROVED', modifiedDetails: 'canary' }],
    [
      'an edit nested too deep',
      `{"id":"req_1","status":"APPROVED","modifiedDetails":${'{"a":'.repeat(64)}1${'}'.repeat(64)}}`,
    ],
  ]
  for (const [name, body] of unreadable) {
    it(`with ${name} is unreadable, and the error quotes nothing of it`, async () => {
      expectGets({ body })
      const error = await failure(client().get('req_1'))
      expect(error.code).toBe('api-unreadable')
      expect(inspect(error, { depth: 10 })).not.toContain('canary')
    })
  }

  it('of 204 is unreadable, and so is one of 202 without JSON', async () => {
    expectGets({ status: 204, body: '' }, { status: 202, body: 'OK' })
    const asking = client()
    expect(await failure(asking.get('req_1'))).toMatchObject({ code: 'api-unreadable', httpStatus: 204 })
    expect(await failure(asking.get('req_1'))).toMatchObject({ code: 'api-unreadable', httpStatus: 202 })
  })

  it('to a submission may name no id', async () => {
    expectCalls('POST /api/webhooks/inbound', { status: 201, body: { status: 'approved', modifiedDetails: null } })
    expect(await client().inbound(submission)).toMatchObject({ id: null, status: 'approved' })
  })

  it('to a submission may still be pending, with a page for the reviewer', async () => {
    const body = { status: 'pending', approvalId: 'req_1', reviewUrl: 'https://app.cheqpoint.co/r/1' }
    expectCalls('POST /api/webhooks/inbound', { body })
    expect(await client().inbound(submission)).toMatchObject({
      id: 'req_1',
      status: 'pending',
      reviewUrl: body.reviewUrl,
    })
  })
})

describe('a refusal', () => {
  const statuses: readonly (readonly [status: number, code: string])[] = [
    [300, 'api-redirect'],
    [400, 'api-refused'],
    [401, 'api-key-refused'],
    [402, 'api-refused'],
    [403, 'api-key-refused'],
    [404, 'api-not-found'],
    [408, 'api-refused'],
    [409, 'api-refused'],
    [410, 'api-refused'],
    [422, 'api-refused'],
    [428, 'api-refused'],
    [429, 'api-throttled'],
    [430, 'api-refused'],
    [499, 'api-refused'],
    [500, 'api-failed'],
    [502, 'api-failed'],
    [503, 'api-failed'],
    [504, 'api-failed'],
    [599, 'api-failed'],
  ]
  for (const [status, code] of statuses) {
    it(`of ${status} is ${code} for a GET and for a submission, whatever the body claims`, async () => {
      const body = { id: 'req_1', status: 'APPROVED', decisionNote: 'canary' }
      expectGets({ status, body })
      expectCalls('POST /api/approvals/request', { status, body })
      for (const call of [client().get('req_1'), client().request(submission)]) {
        const error = await failure(call)
        expect(error).toMatchObject({ code, httpStatus: status, retryAfterMs: undefined })
        expect(error.cause).toBeUndefined()
        expect(inspect(error, { showHidden: true, depth: 10 })).not.toContain('canary')
      }
    })
  }

  const waits: readonly (readonly [header: string, ms: number | undefined])[] = [
    ['7', 7_000],
    ['Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
    ['Mon, 23 Nov 2026 11:00:00 GMT', 1_000],
    ['315360000', 900_000],
    ['soon', undefined],
  ]
  for (const [header, ms] of waits) {
    it(`with Retry-After: ${header} has retryAfterMs ${ms}`, async () => {
      const clock = { now: () => Date.UTC(2026, 10, 23, 12), elapsed: () => 0 }
      const asking = client({ clock })
      expectGets(
        { status: 429, headers: { 'retry-after': header } },
        { status: 503, headers: { 'retry-after': header } },
      )
      expect(await failure(asking.get('req_1'))).toMatchObject({ code: 'api-throttled', retryAfterMs: ms })
      expect(await failure(asking.get('req_1'))).toMatchObject({ code: 'api-failed', retryAfterMs: ms })
    })
  }

  it('is never repeated by the client itself', async () => {
    const seen = expectGets({ status: 503 })
    await failure(client().get('req_1'))
    expect(seen).toHaveLength(1)
  })
})

describe('the network', () => {
  it('failing in a way that carries headers and a body leaves none of them in the error', async () => {
    const cause = Object.assign(new Error('canary'), {
      code: 'ECONNRESET',
      headers: { 'x-api-key': key },
      body: 'canary',
    })
    agent.get(origin).intercept({ method: 'GET', path: '/api/approvals/req_1' }).replyWithError(cause)
    const error = await failure(client().get('req_1'))
    expect(error.code).toBe('api-unreachable')
    expect(error.message).toContain('ECONNRESET')
    expect(inspect(error, { showHidden: true, depth: 10 })).not.toContain('canary')
  })

  it('failing with a code that is no code leaves it out', async () => {
    const cause = Object.assign(new Error('x'), { code: `canary ${key}`, name: 'canary\n' })
    agent.get(origin).intercept({ method: 'GET', path: '/api/approvals/req_1' }).replyWithError(cause)
    const error = await failure(client().get('req_1'))
    expect(error.code).toBe('api-unreachable')
    expect(error.message).not.toContain('canary')
  })

  for (const code of ['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']) {
    it(`failing with ${code} is a time-out`, async () => {
      agent
        .get(origin)
        .intercept({ method: 'GET', path: '/api/approvals/req_1' })
        .replyWithError(Object.assign(new Error(), { code }))
      expect((await failure(client().get('req_1'))).code).toBe('api-timeout')
    })
  }

  it('refused by a dispatcher that throws at once is unreachable', async () => {
    const error = await failure(client().get('req_nobody_expects'))
    expect(error.code).toBe('api-unreachable')
  })
})

describe('a call with wrong arguments', () => {
  const wait = { timeoutMs: 60_000 }

  it.each<[string, string, (client: Client, wrong: never) => Promise<unknown>, readonly unknown[]]>([
    ['get()', 'must be an object', (client, wrong) => client.get('req_1', wrong), [null, 7]],
    ['get()', 'did you mean signal?', (client, wrong) => client.get('req_1', wrong), [{ signals: 1 }]],
    ['get()', 'signal must be an AbortSignal', (client, wrong) => client.get('req_1', wrong), [{ signal: {} }]],
    ['request()', 'the request must be an object', (client, wrong) => client.request(wrong), [undefined, null, 7]],
    ['inbound()', 'the request must be an object', (client, wrong) => client.inbound(wrong), [undefined, null, 7]],
    ['inbound()', 'must be an object', (client, wrong) => client.inbound(submission, wrong), [null, 7]],
    [
      'waitForDecision()',
      'timeoutMs must be',
      (client, wrong) => client.waitForDecision('req_1', wrong),
      [undefined, {}],
    ],
    ['waitForDecision()', 'must be an object', (client, wrong) => client.waitForDecision('req_1', wrong), [null, 7]],
    [
      'waitForDecision()',
      'did you mean timeoutMs?',
      (client, wrong) => client.waitForDecision('req_1', wrong),
      [{ timeoutMS: 1 }],
    ],
    [
      'waitForDecision()',
      'signal must be an AbortSignal',
      (client, wrong) => client.waitForDecision('req_1', wrong),
      [{ ...wait, signal: 1 }],
    ],
  ])('rejects %s with argument-invalid and names the fix: %s', async (_method, words, call, wrongs) => {
    for (const wrong of wrongs) {
      // What the types rule out, plain JavaScript may send.
      const error = await failure(call(client(), wrong as never))
      expect(error).toMatchObject({ code: 'argument-invalid', message: expect.stringContaining(words) })
    }
  })
})

it('a dispatcher that does not know the handlers of undici 7 is named in the error', async () => {
  const older = Object.assign(Object.create(MockAgent.prototype), {
    dispatch() {
      throw Object.assign(new Error('invalid onConnect method'), { code: 'UND_ERR_INVALID_ARG' })
    },
  })
  const error = await failure(client({ dispatcher: older }).get('req_1'))
  expect(error.code).toBe('api-unreachable')
  expect(error.message).toBe(
    'the exchange with the API failed (UND_ERR_INVALID_ARG); the option dispatcher must be of undici 7',
  )
})

describe('a signal', () => {
  it.each<[string, (client: Client, signal: AbortSignal) => Promise<unknown>]>([
    ['get()', (client, signal) => client.get('req_1', { signal })],
    ['waitForDecision()', (client, signal) => client.waitForDecision('req_1', { timeoutMs: 60_000, signal })],
  ])(
    'may be shared by any number of calls of %s: it has one listener, of which Node.js does not warn',
    async (_, call) => {
      const given = new AbortController()
      const { signal } = given
      const many = createClient({ apiKey: key, dispatcher: new FakeApi() })
      const ended = Array.from({ length: 12 }, () => failure(call(many, signal)))
      expect(getEventListeners(signal, 'abort')).toHaveLength(1)
      given.abort()
      for (const { code } of await Promise.all(ended)) expect(code).toBe('aborted')
      expect(getEventListeners(signal, 'abort')).toEqual([])
    },
  )

  it('that is aborted already sends nothing', async () => {
    const error = await failure(client().get('req_1', { signal: AbortSignal.abort(new Error('canary')) }))
    expect(error.code).toBe('aborted')
  })

  it('loses its listener when the response is there, and the time-out ends', async () => {
    const { signal } = new AbortController()
    const add = vi.spyOn(signal, 'addEventListener')
    const remove = vi.spyOn(signal, 'removeEventListener')
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    expectGets({}, {})
    await client().get('req_1', { signal })
    await client().waitForDecision('req_1', { signal, timeoutMs: 60_000 })
    expect(add).toHaveBeenCalledTimes(2)
    expect(remove.mock.calls).toEqual(add.mock.calls)
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })
})

describe('several keys of an assistant', () => {
  const keys = ['old', 'new', 'newer']
  const body = { id: 'req_1', status: 'PENDING' }

  it('are tried in order while the API refuses them, and the one that worked comes first from then on', async () => {
    const seen = expectGets({ status: 401 }, { status: 403 }, { body }, { body })
    const asking = client({ apiKey: keys })
    await asking.get('req_1')
    await asking.get('req_1')
    expect(keysOf(seen)).toEqual(['old', 'new', 'newer', 'newer'])
  })

  it('are each tried once, the one that worked last first', async () => {
    const seen = expectGets({ status: 401 }, { body }, { status: 401 }, { status: 403 }, { status: 401 }, { body })
    const asking = client({ apiKey: keys })
    await asking.get('req_1')
    expect(await failure(asking.get('req_1'))).toMatchObject({ code: 'api-key-refused', httpStatus: 401 })
    await asking.get('req_1')
    expect(keysOf(seen)).toEqual(['old', 'new', 'new', 'old', 'newer', 'new'])
  })

  for (const status of [400, 404, 429, 500]) {
    it(`are not tried after ${status}`, async () => {
      const seen = expectGets({ status })
      await failure(client({ apiKey: keys }).get('req_1'))
      expect(keysOf(seen)).toEqual(['old'])
    })
  }

  it('are tried for a submission too, since a refused key has created nothing', async () => {
    const seen = expectCalls('POST /api/approvals/request', { status: 401 }, { body })
    expect(await client({ apiKey: keys }).request(submission)).toMatchObject({ status: 'pending' })
    expect(keysOf(seen)).toEqual(['old', 'new'])
  })

  it('are copied at creation', async () => {
    const given = ['old', 'new']
    const asking = client({ apiKey: given })
    given.fill('changed')
    const seen = expectGets({ status: 401 }, {})
    await asking.get('req_1')
    expect(keysOf(seen)).toEqual(['old', 'new'])
  })
})

describe('several assistants', () => {
  const apiKeys = { billing: ['b1', 'b2'], support: 's1' }
  const asking = () => client({ apiKey: undefined, apiKeys })

  it('use their own keys alone', async () => {
    const seen = expectGets({ status: 401 }, { status: 401 }, {})
    const calls = asking()
    expect(await failure(calls.get('req_1', { assistant: 'billing' }))).toMatchObject({ code: 'api-key-refused' })
    await calls.get('req_1', { assistant: 'support' })
    expect(keysOf(seen)).toEqual(['b1', 'b2', 's1'])
  })

  for (const assistant of [undefined, null, 'unknown', 'toString', '__proto__']) {
    it(`do not lend a key to ${assistant}`, async () => {
      expect(await failure(asking().get('req_1', { assistant }))).toMatchObject({ code: 'assistant-unknown' })
      expect(await failure(asking().request(submission, { assistant }))).toMatchObject({ code: 'assistant-unknown' })
    })
  }

  it('are named by the client, which names none where there is one key for all', () => {
    expect([...(asking().assistants ?? [])]).toEqual(['billing', 'support'])
    expect(client().assistants).toBeNull()
  })

  it('cannot be named where there is one key for all', async () => {
    expect(await failure(client().get('req_1', { assistant: 'billing' }))).toMatchObject({ code: 'assistant-unknown' })
  })
})

describe('waitForDecision', () => {
  const pending = { body: { id: 'req_1', status: 'PENDING' } }
  const approved = { body: { id: 'req_1', status: 'APPROVED' } }

  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 10, 23, 12) })
  })

  /** The wait's end, and how far the clock was then. */
  function watch(wait: Promise<unknown>) {
    const started = Date.now()
    const ended: { after?: number; value?: unknown } = {}
    const end = (value: unknown) => Object.assign(ended, { after: Date.now() - started, value })
    void wait.then(end, end)
    return ended
  }

  it('polls at once, and resolves with the decision that is there', async () => {
    expectGets(approved)
    expect(await client().waitForDecision('req_1', { timeoutMs: 60_000 })).toMatchObject({ status: 'approved' })
  })

  it('polls every five seconds, through pending and unknown words, until there is a decision', async () => {
    const rejected = { body: { id: 'req_1', status: 'REJECTED' } }
    const seen = expectGets(pending, { body: { id: 'req_1', status: 'ESCALATED' } }, rejected)
    const ended = watch(client({ random: () => 0.5 }).waitForDecision('req_1', { timeoutMs: 60_000 }))
    await vi.advanceTimersByTimeAsync(4_999)
    expect(seen).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1)
    expect(seen).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(ended).toMatchObject({ after: 10_000, value: { status: 'rejected' } })
    expect(vi.getTimerCount()).toBe(0)
  })

  for (const [random, ms] of [
    [0, 800],
    [0.999_999, 1_200],
  ] as const) {
    it(`varies its interval by a fifth: ${ms} ms for 1,000`, async () => {
      expectGets(pending, approved)
      const ended = watch(
        client({ random: () => random }).waitForDecision('req_1', { timeoutMs: 60_000, intervalMs: 1_000 }),
      )
      await vi.advanceTimersByTimeAsync(5_000)
      expect(ended.after).toBe(ms)
    })
  }

  it('continues after 429, 5xx, unreadable responses and lost connections', async () => {
    agent.get(origin).intercept({ method: 'GET', path: '/api/approvals/req_1' }).replyWithError(new Error('lost'))
    expectGets({ status: 429 }, { status: 500 }, { body: '<html>' }, approved)
    const ended = watch(client({ random: () => 0.5 }).waitForDecision('req_1', { timeoutMs: 60_000 }))
    await vi.advanceTimersByTimeAsync(20_000)
    expect(ended).toMatchObject({ after: 20_000, value: { status: 'approved' } })
  })

  it('continues after a poll that times out', async () => {
    agent.get(origin).intercept({ method: 'GET', path: '/api/approvals/req_1' }).reply(200, {}).delay(60_000)
    expectGets(approved)
    const ended = watch(client({ random: () => 0.5 }).waitForDecision('req_1', { timeoutMs: 60_000 }))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(ended).toMatchObject({ after: 10_000, value: { status: 'approved' } })
  })

  it('waits for Retry-After, where that is longer', async () => {
    expectGets(
      { status: 429, headers: { 'retry-after': '30' } },
      { status: 503, headers: { 'retry-after': '1' } },
      approved,
    )
    const ended = watch(client({ random: () => 0.5 }).waitForDecision('req_1', { timeoutMs: 60_000 }))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(ended).toMatchObject({ after: 35_000, value: { status: 'approved' } })
  })

  for (const [status, code] of [
    [401, 'api-key-refused'],
    [404, 'api-not-found'],
    [400, 'api-refused'],
    [302, 'api-redirect'],
  ] as const) {
    it(`rejects at once with ${code}, which waiting cannot change`, async () => {
      expectGets({ status })
      const error = await failure(client().waitForDecision('req_1', { timeoutMs: 60_000 }))
      expect(error.code).toBe(code)
      expect(vi.getTimerCount()).toBe(0)
    })
  }

  it('rejects at once for an id that is none, and for an assistant without a key', async () => {
    const wait = { timeoutMs: 60_000 }
    expect((await failure(client().waitForDecision('../x', wait))).code).toBe('id-invalid')
    expect((await failure(client().waitForDecision('req_1', { ...wait, assistant: 'x' }))).code).toBe(
      'assistant-unknown',
    )
  })

  it('rejects with wait-timeout when its time is up, and not before', async () => {
    const seen = expectGets(pending, pending, pending)
    const ended = watch(client({ random: () => 0.5 }).waitForDecision('req_1', { timeoutMs: 14_000 }))
    await vi.advanceTimersByTimeAsync(13_999)
    expect(ended).toEqual({})
    await vi.advanceTimersByTimeAsync(1)
    expect(ended).toMatchObject({ after: 14_000, value: { code: 'wait-timeout', approvalId: 'req_1' } })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(seen).toHaveLength(3)
  })

  it('rejects with the failure of its last poll, not of an earlier one', async () => {
    expectGets({ status: 500 }, pending, pending, { status: 429 })
    const mended = watch(client({ random: () => 0.5 }).waitForDecision('req_1', { timeoutMs: 9_000 }))
    await vi.advanceTimersByTimeAsync(9_000)
    expect(String(mended.value)).not.toContain('api-failed')
    const throttled = watch(client({ random: () => 0.5 }).waitForDecision('req_1', { timeoutMs: 9_000 }))
    await vi.advanceTimersByTimeAsync(9_000)
    expect(String(throttled.value)).toContain('api-throttled')
  })

  it('ends at its time-out during a poll too, and though Retry-After is longer', async () => {
    agent.get(origin).intercept({ method: 'GET', path: '/api/approvals/req_1' }).reply(200, {}).delay(60_000)
    const slow = watch(client().waitForDecision('req_1', { timeoutMs: 2_000 }))
    await vi.advanceTimersByTimeAsync(2_000)
    expect(slow).toMatchObject({ after: 2_000, value: { code: 'wait-timeout' } })
    expectGets({ status: 503, headers: { 'retry-after': '600' } })
    const throttled = watch(client().waitForDecision('req_1', { timeoutMs: 2_000 }))
    await vi.advanceTimersByTimeAsync(2_000)
    expect(throttled).toMatchObject({ after: 2_000, value: { code: 'wait-timeout' } })
  })

  it('ends with aborted as soon as its signal aborts, between polls and during one', async () => {
    const between = new AbortController()
    expectGets(pending)
    const first = watch(client().waitForDecision('req_1', { timeoutMs: 60_000, signal: between.signal }))
    await vi.advanceTimersByTimeAsync(1_000)
    between.abort()
    await vi.advanceTimersByTimeAsync(0)
    expect(first).toMatchObject({ after: 1_000, value: { code: 'aborted' } })

    const during = new AbortController()
    agent.get(origin).intercept({ method: 'GET', path: '/api/approvals/req_1' }).reply(200, {}).delay(60_000)
    const second = watch(client().waitForDecision('req_1', { timeoutMs: 60_000, signal: during.signal }))
    await vi.advanceTimersByTimeAsync(1_000)
    during.abort()
    await vi.advanceTimersByTimeAsync(0)
    expect(second).toMatchObject({ after: 1_000, value: { code: 'aborted' } })
  })

  it('ends with aborted when its signal aborts together with the response', async () => {
    const given = new AbortController()
    const interceptor = agent.get(origin).intercept({ method: 'GET', path: '/api/approvals/req_1' })
    interceptor.reply(200, () => {
      queueMicrotask(() => given.abort())
      return pending.body
    })
    const ended = watch(client().waitForDecision('req_1', { timeoutMs: 60_000, signal: given.signal }))
    await vi.advanceTimersByTimeAsync(0)
    expect(ended).toMatchObject({ after: 0, value: { code: 'aborted' } })
  })

  it('sends nothing with a signal that is aborted already', async () => {
    const wait = { timeoutMs: 60_000, signal: AbortSignal.abort() }
    expect((await failure(client().waitForDecision('req_1', wait))).code).toBe('aborted')
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends with aborted when the client is closed', async () => {
    expectGets(pending)
    const waiting = client()
    const ended = watch(waiting.waitForDecision('req_1', { timeoutMs: 60_000 }))
    await vi.advanceTimersByTimeAsync(1_000)
    await waiting.close()
    await vi.advanceTimersByTimeAsync(0)
    expect(ended).toMatchObject({ after: 1_000, value: { code: 'aborted' } })
  })

  it('keeps the process alive while it waits, and not longer', async () => {
    vi.useRealTimers()
    // Timers that do not hold the process are not among these.
    const holding = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = holding()
    const given = new AbortController()
    expectGets(pending)
    const wait = client().waitForDecision('req_1', { timeoutMs: 60_000, signal: given.signal })
    expect(holding()).toBeGreaterThan(before)
    given.abort()
    await failure(wait)
    expect(holding()).toBe(before)
  })

  it('resolves with a decision after hours too', async () => {
    const seen = expectGets(...Array.from({ length: 720 }, () => pending), approved)
    const ended = watch(client({ random: () => 0.5 }).waitForDecision('req_1', { timeoutMs: 86_400_000 }))
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(ended).toMatchObject({ after: 3_600_000, value: { status: 'approved' } })
    expect(seen).toHaveLength(721)
  })

  for (const wrong of [
    { timeoutMs: 0 },
    { timeoutMs: 1.5 },
    { timeoutMs: 2_147_483_648 },
    { timeoutMs: 1, intervalMs: 0 },
    {},
  ]) {
    it(`refuses ${JSON.stringify(wrong)}`, async () => {
      const error = await failure(client().waitForDecision('req_1', wrong as { timeoutMs: number }))
      expect(error.code).toBe('argument-invalid')
    })
  }
})

describe('close', () => {
  it('is fine before first use, and twice', async () => {
    const closing = client({ dispatcher: undefined })
    await closing.close()
    await closing.close()
  })

  it('lets nothing be sent any more', async () => {
    const closing = client()
    await closing.close()
    expect((await failure(closing.get('req_1'))).code).toBe('aborted')
    expect((await failure(closing.request(submission))).code).toBe('aborted')
  })

  it('sends nothing with the next key after that, where the first one is refused later', async () => {
    const api = new FakeApi()
    const closing = createClient({ apiKey: ['old', 'new'], dispatcher: api })
    api.answer('req_1', () => {
      void closing.close()
      return { status: 401 }
    })
    await expect(closing.get('req_1')).rejects.toMatchObject({ code: 'aborted' })
    expect(api.keys).toEqual(['old'])
  })
})
