import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { type CheqpointError, createReceiver, fromIncoming, memoryStore } from '../../src/index.js'
import { createSimulator } from '../../src/simulator/index.js'
import { callbackRequest } from '../support/callback.js'
import { listenTo, path } from '../support/hosts.js'
import { rewrite } from '../support/kept.js'
import { closedPort, misbehaveRaw } from '../support/misbehaving-server.js'
import { overlayStore } from '../support/overlay-store.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { pass } from '../support/runs-time.js'
import {
  callbackSecret,
  decidedPost,
  failure,
  pendingPost,
  refund,
  SubmitApi,
  submitBench,
  webhook,
} from '../support/submit-bench.js'

const hour = 3_600_000

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a submission', () => {
  it('is kept and marked before it is sent, and joined with its id before it resolves', async () => {
    const { receiver, api } = submitBench()
    await receiver.submit(refund)
    const steps = ['reserve', 'markSent', 'POST', 'beginBind', 'add', 'endBind']
    expect(api.steps).toEqual(steps.flatMap((step) => [step, `${step} answered`]))
  })

  it('goes to the inbound endpoint with the key, and is pending under the id of the response', async () => {
    const { receiver, api } = submitBench()
    expect(await receiver.submit(refund)).toEqual({
      status: 'pending',
      approvalId: 'req_1',
      reviewUrl: 'https://app.cheqpoint.co/review/req_1',
    })
    expect(api.posts).toMatchObject([{ path: '/api/webhooks/inbound', key: 'cq_live_test' }])
  })

  it('sends every documented field as it was given, and nothing else', async () => {
    const { receiver, api } = submitBench()
    const request = {
      action: 'process_refund',
      summary: 'Refund £120 — “order” #8842 \u{1f4b8}\u2028',
      details: JSON.parse('{"orderId":"8842","amount":120.5,"lines":[],"note":null,"__proto__":{"a":1},"10":1,"9":2}'),
      riskLevel: 'high',
      riskScore: 0.85,
      justification: 'The parcel was lost',
      priority: 'urgent',
      agentName: 'Refund agent',
      metadata: { ticket: 'T-1', nested: { tags: ['a'] } },
    } as const
    await receiver.submit(request)
    expect(api.posts[0]?.text).toBe(JSON.stringify(request))
  })

  it('sends maxWaitMs, expiresAt and the callback URL where they are given', async () => {
    const { receiver, api } = submitBench({ callbackUrl: webhook })
    const expiresAt = new Date('2026-11-21T10:00:00Z')
    await receiver.submit(refund, { maxWaitMs: 10_000, expiresAt })
    expect(api.posts[0]?.body).toEqual({
      ...refund,
      maxWaitMs: 10_000,
      expiresAt: '2026-11-21T10:00:00.000Z',
      callbackUrl: expect.stringMatching(/^https:\/\/app\.test\/webhooks\/cheqpoint\?cq=[\w.-]+$/),
    })
  })

  it('sends the details that are kept, whatever the caller does to them meanwhile', async () => {
    const store = new FaultyStore()
    const { receiver, api } = submitBench({ store: store.store })
    const details = { orderId: '8842', amount: 120 }
    const metadata = { ticket: 'T-1' }
    const reserved = store.hold('reserve')
    const submission = receiver.submit({ ...refund, details, metadata })
    await pass(0)
    details.amount = 9_999
    metadata.ticket = 'T-2'
    reserved.open()
    await submission
    expect(api.posts[0]?.body).toMatchObject({ details: { amount: 120 }, metadata: { ticket: 'T-1' } })
  })

  it('leaves the request and the options of the caller as they were', async () => {
    const { receiver, api } = submitBench({ callbackUrl: webhook })
    const details = Object.freeze({ orderId: '8842', lines: Object.freeze([1]) })
    const request = Object.freeze({ ...refund, details })
    await receiver.submit(request, Object.freeze({ context: Object.freeze({ chat: 7 }), maxWaitMs: 1_000 }))
    expect(api.posts).toHaveLength(1)
  })

  it('hands its details and context to the handler when the decision comes', async () => {
    const { receiver, api, runs } = submitBench()
    await receiver.submit(refund, { context: { chat: 7 } })
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(runs).toMatchObject([
      { decision: { approvalId: 'req_1', details: refund.details, context: { chat: 7 }, via: 'callback' } },
    ])
  })

  it('is found by the sweep where no callback comes', async () => {
    const { receiver, api, runs } = submitBench({ sweep: 'here' })
    await receiver.start()
    await receiver.submit(refund)
    api.approve('req_1')
    await pass(10_000)
    expect(runs).toMatchObject([{ decision: { approvalId: 'req_1', via: 'poll' } }])
    await receiver.close()
  })

  it('is refused by a receiver that was closed', async () => {
    const { receiver, api } = submitBench()
    await receiver.close()
    expect((await failure(receiver.submit(refund))).code).toBe('receiver-closed')
    expect(api.posts).toEqual([])
  })
})

describe('a submission that Cheqpoint decides at once', () => {
  it.each(['approved', 'rejected', 'APPROVED', 'declined'])(
    'with %s has run its handler before it resolves, without a GET',
    async (word) => {
      const { receiver, api, runs } = submitBench({ onDecision: ({ status }) => ({ did: status }) })
      api.onPost = (_post, id) => decidedPost(id, word)
      const status = /^a/i.test(word) ? 'approved' : 'rejected'
      expect(await receiver.submit(refund)).toEqual({
        status,
        approvalId: 'req_1',
        modifiedDetails: null,
        note: null,
        decidedAt: null,
        result: { did: status },
      })
      expect(runs).toMatchObject([{ decision: { status, via: 'inline', originalDetails: refund.details } }])
      expect(api.asked).toEqual([])
    },
  )

  it('returns note and date of the decision where the response has them', async () => {
    const { receiver, api } = submitBench()
    const decidedAt = '2026-11-20T10:00:00.000Z'
    api.onPost = (_post, id) => ({ body: { id, status: 'APPROVED', decisionNote: 'Off-peak only', decidedAt } })
    expect(await receiver.submit(refund)).toMatchObject({ note: 'Off-peak only', decidedAt: new Date(decidedAt) })
  })

  it('gives the edit to the handler and to the caller', async () => {
    const { receiver, api, runs } = submitBench()
    const edit = { orderId: '8842', amount: 50 }
    api.onPost = (_post, id) => decidedPost(id, 'approved', edit)
    expect(await receiver.submit(refund)).toMatchObject({ status: 'approved', modifiedDetails: edit })
    expect(runs).toMatchObject([{ decision: { details: edit, changedPaths: ['/amount'] } }])
  })

  it('with an edit that must not run is not called approved: it is pending, and parked for a person', async () => {
    const { receiver, api, runs } = submitBench()
    api.onPost = (_post, id) => decidedPost(id, 'approved', { amount: 50 })
    expect(await receiver.submit(refund)).toEqual({ status: 'pending', approvalId: 'req_1', reviewUrl: null })
    expect((await failure(receiver.wait('req_1'))).code).toBe('parked')
    expect(runs).toEqual([])
  })

  it('is decided without a result where the handler failed, which runs again later', async () => {
    let failures = 1
    const { receiver, api, runs } = submitBench({
      sweep: 'here',
      onDecision: () => {
        if (failures-- > 0) throw new Error('the shop is closed')
        return 'refunded'
      },
    })
    await receiver.start()
    api.onPost = (_post, id) => decidedPost(id, 'approved')
    expect(await receiver.submit(refund)).toMatchObject({ status: 'approved', result: null })
    await pass(3_000)
    expect(await receiver.wait('req_1')).toMatchObject({ status: 'approved', result: 'refunded' })
    expect(runs.map(({ run }) => run.attempt)).toEqual([1, 2])
    await receiver.close()
  })

  it('is decided by the response where the store fails for a while after the bind', async () => {
    const store = new FaultyStore()
    const { receiver, api, runs } = submitBench({ store: store.store })
    api.onPost = (_post, id) => decidedPost(id, 'approved')
    store.fail('complete')
    const submission = receiver.submit(refund)
    await pass(1_000)
    store.mend()
    await pass(2_000)
    expect(await submission).toMatchObject({ status: 'approved', approvalId: 'req_1' })
    expect(runs).toHaveLength(1)
  })

  it.each([
    [0, 'approved'],
    [1, 'expired'],
  ])('an undated approval that arrives %d ms after expiresAt is %s', async (lateMs, status) => {
    const { receiver, api, runs, types } = submitBench()
    const expiresAt = new Date(Date.now() + 5_000)
    api.onPost = () => 'hang'
    const submission = receiver.submit(refund, { expiresAt })
    await pass(5_000 + lateMs)
    api.answer('1', decidedPost('req_1', 'approved'))
    api.resume()
    expect(await submission).toMatchObject({ status })
    expect(runs).toMatchObject([{ decision: { status } }])
    expect(types().includes('late')).toBe(status === 'expired')
  })

  it('does not expire by a pending response, however late it comes: only a GET decides that', async () => {
    const { receiver, api, runs } = submitBench({ sweep: 'here' })
    await receiver.start()
    const expiresAt = new Date(Date.now() + 5_000)
    api.onPost = () => 'hang'
    const submission = receiver.submit(refund, { expiresAt })
    await pass(5_001)
    api.answer('1', pendingPost('req_1'))
    api.resume()
    expect(await submission).toMatchObject({ status: 'pending' })
    api.approve('req_1', { decidedAt: expiresAt.toISOString() })
    await pass(10_000)
    expect(runs).toMatchObject([{ decision: { status: 'approved' } }])
    await receiver.close()
  })

  it('with an undocumented status word is pending, and the word is reported', async () => {
    const { receiver, api, runs, events } = submitBench()
    api.onPost = (_post, id) => decidedPost(id, 'auto_approved')
    expect(await receiver.submit(refund)).toEqual({ status: 'pending', approvalId: 'req_1', reviewUrl: null })
    expect(eventsOf(events, 'unknown-status')).toEqual([
      { type: 'unknown-status', approvalId: 'req_1', word: 'auto_approved' },
    ])
    expect(runs).toEqual([])
  })
})

describe('a submission that Cheqpoint refuses', () => {
  it.each([400, 401, 402, 403, 404, 405, 406, 411, 413, 414, 415, 422, 429, 431])(
    'with %d is forgotten and rejects with submission-refused',
    async (status) => {
      const { receiver, api, types } = submitBench()
      api.onPost = () => ({ status, headers: { 'retry-after': '7' }, body: { error: 'no' } })
      const error = await failure(receiver.submit(refund, { idempotencyKey: 'step-1' }))
      expect(error).toMatchObject({ code: 'submission-refused', httpStatus: status, retryAfterMs: 7_000 })
      expect((await receiver.unconfirmed()).items).toEqual([])
      expect(types()).not.toContain('submission-unknown')
      // The same key is free again.
      api.onPost = (_post, id) => pendingPost(id)
      expect(await receiver.submit(refund, { idempotencyKey: 'step-1' })).toMatchObject({ approvalId: 'req_2' })
    },
  )

  it('whose expiresAt passes before it is sent rejects with submission-refused, and is forgotten', async () => {
    const faulty = new FaultyStore()
    const { receiver, api } = submitBench({ store: faulty.store })
    const held = faulty.hold('markSent')
    const refused = failure(receiver.submit(refund, { expiresAt: new Date(Date.now() + 1_000) }))
    await pass(1_000)
    held.open()
    expect(await refused).toMatchObject({
      code: 'submission-refused',
      message: expect.stringMatching(/^the request was not sent, .*: expiresAt must be in the future/),
    })
    expect(api.posts).toEqual([])
    expect(await receiver.unconfirmed()).toMatchObject({ items: [] })
  })

  it('rejects with submission-refused though the store fails, and is forgotten once the store is back', async () => {
    const store = new FaultyStore()
    const { receiver, api } = submitBench({ store: store.store })
    api.onPost = () => ({ status: 422, body: {} })
    store.fail('discard')
    const refused = failure(receiver.submit(refund))
    await pass(1_000)
    store.mend()
    await pass(1_000)
    expect(await refused).toMatchObject({ code: 'submission-refused', httpStatus: 422 })
    expect((await receiver.unconfirmed()).items).toEqual([])
  })

  it('rejects with submission-refused even where the store never comes back, and stays listed', async () => {
    const store = new FaultyStore()
    const { receiver, api } = submitBench({ store: store.store })
    api.onPost = () => ({ status: 422, body: {} })
    store.fail('discard')
    const refused = failure(receiver.submit(refund))
    await pass(10_000)
    expect(await refused).toMatchObject({ code: 'submission-refused', httpStatus: 422 })
    expect((await receiver.unconfirmed()).items).toHaveLength(1)
  })
})

describe('a submission whose response was lost', () => {
  const answers: readonly (readonly [string, Parameters<SubmitApi['answer']>[1]])[] = [
    ...[408, 409, 410, 418, 425, 451, 500, 502, 503, 504].map(
      (status) => [`the status ${status}`, { status, body: pendingPost('req_1').body }] as const,
    ),
    ...[301, 302, 303, 307, 308].map(
      (status) => [`the redirect ${status}`, { status, headers: { location: 'https://cheqpoint.co/' } }] as const,
    ),
    ['an answer that is no JSON', { body: '<html>Welcome</html>' }],
    ['an answer that breaks off', { body: '{"status":"pending","approvalId":"req_1"' }],
    ['an answer without a status', { body: { approvalId: 'req_1' } }],
    ['an answer without an id', { body: { status: 'approved', modifiedDetails: null } }],
    ['an answer with two ids', { body: { status: 'pending', id: 'req_1', approvalId: 'req_2' } }],
    ['an id that leads elsewhere', { body: { status: 'approved', approvalId: '../admin' } }],
    ['an id that is empty', { body: { status: 'pending', approvalId: '' } }],
    ['an id that is too long', { body: { status: 'pending', approvalId: 'r'.repeat(129) } }],
    ['an answer that is encoded', { headers: { 'content-encoding': 'gzip' }, body: pendingPost('req_1').body }],
    ['no answer in time', () => 'hang'],
  ]

  it.each(answers)(
    'after %s rejects with submission-unknown, is kept and listed, and never sent again',
    async (_words, answer) => {
      const { receiver, api, runs, events } = submitBench({ sweep: 'here', callbackUrl: webhook })
      await receiver.start()
      api.onPost = () => (typeof answer === 'function' ? answer('') : answer)
      const submission = failure(receiver.submit(refund, { context: { chat: 7 } }))
      await pass(15_000)
      const { code, ref, message } = await submission
      expect(code).toBe('submission-unknown')
      expect(message).not.toContain('8842')
      expect(message).toMatch(/; do not submit it again; see receiver\.unconfirmed\(\)$/)
      expect((await receiver.unconfirmed()).items).toEqual([
        {
          ref,
          action: 'process_refund',
          assistant: null,
          details: refund.details,
          context: { chat: 7 },
          sentAt: expect.any(Number),
          candidates: [],
        },
      ])
      expect(eventsOf(events, 'submission-unknown')).toEqual([{ type: 'submission-unknown', ref }])
      await pass(hour)
      expect(api.posts).toHaveLength(1)
      expect(api.asked).toEqual([])
      expect(runs).toEqual([])
      await receiver.close()
    },
  )

  it('is reported again each time that the sweep finds it without an id', async () => {
    const { receiver, api, events } = submitBench({ sweep: 'here' })
    await receiver.start()
    api.onPost = () => ({ status: 500 })
    await failure(receiver.submit(refund))
    // Not before its process can no longer be at work on it: submitTimeoutMs and one lease.
    await pass(44_000)
    expect(eventsOf(events, 'submission-unknown')).toHaveLength(1)
    await pass(3_000)
    expect(eventsOf(events, 'submission-unknown')).toHaveLength(2)
    await pass(hour)
    expect(eventsOf(events, 'submission-unknown').length).toBeGreaterThan(2)
    await receiver.close()
  })

  it('is refused a second time under the same key, until a person discards it', async () => {
    const { receiver, api } = submitBench()
    api.onPost = () => ({ status: 502 })
    const { ref } = await failure(receiver.submit(refund, { idempotencyKey: 'step-1' }))
    api.onPost = (_post, id) => pendingPost(id)
    const again = (): Promise<CheqpointError> => failure(receiver.submit(refund, { idempotencyKey: 'step-1' }))
    // As long as another process may still have it on its way, it counts as under way.
    expect(await again()).toMatchObject({ code: 'submission-in-progress', ref })
    await pass(15_000)
    expect(await again()).toMatchObject({ code: 'submission-unknown', ref })
    expect(api.posts).toHaveLength(1)
    expect(await receiver.discard(ref ?? '')).toBe('discarded')
    expect(await receiver.submit(refund, { idempotencyKey: 'step-1' })).toMatchObject({ approvalId: 'req_2' })
  })
})

describe('a submission over a real connection', () => {
  beforeEach(() => {
    vi.useRealTimers()
  })

  it.each([
    ['before the head of an answer', ''],
    ['within the head of an answer', 'HTTP/1.1 200 OK\r\ncontent-type: appl'],
    [
      'within the body of an answer',
      'HTTP/1.1 200 OK\r\ncontent-length: 80\r\n\r\n{"status":"pending","approvalId":"req_1"',
    ],
  ])('that is cut %s is unknown', async (_words, bytes) => {
    const { url } = await misbehaveRaw(bytes, (socket) => socket.resetAndDestroy())
    const receiver = createReceiver({ apiKey: 'cq_live_test', baseUrl: url, log: false, onDecision() {} })
    expect((await failure(receiver.submit(refund))).code).toBe('submission-unknown')
    expect((await receiver.unconfirmed()).items).toHaveLength(1)
    await receiver.close()
  })

  it('that is refused was never sent, so nothing is kept', async () => {
    const baseUrl = `http://127.0.0.1:${await closedPort()}`
    const receiver = createReceiver({ apiKey: 'cq_live_test', baseUrl, log: false, onDecision() {} })
    expect((await failure(receiver.submit(refund))).code).toBe('submission-refused')
    expect((await receiver.unconfirmed()).items).toEqual([])
    await receiver.close()
  })
})

describe('the id that came back', () => {
  it('is written again until a failing store accepts it; nothing is sent twice', async () => {
    const store = new FaultyStore()
    const { receiver, api } = submitBench({ store: store.store })
    store.fail('beginBind')
    const submission = receiver.submit(refund)
    await pass(2_000)
    store.mend()
    await pass(2_000)
    expect(await submission).toMatchObject({ approvalId: 'req_1' })
    expect(store.timesOf('beginBind').length).toBeGreaterThan(2)
    expect(api.posts).toHaveLength(1)
  })

  it('rejects where the store never accepts it', async () => {
    const store = new FaultyStore()
    const { receiver, api, events } = submitBench({ store: store.store })
    store.fail('beginBind')
    const submission = failure(receiver.submit(refund))
    await pass(10_000)
    const error = await submission
    expect(error).toMatchObject({ code: 'submission-unknown', approvalId: 'req_1' })
    expect(eventsOf(events, 'submission-unknown')).toEqual([{ type: 'submission-unknown', ref: error.ref }])
    expect(api.posts).toHaveLength(1)
  })

  it('rejects without the message of the store, which the event has: it may quote what was written', async () => {
    const cause = Object.assign(new Error('write of 8842 failed'), { statement: 'insert 8842' })
    const store = new FaultyStore()
    store.failWith(cause, 'beginBind')
    const { receiver, events } = submitBench({ store: store.store })
    const submission = failure(receiver.submit(refund))
    await pass(10_000)
    const error = await submission
    expect(error.code).toBe('submission-unknown')
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('8842')
    expect(eventsOf(events, 'store-failed')[0]?.error).toMatchObject({ code: 'store-unavailable', cause })
  })

  it('is bound though the response to the first try was lost', async () => {
    let lost = 1
    const inner = memoryStore()
    const store = overlayStore(inner, {
      async write(key, ...rest) {
        const answer = await inner.write(key, ...rest)
        if (key.startsWith('a:') && lost-- > 0) throw new Error('the connection broke')
        return answer
      },
    })
    const { receiver } = submitBench({ store })
    const submission = receiver.submit(refund)
    await pass(1_000)
    expect(await submission).toMatchObject({ status: 'pending', approvalId: 'req_1' })
  })

  it('is followed though a person discarded the reservation meanwhile', async () => {
    const { receiver, api, runs } = submitBench()
    api.onPost = () => 'hang'
    const submission = receiver.submit(refund)
    await pass(0)
    const [reserved] = (await receiver.unconfirmed()).items
    await receiver.discard(reserved?.ref ?? '')
    api.answer('1', pendingPost('req_1'))
    api.resume()
    expect(await submission).toMatchObject({ approvalId: 'req_1' })
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(runs).toMatchObject([{ decision: { details: refund.details } }])
  })

  it('that belongs to another request is not taken for this one', async () => {
    const { receiver, api, runs } = submitBench()
    await receiver.submit(refund)
    api.onPost = () => pendingPost('req_1')
    const error = await failure(receiver.submit({ ...refund, details: { orderId: '1', amount: 9_999 } }))
    expect(error).toMatchObject({ code: 'submission-unknown', approvalId: 'req_1' })
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    expect(runs).toMatchObject([{ decision: { details: refund.details } }])
  })

  it('is kept, and nothing is rejected, where the store fails right after it', async () => {
    const store = new FaultyStore()
    const { receiver } = submitBench({ store: store.store })
    const ended = store.hold('endBind')
    const submission = receiver.submit(refund)
    await pass(0)
    store.mend()
    store.fail('read')
    ended.open()
    expect(await submission).toMatchObject({ status: 'pending', approvalId: 'req_1' })
  })
})

describe('a callbackUrl function that throws', () => {
  it('keeps the request from being kept and sent', async () => {
    let broken = false
    const callbackUrl = (token: string): string => {
      if (broken) throw new Error('no such tenant')
      return `https://app.test/hooks/${token}`
    }
    const { receiver, api } = submitBench({ callbackUrl, callbackSecret })
    broken = true
    const cause = { message: 'no such tenant' }
    await expect(receiver.submit(refund)).rejects.toMatchObject({ code: 'option-invalid', cause })
    expect(api.steps).not.toContain('reserve')
    expect(api.posts).toEqual([])
  })
})

describe('a store whose client repeats a call, because the response to the first was lost', () => {
  const inner = memoryStore()
  const store = overlayStore(inner, {
    async write(...given) {
      await inner.write(...given)
      return inner.write(...given)
    },
  })

  it.each([undefined, 'step-1'])(
    'keeps no submission from being sent, with the idempotencyKey %s',
    async (idempotencyKey) => {
      const { receiver, api } = submitBench({ store })
      api.onPost = () => pendingPost(`of_${idempotencyKey}`)
      expect(await receiver.submit(refund, { idempotencyKey })).toMatchObject({ status: 'pending' })
      expect(api.posts).toHaveLength(1)
    },
  )
})

describe('a store that fails before a request is sent', () => {
  it('keeps it from being sent', async () => {
    const store = new FaultyStore()
    const { receiver, api } = submitBench({ store: store.store })
    store.fail('reserve')
    expect((await failure(receiver.submit(refund))).code).toBe('store-unavailable')
    expect(api.posts).toEqual([])
  })

  it('because it is full keeps it from being sent', async () => {
    const { receiver, api } = submitBench({ store: memoryStore({ maxPending: 1 }) })
    await receiver.submit(refund)
    expect((await failure(receiver.submit(refund))).code).toBe('store-full')
    expect(api.posts).toHaveLength(1)
  })
})

describe('the same idempotencyKey', () => {
  const key = { idempotencyKey: 'agent-7:step-3' }

  it('gives the first approval back instead of a second request', async () => {
    const { receiver, api } = submitBench()
    const first = await receiver.submit(refund, key)
    expect(await receiver.submit(refund, key)).toMatchObject({ status: 'pending', approvalId: first.approvalId })
    expect(api.posts).toHaveLength(1)
  })

  it('resolves where the result in the store is damaged', async () => {
    const store = memoryStore()
    const { receiver } = submitBench({ store })
    const { approvalId } = await receiver.submit(refund, key)
    await receiver.cancel(approvalId)
    await rewrite(store, approvalId, ({ state }) => ({ state: { ...state, result: '{"refund":' } }))
    expect(await receiver.submit(refund, key)).toMatchObject({ status: 'cancelled', result: null })
  })

  it('shares one request among concurrent calls', async () => {
    const { receiver, api } = submitBench()
    const all = await Promise.all(Array.from({ length: 64 }, () => receiver.submit(refund, key)))
    expect(new Set(all.map(({ approvalId }) => approvalId))).toEqual(new Set(['req_1']))
    expect(api.posts).toHaveLength(1)
  })

  it('holds for every receiver on the store', async () => {
    const store = memoryStore()
    const first = submitBench({ store })
    const second = submitBench({ store })
    await first.receiver.submit(refund, key)
    expect(await second.receiver.submit(refund, key)).toMatchObject({ approvalId: 'req_1' })
    expect(second.api.posts).toEqual([])
  })

  it('sends one request where two receivers submit at the same time; the other gets the id', async () => {
    const store = memoryStore()
    const first = submitBench({ store })
    const second = submitBench({ store })
    const asked = [first, second].map(({ receiver, api }) => {
      api.onPost = () => 'hang'
      return receiver.submit(refund, key).then(
        ({ approvalId }) => approvalId,
        ({ code }: CheqpointError) => code,
      )
    })
    await pass(1_000)
    expect(first.api.posts.length + second.api.posts.length).toBe(1)
    for (const { api } of [first, second]) {
      api.onPost = (_post, id) => pendingPost(id)
      api.resume()
    }
    expect((await Promise.all(asked)).sort()).toEqual(['req_1', 'submission-in-progress'])
    for (const { receiver } of [first, second]) {
      expect(await receiver.submit(refund, key)).toMatchObject({ approvalId: 'req_1' })
    }
    expect(first.api.posts.length + second.api.posts.length).toBe(1)
  })

  it('gives decision and result back once it is completed', async () => {
    const { receiver, api } = submitBench({ onDecision: () => ({ refunded: 120 }) })
    await receiver.submit(refund, key)
    api.approve('req_1', { decisionNote: 'fine' })
    await receiver.fetch(callbackRequest('req_1'))
    expect(await receiver.submit(refund, key)).toMatchObject({
      status: 'approved',
      approvalId: 'req_1',
      note: 'fine',
      result: { refunded: 120 },
    })
    expect(api.posts).toHaveLength(1)
  })

  it('resolves with cancelled if an operator cancelled the first', async () => {
    const { receiver, api } = submitBench()
    await receiver.submit(refund, key)
    await receiver.cancel('req_1')
    expect(await receiver.submit(refund, key)).toMatchObject({ status: 'cancelled', approvalId: 'req_1', result: null })
    expect(api.posts).toHaveLength(1)
  })

  it('resolves with the outcome where the store keeps no more of it', async () => {
    const store = memoryStore()
    const { receiver, api } = submitBench({ store })
    await receiver.submit(refund, key)
    api.reject('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    await rewrite(store, 'req_1', ({ state: { decision: _, ...state } }) => ({ state }))
    expect(await receiver.submit(refund, key)).toMatchObject({ status: 'rejected', approvalId: 'req_1', note: null })
  })

  it('resolves with the outcome, without a result that is damaged in the store', async () => {
    const store = memoryStore()
    const { receiver, api } = submitBench({ store })
    await receiver.submit(refund, key)
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    await rewrite(store, 'req_1', ({ state }) => ({ state: { ...state, result: 'card 4242' } }))
    expect(await receiver.submit(refund, key)).toMatchObject({ status: 'approved', result: null })
  })

  it.each([
    [0, 'req_1'],
    [1, 'req_2'],
  ])('is known as long as the tombstone: %d ms after it, the approval is %s', async (afterMs, approvalId) => {
    const { receiver, api } = submitBench({ retentionMs: hour })
    await receiver.submit(refund, key)
    api.approve('req_1')
    await receiver.fetch(callbackRequest('req_1'))
    await pass(hour + afterMs)
    expect(await receiver.submit(refund, key)).toMatchObject({ approvalId })
  })

  it('of another text is another request', async () => {
    const { receiver } = submitBench()
    await receiver.submit(refund, key)
    expect(await receiver.submit(refund, { idempotencyKey: 'agent-7:step-4' })).toMatchObject({ approvalId: 'req_2' })
  })

  it('never leaves the process as it is', async () => {
    const { receiver, api, events } = submitBench({ callbackUrl: webhook, callbackSecret })
    api.onPost = () => ({ status: 500 })
    const { ref, message } = await failure(receiver.submit(refund, key))
    expect(JSON.stringify([api.posts, events, ref, message])).not.toContain('step-3')
  })
})

describe('what submit does not take', () => {
  const schemas = {
    actions: {
      process_refund: {
        details: z.object({ orderId: z.string(), amount: z.number().positive() }),
        context: z.object({ chat: z.number() }),
        onDecision() {},
      },
    },
  }

  it.each([
    ['details', { amount: -120 }, { chat: 7 }, 'the details did not pass the schema of the action at /amount'],
    ['context', {}, { chat: 'c-7771' }, 'the context did not pass the schema of the action at /chat'],
    ['a missing context', {}, undefined, 'the context did not pass the schema of the action at the top'],
  ])('%s that fails its schema never leaves; the error names the place and no value', async (...row) => {
    const [, change, context, message] = row
    const { receiver, api } = submitBench(schemas)
    const submission = receiver.submit({ ...refund, details: { ...refund.details, ...change } }, { context })
    expect(await failure(submission)).toMatchObject({ code: 'argument-invalid', message })
    expect(api.steps).not.toContain('reserve')
    expect(api.posts).toEqual([])
  })

  it('is never sent for an action without a handler', async () => {
    const api = new SubmitApi()
    const receiver = createReceiver({ apiKey: 'cq_live_test', dispatcher: api, actions: { ship: { onDecision() {} } } })
    expect((await failure(receiver.submit(refund))).code).toBe('argument-invalid')
    expect(api.posts).toEqual([])
    expect((await receiver.unconfirmed()).items).toEqual([])
  })

  const loop: Record<string, unknown> = {}
  loop['self'] = loop
  it.each([
    ['details that are a list', { details: [1] }, {}, 'argument-invalid'],
    ['details that are null', { details: null }, {}, 'argument-invalid'],
    ['an action without a name', { action: '' }, {}, 'argument-invalid'],
    ['a date in the details', { details: { at: new Date() } }, {}, 'not-json'],
    ['a bigint in the details', { details: { amount: 1n } }, {}, 'not-json'],
    ['details within themselves', { details: loop }, {}, 'not-json'],
    ['a function in the metadata', { metadata: { toJSON: () => 1 } }, {}, 'not-json'],
    ['a map as context', {}, { context: new Map() }, 'not-json'],
    ['an expiresAt that is no date', {}, { expiresAt: new Date('soon') }, 'argument-invalid'],
    ['an assistant where there is one key', {}, { assistant: 'refunds' }, 'argument-invalid'],
    ['an empty idempotencyKey', {}, { idempotencyKey: '' }, 'argument-invalid'],
    ['a negative maxWaitMs', {}, { maxWaitMs: -1 }, 'argument-invalid'],
    ['a maxWaitMs that is no number', {}, { maxWaitMs: Number.NaN }, 'argument-invalid'],
  ])('%s never leaves', async (_words, request, options, code) => {
    const { receiver, api } = submitBench()
    // What the types rule out, plain JavaScript may send.
    const submission = receiver.submit({ ...refund, ...request } as typeof refund, options)
    expect((await failure(submission)).code).toBe(code)
    expect(api.steps).not.toContain('reserve')
    expect(api.posts).toEqual([])
  })

  it.each([
    [10_000, 10_000, 'argument-invalid'],
    [60_000, 10_000, 'argument-invalid'],
    [9_999, 10_000, 'taken'],
    [60_000, 10_001, 'taken'],
  ])('maxWaitMs %d with submitTimeoutMs %d, which would give up first or not: %s', async (...row) => {
    const [maxWaitMs, submitTimeoutMs, outcome] = row
    const { receiver } = submitBench({ submitTimeoutMs })
    const submission = receiver.submit(refund, { maxWaitMs })
    if (outcome === 'taken') expect(await submission).toMatchObject({ approvalId: 'req_1' })
    else expect((await failure(submission)).code).toBe(outcome)
  })
})

describe('a callback that comes before the response to its submission', () => {
  it.each([
    ['here', 202],
    ['off', 409],
  ] as const)('runs once, with a sweep %s', async (sweep, status) => {
    const options = { sweep, callbackUrl: webhook, callbackSecret }
    const { receiver, api, runs } = submitBench({ ...options, onDecision: () => 'refunded' })
    if (sweep === 'here') await receiver.start()
    api.onPost = () => 'hang'
    const submission = receiver.submit(refund)
    await pass(0)
    api.approve('req_1', { decidedAt: new Date().toISOString() })
    const url = String(api.posts[0]?.body['callbackUrl'])
    expect((await receiver.fetch(callbackRequest('req_1', { url }))).status).toBe(status)
    expect(api.asked).toEqual([])
    api.answer('1', pendingPost('req_1'))
    api.resume()
    expect(await submission).toMatchObject({ status: 'approved', approvalId: 'req_1', result: 'refunded' })
    await pass(hour)
    expect(runs).toMatchObject([{ decision: { details: refund.details } }])
    expect(api.asked).toEqual(['req_1'])
    await receiver.close()
  })

  it.each(['here', 'off'] as const)('without tokens runs once too, with a sweep %s', async (sweep) => {
    const options = { sweep, callbackUrl: webhook, callbackTokens: 'off' } as const
    const { receiver, api, runs } = submitBench({ ...options, onDecision: () => 'refunded' })
    if (sweep === 'here') await receiver.start()
    api.onPost = () => 'hang'
    const submission = receiver.submit(refund)
    await pass(0)
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(404)
    api.answer('1', pendingPost('req_1'))
    api.resume()
    expect(await submission).toMatchObject({ status: 'approved', result: 'refunded' })
    await pass(hour)
    expect(runs).toHaveLength(1)
    await receiver.close()
  })

  it('without tokens is acted on at once also if it came while the id was written', async () => {
    const store = new FaultyStore()
    const options = { store: store.store, sweep: 'off', callbackUrl: webhook, callbackTokens: 'off' } as const
    const { receiver, api, runs } = submitBench(options)
    const added = store.hold('add')
    const submission = receiver.submit(refund)
    await pass(0)
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(404)
    added.open()
    expect(await submission).toMatchObject({ status: 'approved' })
    expect(runs).toHaveLength(1)
  })

  it('that came to another process is acted on at once all the same', async () => {
    const store = memoryStore()
    const options = { store, sweep: 'off', callbackUrl: webhook, callbackSecret } as const
    const submitting = submitBench(options)
    const receiving = submitBench(options)
    submitting.api.onPost = () => 'hang'
    const submission = submitting.receiver.submit(refund)
    await pass(0)
    const url = String(submitting.api.posts[0]?.body['callbackUrl'])
    expect((await receiving.receiver.fetch(callbackRequest('req_1', { url }))).status).toBe(409)
    submitting.api.approve('req_1')
    submitting.api.answer('1', pendingPost('req_1'))
    submitting.api.resume()
    expect(await submission).toMatchObject({ status: 'approved' })
    expect([submitting.runs.length, receiving.runs.length]).toEqual([1, 0])
  })

  it('does not make up a decision: what the API still calls pending is pending', async () => {
    const options = { callbackUrl: webhook, callbackSecret }
    const { receiver, api, runs } = submitBench(options)
    api.onPost = () => 'hang'
    const submission = receiver.submit(refund)
    await pass(0)
    const url = String(api.posts[0]?.body['callbackUrl'])
    await receiver.fetch(callbackRequest('req_1', { url }))
    api.pend('req_1')
    api.answer('1', pendingPost('req_1'))
    api.resume()
    expect(await submission).toEqual({
      status: 'pending',
      approvalId: 'req_1',
      reviewUrl: 'https://app.cheqpoint.co/review/req_1',
    })
    expect(runs).toEqual([])
  })

  it('of an inline decision runs once, whichever is first', async () => {
    const options = { callbackUrl: webhook, callbackSecret, sweep: 'off' } as const
    const { receiver, api, runs } = submitBench(options)
    api.onPost = () => 'hang'
    const submission = receiver.submit(refund)
    await pass(0)
    api.approve('req_1')
    const url = String(api.posts[0]?.body['callbackUrl'])
    await receiver.fetch(callbackRequest('req_1', { url }))
    api.answer('1', decidedPost('req_1', 'approved'))
    api.resume()
    expect(await submission).toMatchObject({ status: 'approved' })
    expect((await receiver.fetch(callbackRequest('req_1', { url }))).status).toBe(200)
    expect(runs).toHaveLength(1)
  })
})

describe('a rule of the simulator whose callback is handled before the response to the submission', () => {
  beforeEach(() => {
    vi.useRealTimers()
  })

  it.each([
    ['here', 'required', [202, 202, 202]],
    ['off', 'required', [409, 409, 409]],
    ['here', 'optional', [202, 202, 202]],
    ['off', 'optional', [409, 409, 409]],
    ['here', 'off', [404, 404, 404]],
    ['off', 'off', [404, 404, 404]],
  ] as const)('runs once, with a sweep %s and tokens %s', async (sweep, callbackTokens, statuses) => {
    const simulator = await createSimulator({ apiKey: 'cq_live_test' })
    const { url } = await simulator.listen()
    const app = await listenTo(async (request, response) => {
      const { status, headers, body } = await receiver.handle(fromIncoming(request))
      response.writeHead(status, headers).end(body)
    })
    let runs = 0
    const receiver = createReceiver({
      apiKey: 'cq_live_test',
      baseUrl: url,
      callbackUrl: `http://127.0.0.1:${app.port}${path}`,
      callbackTokens,
      sweep,
      log: false,
      onDecision: ({ status }) => ({ status, run: ++runs }),
    })
    if (sweep === 'here') await receiver.start()
    Object.assign(simulator.faults, { early: true, duplicate: 2 })
    simulator.rule(() => ({ status: 'approved' }))
    expect(await receiver.submit(refund)).toMatchObject({ status: 'approved', result: { status: 'approved', run: 1 } })
    expect(simulator.deliveries().map(({ answer }) => answer?.status)).toEqual(statuses)
    const [request] = simulator.list()
    expect(await simulator.redeliver(request?.id ?? '')).toMatchObject({ status: 200 })
    expect(runs).toBe(1)
    await receiver.close()
    await app.close()
    await simulator.close()
  })
})
