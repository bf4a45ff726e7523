import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { memoryStore, type ReceiverOptions } from '../../src/index.js'
import { keyedRef } from '../../src/submit/refs.js'
import { callbackRequest } from '../support/callback.js'
import type { FakeAnswer } from '../support/fake-api.js'
import { makeDue, rewriteKey } from '../support/kept.js'
import { eventsOf } from '../support/runs-events.js'
import { FaultyStore } from '../support/runs-store.js'
import { withinBucket } from '../support/runs-sweep.js'
import { pass } from '../support/runs-time.js'
import {
  callbackSecret,
  decidedPost,
  failure,
  pendingPost,
  refund,
  type SubmitBench,
  submitBench,
  tracked,
  webhook,
} from '../support/submit-bench.js'

const start = new Date('2026-11-20T10:00:00Z')
/** When the sweep first looks after a lost submission: submitTimeoutMs and one lease. */
const firstLook = 45_000

beforeEach(() => {
  vi.useFakeTimers({ now: start })
})
afterEach(() => {
  vi.useRealTimers()
})

interface Lost extends SubmitBench {
  readonly ref: string
  /** Posts a callback with the token of the lost submission. */
  readonly call: (approvalId: string) => Promise<number>
}

/** A receiver that sweeps, and whose only submission was lost: Cheqpoint may have it, and its answer never came. */
async function loseSubmission(options: Partial<ReceiverOptions> = {}): Promise<Lost> {
  const bench = submitBench({ sweep: 'here', callbackUrl: webhook, callbackSecret, ...options })
  const { receiver, api } = bench
  await receiver.start()
  api.onPost = () => ({ status: 502 })
  const { ref = '' } = await failure(receiver.submit(refund, { context: { chat: 7 }, idempotencyKey: 'step-1' }))
  api.onPost = (_post, id) => pendingPost(id)
  const url = String(api.posts[0]?.body['callbackUrl'])
  return {
    ...bench,
    ref,
    call: async (approvalId) => (await receiver.fetch(callbackRequest(approvalId, { url }))).status,
  }
}

/** What the API says of an approval decided so long after the submission. */
function decided(id: string, status: string, afterMs: number): FakeAnswer {
  const decidedAt = new Date(start.getTime() + afterMs).toISOString()
  return { body: { id, status, modifiedDetails: null, decisionNote: null, decidedAt } }
}

async function candidates({ receiver }: Lost): Promise<readonly string[] | undefined> {
  return (await receiver.unconfirmed()).items[0]?.candidates
}

describe('the decision of a submission whose response was lost', () => {
  it('is found by its callback, and parked for a person', async () => {
    const lost = await loseSubmission()
    const { receiver, api, runs, events, ref } = lost
    api.answer('req_9', decided('req_9', 'APPROVED', 5_000))
    await pass(10_000)
    expect(await lost.call('req_9')).toBe(202)
    expect(await candidates(lost)).toEqual(['req_9'])
    await pass(firstLook)
    expect((await receiver.parked()).items).toMatchObject([
      {
        approvalId: 'req_9',
        reason: 'adopted',
        details: refund.details,
        context: { chat: 7 },
        decision: { status: 'approved' },
      },
    ])
    expect(eventsOf(events, 'adopted')).toEqual([{ type: 'adopted', approvalId: 'req_9', ref }])
    expect(eventsOf(events, 'parked')).toMatchObject([{ approvalId: 'req_9', reason: 'adopted' }])
    expect((await receiver.unconfirmed()).items).toEqual([])
    expect(runs).toEqual([])
    expect(api.posts).toHaveLength(1)
    await receiver.close()
  })

  it('runs after retry(), with what was submitted, and without another GET', async () => {
    const lost = await loseSubmission()
    const { receiver, api, runs } = lost
    api.answer('req_9', decided('req_9', 'APPROVED', 5_000))
    await lost.call('req_9')
    await pass(firstLook + 2_000)
    await receiver.retry('req_9')
    await pass(2_000)
    expect(runs).toMatchObject([
      { decision: { approvalId: 'req_9', details: refund.details, context: { chat: 7 }, via: 'poll' } },
    ])
    expect(api.asked).toEqual(['req_9'])
    await receiver.close()
  })

  it('ends without a run where that person cancels it', async () => {
    const lost = await loseSubmission()
    const { receiver, api, runs } = lost
    api.answer('req_9', decided('req_9', 'APPROVED', 5_000))
    await lost.call('req_9')
    await pass(firstLook + 2_000)
    await receiver.cancel('req_9')
    await pass(3_600_000)
    expect(await receiver.wait('req_9')).toMatchObject({ status: 'cancelled' })
    expect(runs).toEqual([])
    await receiver.close()
  })

  it('is not searched while its submission may still be in progress, even if a call takes the key early', async () => {
    const store = memoryStore()
    const lost = await loseSubmission({ store, sweep: 'off' })
    const { receiver, api } = lost
    api.answer('req_9', decided('req_9', 'APPROVED', 1_000))
    await lost.call('req_9')
    await makeDue(store, lost.ref)
    await pass(firstLook - 1)
    await receiver.reconcile()
    expect(api.asked).toEqual([])
    await pass(1)
    await receiver.reconcile()
    expect(api.asked).toEqual(['req_9'])
  })

  it.each([
    ['approved at expiresAt', 60_000, 'approved', []],
    ['approved after expiresAt', 60_001, 'expired', ['late']],
  ])('is what it was when it was made: %s', async (_words, afterMs, status, late) => {
    const bench = submitBench({ sweep: 'here', callbackUrl: webhook, callbackSecret })
    const { receiver, api, runs, types } = bench
    await receiver.start()
    api.onPost = () => ({ status: 502 })
    await failure(receiver.submit(refund, { expiresAt: new Date(start.getTime() + 60_000) }))
    api.answer('req_9', decided('req_9', 'APPROVED', afterMs))
    await pass(61_000)
    await receiver.fetch(callbackRequest('req_9', { url: String(api.posts[0]?.body['callbackUrl']) }))
    await pass(120_000)
    await receiver.retry('req_9')
    await pass(2_000)
    expect(runs).toMatchObject([{ decision: { status } }])
    expect(types().filter((type) => type === 'late')).toEqual(late)
    await receiver.close()
  })

  it('is continued after the process dies between the GET and the write', async () => {
    const inner = memoryStore()
    const dying = new FaultyStore(inner)
    const lost = await loseSubmission({ store: dying.store })
    lost.api.answer('req_9', decided('req_9', 'APPROVED', 5_000))
    await lost.call('req_9')
    dying.hang('beginBind')
    await pass(firstLook + 2_000)
    expect(lost.api.asked).toEqual(['req_9'])
    dying.hang()
    const next = submitBench({ store: inner, sweep: 'here', callbackUrl: webhook, callbackSecret }, lost.api)
    await next.receiver.start()
    await pass(firstLook)
    expect((await next.receiver.parked()).items).toMatchObject([{ approvalId: 'req_9', reason: 'adopted' }])
    await next.receiver.close()
  })

  it('is searched again after the store failed meanwhile', async () => {
    const store = new FaultyStore()
    const lost = await loseSubmission({ store: store.store })
    const { receiver, api, events } = lost
    api.answer('req_9', decided('req_9', 'APPROVED', 5_000))
    await lost.call('req_9')
    store.fail('beginBind')
    await pass(firstLook + 2_000)
    expect(eventsOf(events, 'store-failed')).toMatchObject([{ operation: 'sweep' }])
    store.mend()
    await pass(firstLook)
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'req_9', reason: 'adopted' }])
    await receiver.close()
  })
})

describe('close()', () => {
  it('waits for a submission in progress, whose response counts', async () => {
    const { receiver, api } = submitBench({ callbackUrl: webhook, callbackSecret })
    api.onPost = () => 'hang'
    const submission = receiver.submit(refund)
    await pass(0)
    let isClosed = false
    const closed = receiver.close().then(() => {
      isClosed = true
    })
    await pass(1_000)
    expect(isClosed).toBe(false)
    api.answer('1', pendingPost('req_1'))
    api.resume()
    expect(await submission).toMatchObject({ status: 'pending', approvalId: 'req_1' })
    await closed
  })
})

describe('a submission of which nothing is found', () => {
  it('is searched ever more rarely', async () => {
    const lost = await loseSubmission()
    await pass(3_600_000)
    // At twice its age each time: 45 s, 90 s, three minutes, … up to every ten minutes, give or take a fifth.
    const looks = eventsOf(lost.events, 'submission-unknown').length - 1
    expect(looks).toBeGreaterThan(5)
    expect(looks).toBeLessThan(16)
    await lost.receiver.close()
  })

  it('pays for its GETs from the budget of the sweep, however many candidates it has', async () => {
    const lost = await loseSubmission({ polling: { requestsPerSecond: 1 } })
    const times: number[] = []
    for (const id of ['req_a', 'req_b', 'req_c', 'req_d']) {
      lost.api.answer(id, () => {
        times.push(Date.now())
        return { body: { id, status: 'PENDING', decidedAt: null } }
      })
      await lost.call(id)
    }
    await pass(8 * firstLook)
    expect(times.length).toBeGreaterThan(4)
    // Paid ahead, and asked together at the next look: as many as there are candidates at the most.
    expect(withinBucket(times, 4)).toBe(true)
    expect(times.filter((time) => time === times[0])).toHaveLength(1)
    await lost.receiver.close()
  })
})

describe('a submission whose process ended while its approval id was stored', () => {
  it('is followed once another process resumes it', async () => {
    const { items, parked, runs } = await resume(60_000)
    expect({ items, parked, runs }).toEqual({ items: [], parked: [], runs: ['req_1'] })
  })

  it('is parked and reported where that comes so late that a run may be forgotten', async () => {
    const { items, parked, runs } = await resume(900_000)
    expect(items).toMatchObject([{ approvalId: 'req_1', reason: 'attempt-unfinished' }])
    expect(parked).toEqual([
      { type: 'parked', approvalId: 'req_1', action: refund.action, reason: 'attempt-unfinished', paths: [] },
    ])
    expect(runs).toEqual([])
  })

  async function resume(afterMs: number) {
    const inner = memoryStore()
    const dying = new FaultyStore(inner)
    const first = submitBench({ store: dying.store, retentionMs: 900_000 })
    dying.fail('add')
    const lost = failure(first.receiver.submit(refund))
    await pass(15_000)
    expect(await lost).toMatchObject({ code: 'submission-unknown', approvalId: 'req_1' })
    await pass(afterMs)
    const second = submitBench({ store: inner, retentionMs: 900_000, sweep: 'here' })
    second.api.answer('req_1', decided('req_1', 'APPROVED', 5_000))
    await second.receiver.start()
    await pass(60_000)
    const { items } = await second.receiver.parked()
    await second.receiver.close()
    return {
      items,
      parked: eventsOf(second.events, 'parked'),
      runs: second.runs.map(({ decision }) => decision.approvalId),
    }
  }
})

describe('a candidate is adopted only', () => {
  it('where the store accepts it: an approval that became another record meanwhile is left alone', async () => {
    const store = new FaultyStore()
    const lost = await loseSubmission({ store: store.store })
    lost.api.answer('req_9', decided('req_9', 'APPROVED', 5_000))
    await lost.call('req_9')
    const binding = store.hold('beginBind')
    await pass(firstLook + 2_000)
    expect(lost.api.asked).toEqual(['req_9'])
    expect(await lost.receiver.track('req_9', { action: 'other', details: {} })).toBe(true)
    binding.open()
    await pass(2_000)
    expect(lost.types()).not.toContain('adopted')
    expect(lost.types()).not.toContain('parked')
    expect((await lost.receiver.unconfirmed()).items).toMatchObject([{ ref: lost.ref, candidates: ['req_9'] }])
    await lost.receiver.close()
  })

  /** Lets callbacks name these ids, and tells which was adopted once the sweep has looked. */
  async function adopted(
    answers: Readonly<Record<string, FakeAnswer>>,
  ): Promise<{ readonly parked: readonly string[]; readonly unknown: number; readonly runs: number }> {
    const lost = await loseSubmission()
    const { receiver, api, runs, events } = lost
    for (const [id, answer] of Object.entries(answers)) {
      api.answer(id, answer)
      await lost.call(id)
    }
    await pass(firstLook + 2_000)
    const parked = (await receiver.parked()).items.map(({ approvalId }) => approvalId)
    await receiver.close()
    return { parked, unknown: eventsOf(events, 'submission-unknown').length - 1, runs: runs.length }
  }

  const none = { parked: [], unknown: 1, runs: 0 }
  const only = { parked: ['req_9'], unknown: 0, runs: 0 }
  const approved = decided('req_9', 'APPROVED', 5_000)
  const undecided = { body: { id: 'req_8', status: 'PENDING', decidedAt: null } }

  it.each<readonly [string, Readonly<Record<string, FakeAnswer>>, typeof none | typeof only]>([
    ['the only one that is decided', { req_9: approved }, only],
    [
      'beside ids that the API does not know',
      { req_7: { status: 404 }, req_9: approved, req_8: { status: 404 } },
      only,
    ],
    ['not beside another one that is decided', { req_9: approved, req_8: decided('req_8', 'REJECTED', 9_000) }, none],
    ['not beside one that is still pending', { req_9: approved, req_8: undecided }, none],
    [
      'not beside one whose word nobody documented',
      { req_9: approved, req_8: decided('req_8', 'AUTO_APPROVED', 5_000) },
      none,
    ],
    ['not beside one of which the API does not answer', { req_9: approved, req_8: { status: 500 } }, none],
    ['not while it is pending', { req_8: undecided }, none],
    ['not where the answer is about another one', { req_8: decided('req_9', 'APPROVED', 5_000) }, none],
    ['not without a date', { req_9: { body: { id: 'req_9', status: 'APPROVED' } } }, none],
    [
      'not with a date that is none',
      { req_9: { body: { id: 'req_9', status: 'APPROVED', decidedAt: 'today' } } },
      none,
    ],
    ['where clocks differ by five seconds', { req_9: decided('req_9', 'APPROVED', -5_000) }, only],
    ['not where it was decided before the submission', { req_9: decided('req_9', 'APPROVED', -5_001) }, none],
  ])('%s', async (_words, answers, expected) => {
    expect(await adopted(answers)).toEqual(expected)
  })

  it('once the other one turns out to be nothing', async () => {
    const lost = await loseSubmission()
    const { receiver, api } = lost
    api.answer('req_9', approved)
    api.answer('req_8', undecided)
    await lost.call('req_8')
    await lost.call('req_9')
    await pass(firstLook + 2_000)
    expect((await receiver.parked()).items).toEqual([])
    api.answer('req_8', { status: 404 })
    await pass(2 * firstLook)
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'req_9', reason: 'adopted' }])
    await receiver.close()
  })

  it('not beside one that is still pending, though the request has expired meanwhile', async () => {
    const bench = submitBench({ sweep: 'here', callbackUrl: webhook, callbackSecret })
    const { receiver, api } = bench
    await receiver.start()
    api.onPost = () => ({ status: 502 })
    await failure(receiver.submit(refund, { expiresAt: new Date(start.getTime() + 20_000) }))
    const url = String(api.posts[0]?.body['callbackUrl'])
    api.answer('req_9', approved)
    api.answer('req_8', undecided)
    for (const id of ['req_9', 'req_8']) await receiver.fetch(callbackRequest(id, { url }))
    await pass(10 * firstLook)
    expect((await receiver.parked()).items).toEqual([])
    expect((await receiver.unconfirmed()).items).toHaveLength(1)
    await receiver.close()
  })

  it('among the first four that were named; the callback of a fifth is not kept', async () => {
    const lost = await loseSubmission()
    const { receiver, api } = lost
    const four = ['req_a', 'req_b', 'req_c', 'req_d']
    api.answer('req_9', approved)
    for (const id of four) expect(await lost.call(id)).toBe(202)
    expect(await lost.call('req_9')).toBe(404)
    expect(await lost.call('req_a')).toBe(202)
    expect(await candidates(lost)).toEqual(four)
    await pass(firstLook + 2_000)
    expect([...api.asked].sort()).toEqual(four)
    expect((await receiver.parked()).items).toEqual([])
    await receiver.close()
  })
})

describe('a leaked callback URL of a lost submission', () => {
  const other = { action: 'process_refund', summary: 'Refund $9', details: { orderId: '1', amount: 9 } } as const

  it('proposes another approval of the same key at the most, and a person decides', async () => {
    const lost = await loseSubmission()
    const { receiver, api, runs } = lost
    api.answer('req_stranger', decided('req_stranger', 'APPROVED', 20_000))
    await pass(30_000)
    await lost.call('req_stranger')
    await pass(3_600_000)
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'req_stranger', reason: 'adopted' }])
    expect(runs).toEqual([])
    await receiver.close()
  })

  it('does not give the approval of another request to the same agent step', async () => {
    const lost = await loseSubmission()
    const { receiver, api } = lost
    api.answer('req_stranger', decided('req_stranger', 'APPROVED', 20_000))
    await lost.call('req_stranger')
    await pass(firstLook + 2_000)
    expect(await receiver.submit(refund, { context: { chat: 7 }, idempotencyKey: 'step-1' })).toEqual({
      status: 'pending',
      approvalId: 'req_stranger',
      reviewUrl: null,
    })
    expect((await failure(receiver.wait('req_stranger'))).code).toBe('parked')
    expect(api.posts).toHaveLength(1)
    await receiver.close()
  })

  it.each(['pending', 'approved'] as const)('cannot take an approval that is ours and %s', async (state) => {
    const lost = await loseSubmission()
    const { receiver, api, runs, ref } = lost
    const { approvalId } = await receiver.submit(other)
    if (state === 'approved') api.answer(approvalId, decided(approvalId, 'APPROVED', 5_000))
    else api.pend(approvalId)
    expect(await lost.call(approvalId)).toBe(401)
    await pass(600_000)
    expect((await receiver.unconfirmed()).items).toMatchObject([{ ref, candidates: [] }])
    expect(runs.map(({ decision }) => decision.originalDetails)).toEqual(state === 'approved' ? [other.details] : [])
    await receiver.close()
  })

  it('cannot take an approval that was named before it became ours', async () => {
    const lost = await loseSubmission()
    const { receiver, api, runs, events, ref } = lost
    api.onPost = () => 'hang'
    const submission = receiver.submit(other)
    await pass(0)
    expect(await lost.call('req_2')).toBe(202)
    api.answer('2', decidedPost('req_2', 'approved'))
    api.resume()
    expect(await submission).toMatchObject({ status: 'approved', approvalId: 'req_2' })
    api.answer('req_2', decided('req_2', 'APPROVED', 5_000))
    await pass(600_000)
    expect((await receiver.unconfirmed()).items).toMatchObject([{ ref, candidates: ['req_2'] }])
    expect(api.asked).toEqual([])
    expect(eventsOf(events, 'submission-unknown').length).toBeGreaterThan(1)
    expect(runs.map(({ decision }) => decision.originalDetails)).toEqual([other.details])
    await receiver.close()
  })

  it('that took the approval of a submission in progress leaves that one unknown, and runs nothing', async () => {
    const store = memoryStore()
    const lost = await loseSubmission({ store, submitTimeoutMs: 120_000 })
    const { receiver, api, runs } = lost
    await pass(140_000)
    api.onPost = () => 'hang'
    const submission = failure(receiver.submit(other))
    await pass(0)
    api.answer('req_2', decided('req_2', 'APPROVED', 141_000))
    await lost.call('req_2')
    await pass(20_000)
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'req_2', reason: 'adopted' }])
    api.answer('2', decidedPost('req_2', 'approved'))
    api.resume()
    expect(await submission).toMatchObject({ code: 'submission-unknown', approvalId: 'req_2' })
    expect(runs).toEqual([])
    await receiver.close()
  })
})

describe('a submission whose response comes after its reservation adopted', () => {
  it.each([
    ['the same id, and is pending for a person', 'req_9', 'pending'],
    ['another id, and is unknown', 'req_1', 'submission-unknown'],
  ])('%s', async (_words, id, expected) => {
    const store = memoryStore()
    const bench = submitBench({ store, sweep: 'here', callbackUrl: webhook, callbackSecret, submitTimeoutMs: 300_000 })
    const { receiver, api, runs } = bench
    api.onPost = () => 'hang'
    // To the other receiver this one looks lost: its time-out is shorter.
    const other = submitBench({ store, callbackUrl: webhook, callbackSecret }, api)
    const submission = receiver.submit(refund).then(
      ({ status }) => status,
      ({ code }) => code,
    )
    await pass(0)
    const [reserved] = (await receiver.unconfirmed()).items
    api.answer('req_9', decided('req_9', 'APPROVED', 5_000))
    await receiver.fetch(callbackRequest('req_9', { url: String(api.posts[0]?.body['callbackUrl']) }))
    await pass(firstLook + 1_000)
    await makeDue(store, reserved?.ref ?? '')
    await other.receiver.reconcile()
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'req_9', reason: 'adopted' }])
    api.answer('1', pendingPost(id))
    api.resume()
    expect(await submission).toBe(expected)
    expect(runs).toEqual([])
  })
})

describe('an API that fails while candidates are confirmed', () => {
  it.each([
    [429, ['paused']],
    [401, ['paused', 'api-key-refused']],
  ])('with %d pauses the assistant, and the candidate stays', async (status, expected) => {
    const lost = await loseSubmission()
    const { receiver, api, types } = lost
    api.answer('req_9', { status, headers: { 'retry-after': '300' } })
    await lost.call('req_9')
    await pass(firstLook + 2_000)
    expect(types().filter((type) => type === 'paused' || type === 'api-key-refused')).toEqual(expected)
    const asked = api.asked.length
    await pass(50_000)
    expect(api.asked).toHaveLength(asked)
    api.answer('req_9', decided('req_9', 'APPROVED', 5_000))
    await pass(1_500_000)
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'req_9', reason: 'adopted' }])
    await receiver.close()
  })
})

describe('unconfirmed() and discard()', () => {
  it('list lost submissions page by page, and discard one', async () => {
    const { receiver, api, runs } = submitBench()
    api.onPost = () => ({ status: 500 })
    const refs: (string | undefined)[] = []
    for (const amount of [1, 2, 3]) {
      refs.push((await failure(receiver.submit({ ...refund, details: { amount } }))).ref)
      await pass(1_000)
    }
    const first = await receiver.unconfirmed({ limit: 2 })
    const second = await receiver.unconfirmed({ limit: 2, cursor: first.cursor ?? undefined })
    expect(second.cursor).toBeNull()
    const all = [...first.items, ...second.items]
    expect(all.map(({ ref }) => ref)).toEqual(refs)
    expect(all.map(({ details, sentAt }) => [details, sentAt - start.getTime()])).toEqual([
      [{ amount: 1 }, 0],
      [{ amount: 2 }, 1_000],
      [{ amount: 3 }, 2_000],
    ])
    expect(await receiver.discard(refs[1] ?? '')).toBe('discarded')
    expect(await receiver.discard(refs[1] ?? '')).toBe('unknown')
    expect((await receiver.unconfirmed()).items.map(({ ref }) => ref)).toEqual([refs[0], refs[2]])
    expect(runs).toEqual([])
  })

  it('remove a damaged reference, which parked() lists, and free its key', async () => {
    const store = memoryStore()
    const { receiver, api } = submitBench({ store })
    const submit = () => receiver.submit(refund, { idempotencyKey: 'step-1' })
    await submit()
    expect((await receiver.parked()).items).toEqual([])
    const ref = keyedRef('step-1')
    await rewriteKey(store, `r:${ref}`, () => ({ state: { kind: 'nonsense' } }))
    expect((await failure(submit())).code).toBe('submission-unknown')
    expect((await receiver.parked()).items).toEqual([
      {
        ...{ approvalId: '', ref, action: '', assistant: null, reason: 'corrupt', note: '', attempts: 0 },
        ...{ details: null, context: null, decision: null },
      },
    ])
    expect(await receiver.discard(ref)).toBe('discarded')
    expect((await receiver.parked()).items).toEqual([])
    expect(await submit()).toMatchObject({ status: 'pending', approvalId: 'req_2' })
    expect(api.posts).toHaveLength(2)
  })

  it('remove a reference that the store cannot read, if it is still what was read', async () => {
    const faulty = new FaultyStore()
    const { receiver } = submitBench({ store: faulty.store })
    faulty.answer('read', { now: Date.now(), entry: null, unreadable: 'digest' })
    faulty.answer('remove', true)
    expect(await receiver.discard('ref_1')).toBe('discarded')
    expect(faulty.calls.map(({ method }) => method)).toEqual(['read', 'remove'])
    faulty.answer('remove', false)
    expect(await receiver.discard('ref_1')).toBe('unknown')
  })

  it('leave a submission that has its id alone', async () => {
    const { receiver, api, runs } = submitBench({ callbackUrl: webhook, callbackSecret })
    await receiver.submit(refund)
    const url = String(api.posts[0]?.body['callbackUrl'])
    const [ref = ''] = new URL(url).searchParams.get('cq')?.split('.') ?? []
    expect((await receiver.unconfirmed()).items).toEqual([])
    expect(await receiver.discard(ref)).toBe('bound')
    api.approve('req_1')
    expect((await receiver.fetch(callbackRequest('req_1', { url }))).status).toBe(200)
    expect(runs).toHaveLength(1)
  })

  it('let a request that a person found at Cheqpoint be followed after all, under its own token', async () => {
    const lost = await loseSubmission()
    const { receiver, api, runs } = lost
    expect(await receiver.discard(lost.ref)).toBe('discarded')
    expect(await receiver.track('req_9', { ...tracked, ref: lost.ref })).toBe(true)
    api.answer('req_9', decided('req_9', 'APPROVED', 5_000))
    expect(await lost.call('req_9')).toBe(200)
    expect(runs).toMatchObject([{ decision: { approvalId: 'req_9', details: refund.details } }])
    await receiver.close()
  })

  it('make the token of a forgotten submission prove nothing any more', async () => {
    const lost = await loseSubmission()
    await lost.receiver.discard(lost.ref)
    expect(await lost.call('req_9')).toBe(404)
    await pass(3_600_000)
    expect(lost.api.asked).toEqual([])
    await lost.receiver.close()
  })

  it('reports a key that is refused for one candidate alone, without a pause', async () => {
    const lost = await loseSubmission()
    const { receiver, api, types } = lost
    api.answer('req_9', { status: 403 })
    await lost.call('req_9')
    await pass(firstLook + 2_000)
    expect(types().filter((type) => type === 'paused' || type === 'api-key-refused')).toEqual(['api-key-refused'])
    await receiver.close()
  })
})
