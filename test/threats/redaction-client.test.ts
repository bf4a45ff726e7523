import { describe, expect, it } from 'vitest'
import {
  type Client,
  createClient,
  fromRequest,
  memoryStore,
  type SubmitRequest,
  verifyAndResolve,
} from '../../src/index.js'
import { addApproval } from '../support/approval-snapshot.js'
import { callbackRequest } from '../support/callback.js'
import { canaries, everything, type Secret, searchFor, standingSecrets, tokensIn } from '../support/canaries.js'
import { type FakeAnswer, FakeApi } from '../support/fake-api.js'
import { closedPort, type MisbehavingServer, misbehave, misbehaveRaw } from '../support/misbehaving-server.js'
import { errorEvidence, misplaced } from '../support/redaction-bench.js'
import type { Place } from '../support/redaction-places.js'
import { failure } from '../support/submit-bench.js'

const apiKey = `cq_live_${canaries.key}`
const token = 'ref-1.t6lq2o.kQ3pWb1nUuM8yJx7dZcVf0aRs2hLtEoGi5KwYvXzB4Q'
const secrets: readonly Secret[] = [...standingSecrets, ...tokensIn(token)]
const search = searchFor(secrets)
const request: SubmitRequest = {
  action: 'process_refund',
  summary: 'Refund',
  details: { orderId: canaries.details },
  callbackUrl: `https://app.test/webhooks/cheqpoint?cq=${token}`,
}

const calls: readonly (readonly [string, (client: Client) => Promise<unknown>])[] = [
  ['get', (client) => client.get('req_1')],
  ['request', (client) => client.request(request)],
  ['inbound', (client) => client.inbound(request)],
  ['waitForDecision', (client) => client.waitForDecision('req_1', { timeoutMs: 30, intervalMs: 1 })],
]

/** Leaks of one kind of evidence, in words. */
function leaksIn(place: Place, value: unknown): readonly string[] {
  return misplaced([{ place, what: place, text: everything(value) }], search)
}

const upstream = canaries.upstream
const answers: readonly (readonly [string, FakeAnswer])[] = [
  ...[301, 302, 307, 308, 400, 401, 403, 404, 409, 422, 429, 500, 503].map((status) => {
    const location = `https://${upstream}:${upstream}@evil.test/${upstream}?${upstream}`
    const headers = { location, 'www-authenticate': upstream, 'retry-after': upstream }
    return [String(status), { status, headers, body: { error: upstream } }] as const
  }),
  ['a page', { body: `<h1>${upstream}</h1>` }],
  ['a text', { body: upstream }],
  ['half a document', { body: `{"id":"req_1","decisionNote":"${upstream}` }],
  ['another shape', { body: { id: 'req_1', decisionNote: upstream } }],
  ['a status that is no text', { body: { id: 'req_1', status: { text: upstream } } }],
  ['an edit that is a text', { body: { id: 'req_1', status: 'APPROVED', modifiedDetails: upstream } }],
  ['another id', { body: { id: `req_${upstream}`, approvalId: 'req_2', status: 'APPROVED' } }],
  ['a coding', { headers: { 'content-encoding': upstream }, body: { id: 'req_1', decisionNote: upstream } }],
  ['too much', { body: { id: 'req_1', status: 'APPROVED', decisionNote: upstream.repeat(100_000) } }],
]

describe.each(calls)('an error of %s', (_, call) => {
  it.each(answers)('shows nothing of a response that is %s', async (_, answer) => {
    const api = new FakeApi()
    for (const at of ['req_1', 'request', 'inbound']) api.answer(at, answer)
    const client = createClient({ apiKey, dispatcher: api })
    const error = await failure(call(client))
    expect(misplaced(errorEvidence('error', error), search)).toEqual([])
    expect(leaksIn('object', client)).toEqual([])
  })
})

/** Servers on real sockets, whose faults come with the errors of undici itself. */
const servers: readonly (readonly [string, () => Promise<Pick<MisbehavingServer, 'url'>>, code: RegExp])[] = [
  ['speaks no HTTP', () => misbehaveRaw(`${upstream} ${upstream}\r\n\r\n`), /api-unreadable/],
  ['has a head without an end', () => misbehaveRaw(`HTTP/1.1 200 OK\r\nx: ${upstream.repeat(2_000)}`), /unreadable/],
  [
    'breaks off in a head',
    () => misbehaveRaw(`HTTP/1.1 200 OK\r\nset-cookie: ${upstream}\r\nx: `, (socket) => socket.destroy()),
    /api-broken-off/,
  ],
  [
    'breaks off in a body',
    () => misbehaveRaw(`HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{"x":"${upstream}`, (socket) => socket.destroy()),
    /api-broken-off/,
  ],
  [
    'resets in a body',
    () =>
      misbehaveRaw(`HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{"x":"${upstream}`, (socket) =>
        socket.resetAndDestroy(),
      ),
    /api-broken-off/,
  ],
  [
    'says two lengths',
    () => misbehaveRaw(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n${upstream}`),
    /api-unreadable/,
  ],
  [
    'has a chunk without a size',
    () => misbehaveRaw(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${upstream}\r\n${upstream}`),
    /api-unreadable/,
  ],
  ['never answers', () => misbehave(() => {}), /api-timeout/],
  [
    'redirects',
    () =>
      misbehave((_, response) => response.writeHead(302, { location: `http://evil.test/${upstream}` }).end(upstream)),
    /api-redirect/,
  ],
  ['is not there', async () => ({ url: `http://127.0.0.1:${await closedPort()}` }), /api-unreachable/],
]

describe.each(servers)('an API that %s', (_, open, code) => {
  it.each(calls.slice(0, 3))('gets the key in its header alone, and errors show nothing of it: %s', async (_, call) => {
    const server = await open()
    const client = createClient({ apiKey, baseUrl: server.url, timeoutMs: 2_000, submitTimeoutMs: 2_000 })
    const error = await failure(call(client))
    expect(error.code).toMatch(code)
    expect(misplaced(errorEvidence('error', error), search)).toEqual([])
    expect(leaksIn('object', client)).toEqual([])
    const seen = 'requests' in server ? (server as MisbehavingServer).requests : []
    for (const { method, url, headers } of seen) {
      const { 'x-api-key': key, ...others } = headers
      expect(key).toBe(apiKey)
      expect(leaksIn('request', [method, url, others])).toEqual([])
    }
    await client.close()
  })
})

describe('an API behind one that redirects', () => {
  it('is sent nothing at all, the key least of all', async () => {
    const other = await misbehave((_, response) => response.end())
    const server = await misbehave((_, response) => response.writeHead(307, { location: other.url }).end())
    const client = createClient({ apiKey, baseUrl: server.url })
    for (const [, call] of calls.slice(0, 3)) expect((await failure(call(client))).code).toBe('api-redirect')
    expect([server.requests.length, other.requests.length]).toEqual([3, 0])
    await client.close()
  })
})

describe('what verifyAndResolve resolves with', () => {
  const api = new FakeApi()
  const client = createClient({ apiKey, dispatcher: api })

  it.each<[string, FakeAnswer | null]>([
    ['ok', { body: { id: 'req_1', status: 'APPROVED', decisionNote: canaries.note } }],
    ['undecided', { body: { id: 'req_1', status: 'PENDING', decisionNote: upstream } }],
    ['api-failed', { status: 500, body: { error: upstream } }],
    ['api-key-refused', { status: 401, body: { error: upstream } }],
    ['unknown-approval', null],
  ])('has no key and nothing of what a callback claims: %s', async (kind, answer) => {
    const store = memoryStore()
    const details = JSON.stringify({ orderId: canaries.details })
    if (answer !== null) await addApproval(store, 'req_1', { action: 'refund', details })
    if (answer !== null) api.answer('req_1', answer)
    const body = { approvalId: 'req_1', status: 'approved', decisionNote: canaries.claim, key: canaries.claim }
    const headers = { cookie: canaries.claim, authorization: canaries.claim }
    const outcome = await verifyAndResolve(fromRequest(callbackRequest('req_1', { body, headers })), { store, client })
    expect(outcome.kind).toBe(kind)
    expect(leaksIn('returned', outcome)).toEqual([])
    if (outcome.kind === 'ok') await outcome.claim.complete()
  })
})
