import { PassThrough, Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { UnreadBodies } from '../../../src/http/body.js'
import {
  type Callback,
  checkRequest,
  type PlausibleCallback,
  type RequestRules,
} from '../../../src/http/request-checks.js'
import type { Refusal } from '../../../src/model/outcome.js'

const agent = 'Cheqpoint-Callback/1.0'
const body = { approvalId: 'req_1', status: 'approved', modifiedDetails: null, decisionNote: 'Approved.' }
const payload = { id: 'req_1', status: 'approved', modifiedDetails: null, note: 'Approved.' }

type Headers = Readonly<Record<string, string | readonly string[]>>

function callback(headers: Headers = {}, parts: Partial<Callback> = {}): Callback {
  const all: Headers = { 'user-agent': agent, 'content-type': 'application/json', ...headers }
  return {
    method: 'POST',
    url: '/webhooks/cheqpoint',
    header: (name) => [all[name] ?? []].flat(),
    body: { stream: Readable.from([Buffer.from(JSON.stringify(body))], { objectMode: false }) },
    ...parts,
  }
}

const unread = { max: 10, maxBytes: 1_000_000, timeoutMs: 5_000 }

const rules: RequestRules = {
  agents: new Set([agent]),
  isId: (id) => /^[A-Za-z0-9_-]{1,128}$/.test(id),
  maxBytes: 1_000,
  needsToken: false,
  unread: new UnreadBodies(unread),
  proven: new UnreadBodies(unread),
  onOtherAgent: () => {},
}

async function take(headers?: Headers, parts?: Partial<Callback>): Promise<PlausibleCallback | Refusal> {
  return checkRequest(callback(headers, parts), rules)
}

/** The same with this as the body, parsed already. */
function takeBody(parsed: unknown): Promise<PlausibleCallback | Refusal> {
  return take({}, { body: { parsed } })
}

describe('the method', () => {
  it('is POST and nothing else, in capitals', async () => {
    for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'post', '', 'POST ']) {
      expect(await checkRequest(callback({}, { method }), rules)).toEqual({ kind: 'method-not-allowed' })
    }
  })

  it('is not changed by an override header', async () => {
    const headers = { 'x-http-method-override': 'POST', 'x-method-override': 'POST' }
    expect(await checkRequest(callback(headers, { method: 'GET' }), rules)).toEqual({ kind: 'method-not-allowed' })
  })
})

describe('a callback as Cheqpoint sends it', () => {
  it('is a hint with its id; what it claims is kept apart', async () => {
    expect(await take()).toEqual({ kind: 'plausible', payload, ref: undefined })
  })

  it('may name the id as id, leave fields out and add others', async () => {
    expect(await takeBody({ id: 'req_1', delivery: 7 })).toEqual({
      kind: 'plausible',
      payload: { id: 'req_1', status: undefined, modifiedDetails: undefined, note: undefined },
      ref: undefined,
    })
  })
})

describe('the agent header', () => {
  it.each([
    ['missing', []],
    ['empty', ''],
    ['of another sender', 'curl/8.5.0'],
    ['of another version', 'Cheqpoint-Callback/1.1'],
    ['in another case', 'cheqpoint-callback/1.0'],
    ['a prefix', 'Cheqpoint-Callback/1'],
    ['longer', `${agent} (extra)`],
    ['padded', `${agent} `],
    ['sent twice', [agent, agent]],
    ['sent twice and joined', `${agent}, ${agent}`],
    ['enormous', agent.repeat(1_000)],
  ])('is refused where it is %s', async (_, value) => {
    expect(await take({ 'user-agent': value })).toEqual({ kind: 'agent-refused' })
  })

  it('may be any of those that are configured', async () => {
    const agents = new Set([agent, 'Cheqpoint-Callback/2.0'])
    const both = await Promise.all(
      [...agents].map((value) => checkRequest(callback({ 'user-agent': value }), { ...rules, agents })),
    )
    expect(both.map(({ kind }) => kind)).toEqual(['plausible', 'plausible'])
  })

  it('is reported when it is another one, and not when it is missing, doubled or right', async () => {
    const onOtherAgent = vi.fn()
    for (const value of ['Cheqpoint-Callback/1.1', [], [agent, agent], agent]) {
      await checkRequest(callback({ 'user-agent': value }), { ...rules, onOtherAgent })
    }
    expect(onOtherAgent.mock.calls).toEqual([['Cheqpoint-Callback/1.1']])
  })
})

describe('the token', () => {
  it('is not searched where no secret is configured', async () => {
    expect(await take({}, { url: '/webhooks/cheqpoint?cq=whatever' })).toMatchObject({
      kind: 'plausible',
      ref: undefined,
    })
  })

  it('is read from the URL, and its reference goes with the hint', async () => {
    const readRef = vi.fn(() => 'ref_1')
    expect(await checkRequest(callback({}, { url: '/hook?cq=abc' }), { ...rules, readRef })).toMatchObject({
      ref: 'ref_1',
    })
    expect(readRef).toHaveBeenCalledExactlyOnceWith('/hook?cq=abc')
  })

  it('that proves no reference is refused where one is needed, and makes the callback unproven elsewhere', async () => {
    const readRef = () => null
    expect(await checkRequest(callback(), { ...rules, readRef, needsToken: true })).toEqual({ kind: 'token-refused' })
    expect(await checkRequest(callback(), { ...rules, readRef })).toEqual({
      kind: 'plausible',
      payload,
      ref: undefined,
    })
  })
})

describe('the content type', () => {
  it.each([
    [[]],
    ['application/json'],
    ['Application/JSON'],
    ['application/json;charset=utf-8'],
    ['application/json; charset="UTF-8"'],
    ['application/json; charset=utf8; profile=x'],
    ['application/json;'],
    ['application/vnd.cheqpoint.v1+json'],
  ])('passes as %j', async (value) => {
    expect(await take({ 'content-type': value })).toMatchObject({ kind: 'plausible' })
  })

  it.each([
    [''],
    ['text/plain'],
    ['text/json'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
    ['application/jsonp'],
    ['application/json; charset=utf-16'],
    ['application/json; charset=iso-8859-1'],
    ['application/json, text/plain'],
    ['text/plain, application/json'],
    [['application/json', 'application/json']],
    ['text/html+json'],
  ])('is refused as %j', async (value) => {
    expect(await take({ 'content-type': value })).toEqual({ kind: 'media-type-refused' })
  })
})

describe('the content coding', () => {
  it.each([[[]], ['identity'], [' Identity ']])('passes as %j', async (value) => {
    expect(await take({ 'content-encoding': value })).toMatchObject({ kind: 'plausible' })
  })

  it.each([['gzip'], ['br'], ['deflate'], ['identity, gzip'], [['identity', 'gzip']], ['']])(
    'is refused as %j, so that nothing is ever inflated',
    async (value) => {
      expect(await take({ 'content-encoding': value })).toEqual({ kind: 'media-type-refused' })
    },
  )
})

describe('the length header', () => {
  it('may declare the limit, and not a byte more', async () => {
    expect(await take({ 'content-length': '999' })).toMatchObject({ kind: 'plausible' })
    expect(await take({ 'content-length': '1000' })).toMatchObject({ kind: 'plausible' })
    expect(await take({ 'content-length': '1001' })).toEqual({ kind: 'body-too-large' })
  })

  it.each(['', '-1', '1e3', '0x10', '10, 10', ' 10', 'ten'])('is malformed as %j', async (value) => {
    expect(await take({ 'content-length': value })).toEqual({ kind: 'malformed' })
  })

  it.each<[string, Headers, boolean]>([
    ['is declared', { 'content-length': '90' }, true],
    ['is missing', {}, false],
    ['is sent twice', { 'content-length': ['90', '90'] }, false],
    ['is declared and means nothing', { 'content-length': '90', 'transfer-encoding': 'chunked' }, false],
  ])('lets a host read the body in one piece where it is reliable: it %s', async (_, headers, asked) => {
    const bytes = Buffer.from(JSON.stringify(body))
    const whole = vi.fn(async () => new Uint8Array(bytes).buffer)
    const stream = Readable.from([bytes], { objectMode: false })
    expect(await take(headers, { body: { stream, whole } })).toMatchObject({ kind: 'plausible' })
    expect([whole.mock.calls.length, stream.readableDidRead]).toEqual(asked ? [1, false] : [0, true])
  })

  it('is not believed: what comes is counted', async () => {
    const stream = Readable.from([Buffer.alloc(1_001, 0x20)], { objectMode: false })
    expect(await take({ 'content-length': '10' }, { body: { stream } })).toEqual({ kind: 'body-too-large' })
  })
})

describe('the shape', () => {
  it.each([
    [null],
    [undefined],
    ['req_1'],
    [7],
    [[]],
    [[{ approvalId: 'req_1' }]],
    [{}],
    [{ status: 'approved' }],
    [{ approvalId: null }],
    [{ approvalId: 7 }],
    [{ approvalId: true }],
    [{ approvalId: ['req_1'] }],
    [{ approvalId: { $gt: '' } }],
    [{ approvalId: 'req_1', status: 1 }],
    [{ approvalId: 'req_1', status: null }],
    [{ approvalId: 'req_1', id: 'req_2' }],
  ])('is malformed as %j', async (parsed) => {
    expect(await takeBody(parsed)).toEqual({ kind: 'malformed' })
  })

  it('takes the last of two equal names, as JSON does', async () => {
    expect(await takeBody('{"approvalId":"req_1","approvalId":"req_2"}')).toMatchObject({ payload: { id: 'req_2' } })
  })

  it.each([
    '..',
    '.',
    '',
    '../../x',
    '%2e%2e',
    '//host',
    '\\\\host',
    'a?b',
    'a#b',
    'a\nb',
    'a\0',
    'a b',
    'a{b}',
    'а',
    '\ud800',
    `${'a'.repeat(129)}`,
    'req_1\n',
  ])('is malformed with the id %j', async (approvalId) => {
    expect(await takeBody({ approvalId })).toEqual({ kind: 'malformed' })
  })

  it.each(['__proto__', 'constructor', 'toString', 'a'.repeat(128)])('passes with the id %s', async (approvalId) => {
    expect(await takeBody({ approvalId })).toMatchObject({ kind: 'plausible', payload: { id: approvalId } })
  })

  it('is a hint only with an id that the pattern admits, whatever comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), fc.anything(), async (parsed, approvalId) => {
        for (const each of [parsed, { approvalId }]) {
          const taken = await takeBody(each)
          if (taken.kind === 'plausible') expect(rules.isId(taken.payload.id)).toBe(true)
          else expect(taken.kind).toMatch(/^(malformed|body-too-large)$/)
        }
      }),
    )
  })

  it('pollutes no prototype', async () => {
    await takeBody('{"approvalId":"req_1","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('a body that is still to come', () => {
  it('gives no way to others where its callback has a valid token, and takes none from them', async () => {
    const one = { ...unread, max: 1 }
    const both = { ...rules, unread: new UnreadBodies(one), proven: new UnreadBodies(one) }
    const readRef = (url: string): string | null => (url.includes('cq=') ? 'ref_1' : null)
    const come = (url: string): { readonly send: () => void; readonly refused: readonly unknown[] } => {
      const stream = new PassThrough()
      const refused: unknown[] = []
      const taken = checkRequest(callback({}, { url, body: { stream } }), { ...both, readRef })
      void Promise.resolve(taken).then((each) => refused.push(each))
      return { send: () => stream.end(JSON.stringify(body)), refused }
    }
    const [proven, stranger, newcomer] = ['/hook?cq=1', '/hook', '/hook'].map(come)
    await turn()
    expect([proven, stranger, newcomer].map((each) => each?.refused)).toEqual([[], [{ kind: 'body-too-slow' }], []])
    for (const each of [proven, newcomer]) each?.send()
    await turn()
    expect(proven?.refused).toMatchObject([{ kind: 'plausible', ref: 'ref_1' }])
    expect(newcomer?.refused).toMatchObject([{ kind: 'plausible', ref: undefined }])
  })
})

describe('a callback with several faults', () => {
  /** Faults in the order in which they are looked for, each with its refusal. */
  const faults: readonly { readonly kind: string; readonly headers?: Headers; readonly parts?: Partial<Callback> }[] = [
    { kind: 'agent-refused', headers: { 'user-agent': 'curl/8.5.0' } },
    { kind: 'token-refused', parts: { url: '/hook?cq=forged' } },
    { kind: 'media-type-refused', headers: { 'content-type': 'text/plain' } },
    { kind: 'body-too-large', headers: { 'content-length': '1001' } },
    { kind: 'malformed', parts: { body: { parsed: { approvalId: '..' } } } },
  ]

  it.each(faults.map(({ kind }, at) => [kind, at] as const))(
    'is refused for the first of them: %s',
    async (kind, at) => {
      const left = faults.slice(at)
      const made = callback(
        Object.assign({}, ...left.map(({ headers }) => headers)),
        Object.assign({}, ...left.map(({ parts }) => parts)),
      )
      const readRef = (url: string): string | null => (url.includes('forged') ? null : 'ref_1')
      expect(await checkRequest(made, { ...rules, readRef, needsToken: true })).toEqual({ kind })
    },
  )

  it('is refused without its body being read, as long as its head is at fault', async () => {
    for (const { headers } of faults) {
      if (headers === undefined) continue
      const stream = Readable.from([Buffer.from('{}')], { objectMode: false })
      await take(headers, { body: { stream } })
      expect(stream.readableDidRead).toBe(false)
      expect(stream.listenerCount('data')).toBe(0)
    }
  })
})
