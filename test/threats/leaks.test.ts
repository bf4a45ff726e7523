import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { type CheqpointEvent, createClient, isCheqpointError, memoryStore, type Store } from '../../src/index.js'
import { action, answersBench, callbackSecret, callbackUrl, id, tracked } from '../support/answers-bench.js'
import { situations } from '../support/answers-situations.js'
import { callbackRequest } from '../support/callback.js'
import { closedPort, misbehave, misbehaveRaw } from '../support/misbehaving-server.js'
import { describeWith } from '../support/needs.js'
import { bench, refund } from '../support/receiver.js'
import { openBench, type RedisBench } from '../support/redis-bench.js'
import { failure, SubmitApi, refund as submission, submitBench } from '../support/submit-bench.js'

afterEach(() => {
  vi.useRealTimers()
})

/** Everything that can be found in a value, hidden properties and causes included. */
function everythingOf(value: unknown): string {
  const stack = value instanceof Error ? value.stack : ''
  return `${inspect(value, { depth: 12, showHidden: true, getters: true })}${stack}${String(value)}${JSON.stringify(value)}`
}

describe('the key', () => {
  const key = 'cq_live_T52-canary_7781'
  const spellings = [key, Buffer.from(key).toString('base64').replaceAll('=', ''), Buffer.from(key).toString('hex')]
  const headers = `x-api-key: ${key}\r\nwww-authenticate: Key ${key}\r\nretry-after: ${key}`

  it.each([
    [
      'refuses it and says it back',
      () => misbehaveRaw(`HTTP/1.1 401 ${key}\r\n${headers}\r\ncontent-length: 0\r\n\r\n`),
    ],
    [
      'says it back and breaks off',
      () => misbehaveRaw(`HTTP/1.1 200 OK\r\n${headers}\r\n\r\n{"${key}`, (to) => to.resetAndDestroy()),
    ],
    ['says it back as no HTTP', () => misbehaveRaw(`${key}\r\n\r\n`)],
    ['says it back instead of an answer', () => misbehave((_, response) => response.end(`{"status":"${key}"`))],
    [
      'sends us elsewhere with it',
      () => misbehave((_, response) => response.writeHead(302, { location: `/${key}` }).end()),
    ],
    ['is not there', async () => ({ url: `http://127.0.0.1:${await closedPort()}` })],
  ])('T52: is in nothing that fails where the API %s', async (_, open) => {
    const { url } = await open()
    const client = createClient({ apiKey: key, baseUrl: url })
    const events: CheqpointEvent[] = []
    const { receiver } = bench({
      apiKey: key,
      baseUrl: url,
      dispatcher: undefined,
      onEvent: (event) => events.push(event),
    })
    await receiver.track('req_1', refund)
    const found: unknown[] = [client, receiver, events, await receiver.resolve('req_1'), await receiver.stats()]
    for (const call of [client.get('req_1'), client.inbound(submission), receiver.submit(submission)]) {
      const error: unknown = await call.catch((reason: unknown) => reason)
      expect(isCheqpointError(error)).toBe(true)
      found.push(error)
    }
    const text = found.map(everythingOf).join('\n')
    for (const spelling of spellings) expect(text).not.toContain(spelling)
    await receiver.close()
    await client.close()
  })
})

describe('a response', () => {
  /** All that anybody can ever be answered, beside `202 running`, as the README lists it. */
  const all = [
    '200 edit-refused',
    '200 handled',
    '202 api-failed',
    '202 api-key-refused',
    '202 api-throttled',
    '202 assistant-unknown',
    '202 awaiting-id',
    '202 handler-failed',
    '202 in-progress',
    '202 no-free-slot',
    '202 no-handler',
    '202 over-budget',
    '202 parked',
    '202 too-soon',
    '202 undecided',
    '400 body-aborted: The body did not arrive',
    '400 malformed: Malformed callback',
    '401 token-refused: The callback URL has no valid token',
    '403 agent-refused: Not a Cheqpoint callback',
    '404 unknown-approval: Unknown approval',
    '405 method-not-allowed: Method not allowed',
    '408 body-too-slow: The body came too slowly',
    '409 awaiting-id: The submission has no id yet',
    '409 in-progress: Another delivery is at work',
    '409 too-soon: Asked a moment ago',
    '409 undecided: Not decided yet',
    '413 body-too-large: The body is too large',
    '415 media-type-refused: Not plain JSON',
    '429 over-budget: Too many requests to confirm',
    '500 api-key-refused: The receiver is not set up for this request',
    '500 assistant-unknown: The receiver is not set up for this request',
    '500 body-already-read: The body was read by something else',
    '500 handler-failed: The handler failed',
    '500 no-handler: The receiver is not set up for this request',
    '502 api-failed: The decision could not be confirmed',
    '503 api-throttled: The decision could not be confirmed yet',
    '503 closing: Try again later',
    '503 no-free-slot: No place is free',
    '503 overloaded: Try again later',
    '503 store-unavailable: Try again later',
  ]

  it('T53: is one of a fixed set, whatever is in errors of handlers, stores and the API', async () => {
    vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
    const seen = new Set<string>()
    for (const sweep of ['elsewhere', 'off'] as const) {
      for (const row of situations) {
        vi.setSystemTime(new Date('2026-11-20T10:00:00Z'))
        const made = answersBench({ sweep, polling: { firstMs: 12_345 }, ...row.options })
        await (row.register?.(made) ?? made.receiver.track(id, tracked))
        await row.before?.(made)
        const { status, ...answer } = await (row.send?.(made) ?? made.send()).then(async (response) => ({
          status: response.status,
          text: await response.text(),
        }))
        const { result, code, title, ...rest }: Record<string, unknown> = JSON.parse(answer.text)
        seen.add(result === undefined ? `${status} ${code}: ${title}` : `${status} ${result}`)
        expect(rest).toEqual(result === undefined ? { type: 'about:blank', status } : {})
      }
    }
    expect([...seen].toSorted()).toEqual(all)
  })
})

describe('a log that writes events as JSON', () => {
  it('T54: gets one line for each, without notes and details', async () => {
    const nasty = fc
      .array(
        fc.constantFrom(
          '\r\n',
          '\n{"type":"completed"}',
          '\u001b[2J',
          '\u0000',
          '\u202e',
          '\u2028',
          '\u009b',
          'a',
          '"',
          '\\',
        ),
        { minLength: 1, maxLength: 6 },
      )
      .map((parts) => parts.join(''))
    await fc.assert(
      fc.asyncProperty(nasty, nasty, nasty, async (name, note, word) => {
        const { receiver, api, events } = bench({ sweep: 'elsewhere' })
        for (const each of ['req_1', 'req_2', 'req_3']) await receiver.track(each, { ...refund, action: name })
        api.approve('req_1', {
          decisionNote: `${note} secret-note`,
          modifiedDetails: { orderId: 'secret-edit', amount: 1 },
        })
        api.approve('req_2', { modifiedDetails: { [note]: 'secret-edit' } })
        api.answer('req_3', { body: { id: 'req_3', status: word } })
        for (const each of ['req_1', 'req_2', 'req_3', `${note}`]) {
          await receiver.fetch(callbackRequest(each, { headers: { 'user-agent': 'Cheqpoint-Callback/1.0' } }))
        }
        expect(new Set(events.map(({ type }) => type)).size).toBeGreaterThan(6)
        for (const event of events) {
          const line = JSON.stringify(event)
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
          expect(line).not.toMatch(/[\u0000-\u001f]/)
          expect(JSON.parse(line)).toMatchObject({ type: event.type })
          expect(line).not.toMatch(/secret/)
          if (event.type === 'unknown-status') expect(event.word).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
          if (event.type === 'refused') expect(event.approvalId ?? '').toMatch(/^[A-Za-z0-9_-]*$/)
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('the token of a callback URL', () => {
  it('T57: is in no event, response, error or entry, whether it is accepted or refused', async () => {
    vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
    const store = memoryStore()
    const api = new SubmitApi()
    const { receiver, events } = submitBench({ store, callbackUrl, callbackSecret }, api)
    const { approvalId } = await receiver.submit(submission)
    const url = String(api.posts[0]?.body['callbackUrl'])
    const token = new URL(url).searchParams.get('cq') ?? ''
    const mac = token.split('.').at(-1) ?? ''
    expect(mac.length).toBeGreaterThan(20)
    api.reject(approvalId)
    const told: unknown[] = []
    const send = async (to: string): Promise<void> => {
      const answer = await receiver.fetch(callbackRequest(approvalId, { url: to }))
      told.push(answer.status, [...answer.headers], await answer.text())
    }
    await send(url.replace(mac, mac.slice(1)))
    await send(url)
    await send(url)
    api.onPost = () => ({ status: 502, body: String(url) })
    told.push(everythingOf(await failure(receiver.submit(submission))))
    told.push(events, await store.read(`a:${approvalId}`), await receiver.unconfirmed())
    const text = told.map((each) => JSON.stringify(each)).join('\n')
    expect(text).toContain('submission-unknown')
    // Its reference is no secret: it proves nothing without the other part.
    for (const secret of [mac, mac.slice(1), callbackSecret]) expect(text).not.toContain(secret)
  })
})

describeWith('redis-server', 'what Redis holds of a decision that was acted on', () => {
  let redis: RedisBench
  beforeAll(async () => {
    redis = await openBench()
  })
  afterAll(() => redis.close())

  /** Every key under a prefix with all that is stored there. */
  async function dump(prefix: string): Promise<string> {
    const keys = (await redis.raw('KEYS', `{${prefix}*`)) as readonly string[] // so Redis answers KEYS
    const values = keys.map(async (key) => {
      const type = await redis.raw('TYPE', key)
      return type === 'string' ? redis.raw('GET', key) : redis.raw('ZRANGE', key, '0', '-1')
    })
    return JSON.stringify([keys, await Promise.all(values)])
  }

  async function decided(store: Store): Promise<void> {
    const api = new SubmitApi()
    const { receiver } = submitBench(
      { store, callbackUrl, callbackSecret, sweep: 'off', onDecision: () => ({ paid: 'canary-result' }) },
      api,
    )
    const details = { orderId: 'canary-details' }
    const { approvalId } = await receiver.submit(
      { action, summary: 'canary-summary', details },
      { context: ['canary-context'] },
    )
    api.approve(approvalId, { modifiedDetails: { orderId: 'canary-edit' }, decisionNote: 'canary-note' })
    const url = String(api.posts[0]?.body['callbackUrl'])
    expect((await receiver.fetch(callbackRequest(approvalId, { url }))).status).toBe(200)
    await receiver.close()
  }

  it('T56: is the decision and its result: what was submitted and its context are gone', async () => {
    const prefix = randomUUID()
    await decided(redis.store({ prefix }))
    const text = await dump(prefix)
    expect(text).toContain('canary-edit')
    expect(text).not.toMatch(/canary-(summary|details|context)/)
    expect(text).not.toContain(callbackSecret)
  })
})
