import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore } from '../../src/index.js'
import type { Store } from '../../src/stores/store.js'
import { callbackRequest } from '../support/callback.js'
import { overlayStore } from '../support/overlay-store.js'
import { FaultyStore } from '../support/runs-store.js'
import { pass } from '../support/runs-time.js'
import { failure, pendingPost, refund, submitBench, tracked, webhook } from '../support/submit-bench.js'

const hour = 3_600_000
const key = { idempotencyKey: 'agent-7:step-3' }

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('an idempotency key that is used for something else', () => {
  it.each([
    ['another action', { action: 'ship' }, {}],
    ['other details', { details: { orderId: '8842', amount: 9_999 } }, {}],
    ['another context', {}, { context: { chat: 8 } }],
    ['no context', {}, { context: undefined }],
  ])('is refused with key-reused: %s', async (_words, request, options) => {
    const { receiver, api } = submitBench()
    await receiver.submit(refund, { ...key, context: { chat: 7 } })
    const again = receiver.submit({ ...refund, ...request }, { ...key, context: { chat: 7 }, ...options })
    expect(await failure(again)).toMatchObject({ code: 'key-reused' })
    expect(api.posts).toHaveLength(1)
  })

  it('is refused while the first submission is in progress too, in this process and in another', async () => {
    const store = memoryStore()
    const first = submitBench({ store })
    const second = submitBench({ store })
    first.api.onPost = () => 'hang'
    const submission = first.receiver.submit(refund, key)
    await pass(0)
    for (const { receiver } of [first, second]) {
      expect(await failure(receiver.submit({ ...refund, details: {} }, key))).toMatchObject({ code: 'key-reused' })
    }
    expect(await failure(second.receiver.submit(refund, key))).toMatchObject({ code: 'submission-in-progress' })
    first.api.answer('1', pendingPost('req_1'))
    first.api.resume()
    expect(await submission).toMatchObject({ approvalId: 'req_1' })
    expect(second.api.posts).toEqual([])
  })

  it('is no other request where only the order of keys, or the text for the reviewer, differs', async () => {
    const { receiver, api } = submitBench()
    await receiver.submit(refund, key)
    const details = { amount: 120, orderId: '8842' }
    const again = await receiver.submit(
      { action: 'process_refund', summary: 'Again', details, priority: 'urgent' },
      key,
    )
    expect(again).toMatchObject({ approvalId: 'req_1' })
    expect(api.posts).toHaveLength(1)
  })

  it('shows nothing of what it was used for', async () => {
    const { receiver } = submitBench()
    await receiver.submit(refund, key)
    const error = await failure(receiver.submit({ ...refund, details: { secret: 'c-7771' } }, key))
    expect(`${error.message}${JSON.stringify(error)}`).not.toMatch(/8842|7771|step-3/)
  })
})

describe('a submission whose process ended before it sent anything', () => {
  it('is made by the next call with its key, after the time of its owner', async () => {
    const inner = memoryStore()
    const dying = new FaultyStore(inner)
    const first = submitBench({ store: dying.store })
    dying.hang('markSent')
    void first.receiver.submit(refund, key).catch(() => {})
    await pass(0)
    const second = submitBench({ store: inner })
    expect(await failure(second.receiver.submit(refund, key))).toMatchObject({ code: 'submission-in-progress' })
    await pass(5_000)
    expect(await second.receiver.submit(refund, key)).toMatchObject({ approvalId: 'req_1' })
    expect(first.api.posts).toEqual([])
  })

  it('is listed nowhere, and forgotten once it cannot be in progress any more', async () => {
    const inner = memoryStore()
    const dying = new FaultyStore(inner)
    dying.hang('markSent')
    void submitBench({ store: dying.store })
      .receiver.submit(refund, key)
      .catch(() => {})
    await pass(0)
    const { receiver, types } = submitBench({ store: inner })
    expect((await receiver.unconfirmed()).items).toEqual([])
    await pass(600_000)
    await receiver.reconcile()
    expect(await receiver.stats()).toMatchObject({ open: 0 })
    expect(types()).not.toContain('submission-unknown')
  })

  it('is not sent by its owner, if that resumes after another took over', async () => {
    const inner = memoryStore()
    const stalling = new FaultyStore(inner)
    const first = submitBench({ store: stalling.store })
    stalling.hang('markSent')
    const submission = failure(first.receiver.submit(refund, key))
    await pass(5_001)
    const second = submitBench({ store: inner })
    expect(await second.receiver.submit(refund, key)).toMatchObject({ approvalId: 'req_1' })
    stalling.mend()
    await pass(10_000)
    expect(await submission).toMatchObject({ code: 'submission-in-progress' })
    expect(first.api.posts).toEqual([])
  })
})

/** A store whose nth write, counted from now, is done while its response is lost. */
function losing(inner: Store, nth: number): Store {
  let left = nth
  return overlayStore(inner, {
    async write(...args) {
      const written = await inner.write(...args)
      if (--left === 0) throw new Error('the connection broke')
      return written
    },
  })
}

describe('a response of the store that is lost', () => {
  it.each([1, 2, 3, 4, 5])('at write %i causes no second request, and the key finds the approval', async (nth) => {
    const inner = memoryStore()
    const { receiver, api, runs } = submitBench({ store: losing(inner, nth), callbackUrl: webhook })
    const submission = receiver.submit(refund, key).then(
      ({ approvalId }) => approvalId,
      ({ code }) => code,
    )
    await pass(10_000)
    // The reservation is the only write that is not tried again: nothing was sent, and the caller asks again.
    expect(await submission).toBe(nth === 1 ? 'store-unavailable' : 'req_1')
    await pass(10_000)
    expect(await receiver.submit(refund, key)).toMatchObject({ approvalId: 'req_1' })
    expect(api.posts).toHaveLength(1)
    api.approve('req_1')
    const url = String(api.posts[0]?.body['callbackUrl'])
    expect((await receiver.fetch(callbackRequest('req_1', { url }))).status).toBe(200)
    expect(runs).toHaveLength(1)
  })
})

describe('a keyed reference', () => {
  it('ends with its approval: once nothing is open, nothing remains in the store', async () => {
    const store = memoryStore()
    const { receiver, api, runs } = submitBench({ store, sweep: 'here', retentionMs: hour })
    await receiver.start()
    await receiver.submit(refund, key)
    await receiver.submit({ ...refund, details: { orderId: '1', amount: 1 } })
    for (const id of ['req_1', 'req_2']) api.approve(id)
    await pass(20_000)
    expect(runs).toHaveLength(2)
    await pass(3 * hour)
    expect(await store.count()).toEqual({ open: 0, parked: 0, overdueMs: 0 })
    expect(api.steps).toContain('keepBound')
    expect((await store.list('due', { limit: 10 })).items).toEqual([])
    await receiver.close()
  })

  it('lasts as long as its approval is open, however long that is', async () => {
    const { receiver, api } = submitBench({ sweep: 'here', retentionMs: hour })
    await receiver.start()
    await receiver.submit(refund, { ...key, expiresAt: new Date(Date.now() + 100 * hour) })
    api.pend('req_1')
    await pass(50 * hour)
    expect(await receiver.submit(refund, { ...key, expiresAt: new Date(Date.now() + hour) })).toMatchObject({
      approvalId: 'req_1',
    })
    expect(api.posts).toHaveLength(1)
    await receiver.close()
  })
})

describe('an idempotency key that is repeated after its expiresAt', () => {
  const dated = { ...key, expiresAt: new Date('2026-11-20T11:00:00Z') }

  it('returns the approval of the first submission, under the same digest', async () => {
    const { receiver, api } = submitBench()
    await receiver.submit(refund, dated)
    await pass(hour)
    expect(await receiver.submit(refund, dated)).toMatchObject({ approvalId: 'req_1' })
    const other = receiver.submit({ ...refund, details: {} }, dated)
    expect(await failure(other)).toMatchObject({ code: 'key-reused' })
    expect(api.posts).toHaveLength(1)
  })

  it('is refused if nothing is stored under it, and nothing is kept or sent', async () => {
    const store = memoryStore()
    const { receiver, api } = submitBench({ store })
    await pass(hour)
    for (let again = 0; again < 2; again++) {
      expect(await failure(receiver.submit(refund, dated))).toMatchObject({
        code: 'argument-invalid',
        message: expect.stringMatching(/^expiresAt must be in the future/),
      })
    }
    expect(api.posts).toEqual([])
    expect(await store.count()).toMatchObject({ open: 0 })
    expect(await receiver.submit(refund, key)).toMatchObject({ approvalId: 'req_1' })
  })

  it('is refused once its approval is forgotten', async () => {
    const { receiver, api } = submitBench({ sweep: 'here', retentionMs: hour })
    await receiver.start()
    await receiver.submit(refund, dated)
    api.approve('req_1')
    await pass(3 * hour)
    expect(await failure(receiver.submit(refund, dated))).toMatchObject({ code: 'argument-invalid' })
    expect(api.posts).toHaveLength(1)
    await receiver.close()
  })
})

describe('what remains in a store once nothing is open', () => {
  it('expires, each key of it', async () => {
    const inner = memoryStore()
    const endless = new Set<string>()
    const store = overlayStore(inner, {
      async write(key, expected, entry, options) {
        const written = await inner.write(key, expected, entry, options)
        if (written && entry.dueAt === null && entry.parkedAt === null && options?.keepMs === undefined)
          endless.add(key)
        return written
      },
    })
    const { receiver, api } = submitBench({ store, sweep: 'here', retentionMs: hour, callbackUrl: webhook })
    await receiver.start()
    await receiver.submit(refund)
    await receiver.submit(refund, key)
    api.onPost = () => ({ status: 422, body: {} })
    await failure(receiver.submit(refund))
    api.onPost = () => ({ status: 502, body: {} })
    const { ref = '' } = await failure(receiver.submit(refund))
    await receiver.discard(ref)
    api.approve('req_1')
    api.reject('req_2')
    await pass(10 * hour)
    expect([...endless]).toEqual([])
    expect(await receiver.stats()).toMatchObject({ open: 0, parked: 0 })
    await receiver.close()
  })
})

describe('an unconfirmed submission that a person found at Cheqpoint', () => {
  it.each(['also if it is discarded then', 'without that'])(
    'keeps its key once it is tracked with its ref, and is not submitted again, %s',
    async (way) => {
      const { receiver, api } = submitBench()
      api.onPost = () => ({ status: 500 })
      const { ref = '' } = await failure(receiver.submit(refund, key))
      expect(await receiver.track('req_9', { ...tracked, ref })).toBe(true)
      if (way !== 'without that') expect(await receiver.discard(ref)).toBe('bound')
      expect((await receiver.unconfirmed()).items).toEqual([])
      expect(await receiver.submit(refund, key)).toMatchObject({ status: 'pending', approvalId: 'req_9' })
      expect(api.posts).toHaveLength(1)
    },
  )

  it('keeps its key also if it was tracked before, in a call that failed half-way', async () => {
    const faulty = new FaultyStore()
    const { receiver, api } = submitBench({ store: faulty.store })
    api.onPost = () => ({ status: 500 })
    const { ref = '' } = await failure(receiver.submit(refund, key))
    faulty.fail('beginBind')
    expect(await failure(receiver.track('req_9', { ...tracked, ref }))).toMatchObject({ code: 'store-unavailable' })
    faulty.mend()
    expect(await receiver.track('req_9', { ...tracked, ref })).toBe(false)
    expect(await receiver.submit(refund, key)).toMatchObject({ approvalId: 'req_9' })
  })
})

describe('a submission whose approval id belongs to another request', () => {
  it('is unknown to each call with its key, and never has the decision of that request', async () => {
    const faulty = new FaultyStore()
    const { receiver, api } = submitBench({ store: faulty.store })
    faulty.fail('add')
    const first = failure(receiver.submit(refund, key))
    await pass(60_000)
    expect(await first).toMatchObject({ code: 'submission-unknown', approvalId: 'req_1' })
    faulty.mend()
    await receiver.track('req_1', { action: 'ship', details: {} })
    api.approve('req_1')
    await receiver.resolve('req_1')
    for (let call = 0; call < 2; call++)
      expect(await failure(receiver.submit(refund, key))).toMatchObject({ code: 'submission-unknown' })
    expect(api.posts).toHaveLength(1)
  })
})
