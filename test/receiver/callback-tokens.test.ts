import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type ReceiverOptions } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { pass } from '../support/runs-time.js'
import { callbackSecret, refund, type SubmitBench, submitBench, tracked, webhook } from '../support/submit-bench.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const day = 86_400_000

function tokens(options: Partial<ReceiverOptions>, api?: SubmitBench['api']): SubmitBench {
  return submitBench({ callbackUrl: webhook, ...options }, api)
}

function urlOf({ api }: SubmitBench, nth = 0): string {
  return String(api.posts[nth]?.body['callbackUrl'])
}

async function post({ receiver }: SubmitBench, approvalId: string, url: string): Promise<number> {
  return (await receiver.fetch(callbackRequest(approvalId, { url }))).status
}

describe("callbackTokens: 'optional', which is the default without a secret", () => {
  it.each([undefined, 'optional'] as const)(
    'puts a token in each URL, and acts on a callback without one: %s',
    async (callbackTokens) => {
      const bench = tokens({ callbackTokens })
      await bench.receiver.submit(refund)
      expect(urlOf(bench)).toMatch(/\?cq=[\w.-]+$/)
      bench.api.approve('req_1')
      expect(await post(bench, 'req_1', webhook)).toBe(200)
      expect(bench.runs).toHaveLength(1)
    },
  )

  it.each([
    ['cannot be verified', (token: string) => `${token.slice(0, -2)}AA`],
    ['is none', () => 'nonsense'],
  ])('takes a token that %s for none', async (_words, change) => {
    const bench = tokens({})
    await bench.receiver.submit(refund)
    bench.api.approve('req_1')
    const token = new URL(urlOf(bench)).searchParams.get('cq') ?? ''
    expect(await post(bench, 'req_1', `${webhook}?cq=${change(token)}`)).toBe(200)
  })

  it('takes a token that has expired for none', async () => {
    const bench = tokens({ retentionMs: day })
    await bench.receiver.submit(refund, { expiresAt: new Date(Date.now() + day) })
    bench.api.approve('req_1', { decidedAt: new Date().toISOString() })
    await pass(2 * day + 1_000)
    expect(await post(bench, 'req_1', urlOf(bench))).toBe(200)
  })

  it('refuses a valid token of another request', async () => {
    const bench = tokens({})
    await bench.receiver.submit(refund)
    await bench.receiver.submit({ ...refund, details: {} })
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', urlOf(bench, 1))).toBe(401)
    expect(bench.api.asked).toEqual([])
  })

  it('lets callbacks without a token pay from the budget, and those with their own pay nothing', async () => {
    const bench = tokens({ confirm: { requestsPerSecond: 1 } })
    for (let nth = 0; nth < 4; nth++) await bench.receiver.submit({ ...refund, details: { nth } })
    for (const id of ['req_1', 'req_2', 'req_3', 'req_4']) bench.api.approve(id)
    expect(await post(bench, 'req_1', webhook)).toBe(200)
    expect(await post(bench, 'req_2', webhook)).toBe(202)
    expect(bench.api.asked).toEqual(['req_1'])
    expect(await post(bench, 'req_3', urlOf(bench, 2))).toBe(200)
    expect(await post(bench, 'req_4', urlOf(bench, 3))).toBe(200)
    expect(await post(bench, 'req_2', urlOf(bench, 1))).toBe(200)
  })

  it('signs with the first key of the assistant, and verifies with every key that is configured', async () => {
    const store = memoryStore()
    const before = tokens({ store, apiKeys: { a: 'cq_live_old', b: 'cq_live_b' } })
    await before.receiver.submit(refund, { assistant: 'a' })
    const during = tokens({ store, apiKeys: { a: ['cq_live_new', 'cq_live_old'], b: 'cq_live_b' } }, before.api)
    const after = tokens(
      { store, apiKeys: { a: 'cq_live_new', b: 'cq_live_b' }, callbackTokens: 'required' },
      before.api,
    )
    const required = tokens(
      { store, apiKeys: { a: ['cq_live_new', 'cq_live_old'] }, callbackTokens: 'required' },
      before.api,
    )
    before.api.approve('req_1')
    expect(await post(after, 'req_1', urlOf(before))).toBe(401)
    expect(await post(required, 'req_1', urlOf(before))).toBe(200)
    expect(await post(during, 'req_1', urlOf(before))).toBe(200)
    await during.receiver.submit({ ...refund, details: {} }, { assistant: 'a' })
    before.api.approve('req_2')
    expect(await post(after, 'req_2', urlOf(before, 1))).toBe(200)
  })
})

describe("callbackTokens: 'required', which is the default with a secret", () => {
  it.each([
    ['by a secret', { callbackSecret }],
    ['by the API key', { callbackTokens: 'required' }],
  ] as const)('refuses a callback without a token, signed %s', async (_words, options) => {
    const bench = tokens(options)
    await bench.receiver.submit(refund)
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', webhook)).toBe(401)
    expect(bench.api.asked).toEqual([])
    expect(await post(bench, 'req_1', urlOf(bench))).toBe(200)
  })

  it('may be made optional beside a secret', async () => {
    const bench = tokens({ callbackSecret, callbackTokens: 'optional' })
    await bench.receiver.submit(refund)
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', webhook)).toBe(200)
  })

  it('needs a callback URL', () => {
    expect(() => submitBench({ callbackTokens: 'required' })).toThrow('option callbackUrl is required')
  })
})

describe("callbackTokens: 'off'", () => {
  it('sends the URL as it is, and reads no token', async () => {
    const bench = tokens({ callbackTokens: 'off' })
    await bench.receiver.submit(refund)
    expect(urlOf(bench)).toBe(webhook)
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', `${webhook}?cq=whatever`)).toBe(200)
    expect(await bench.receiver.stats()).toMatchObject({ tokensRefused: 0 })
  })

  it('does not go with a function, which is there to place the token', () => {
    const callbackUrl = (token: string): string => `${webhook}/${token}`
    expect(() => submitBench({ callbackUrl, callbackTokens: 'off' })).toThrow(
      "must be a text with callbackTokens: 'off'",
    )
  })
})

describe('a request that was submitted elsewhere', () => {
  it('needs no token of a receiver whose tokens are optional', async () => {
    const bench = tokens({})
    await bench.receiver.track('req_1', tracked)
    bench.api.approve('req_1')
    expect(await post(bench, 'req_1', webhook)).toBe(200)
  })
})
