import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createClient, memoryStore, type ReceiverOptions } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import type { FakeAnswer } from '../support/fake-api.js'
import { kept } from '../support/kept.js'
import { eventsOf } from '../support/runs-events.js'
import { approved, ids, pending } from '../support/runs-sweep.js'
import { pass } from '../support/runs-time.js'
import {
  callbackSecret,
  failure,
  refund,
  type SubmitApi,
  type SubmitBench,
  submitBench,
  tracked,
  webhook,
} from '../support/submit-bench.js'

const apiKeys = { refunds: 'cq_live_refunds', shipping: 'cq_live_shipping' }
const ship = { action: 'ship', summary: 'Ship order #8842', details: { to: 'Bern' } } as const
const refunds = { assistant: 'refunds' }
const shipping = { assistant: 'shipping' }

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

function twoAssistants(options: Partial<ReceiverOptions> = {}, api?: SubmitApi): SubmitBench {
  return submitBench({ apiKeys, ...options }, api)
}

/** Paths that were asked for, each with the key. */
function calls({ api }: SubmitBench): readonly string[] {
  return api.gets.map((path, at) => `${path.split('/').at(-1)} ${api.keys[at]?.replace('cq_live_', '')}`)
}

/** Answers as Cheqpoint does to these keys, and 401 to all others. */
function onlyFor(keys: readonly string[], answer: FakeAnswer): (key: string) => FakeAnswer {
  return (key) => (keys.includes(key) ? answer : { status: 401, body: {} })
}

describe('an assistant', () => {
  it('submits with its own key, and its decisions are confirmed with no other', async () => {
    const bench = twoAssistants({ sweep: 'here' })
    const { receiver, api, runs } = bench
    await receiver.start()
    await receiver.submit(refund, refunds)
    await receiver.submit(ship, shipping)
    await receiver.submit(refund, refunds)
    for (const id of ids(4)) api.approve(id)
    await receiver.fetch(callbackRequest('req_2'))
    await receiver.resolve('req_1')
    await pass(20_000)
    expect(calls(bench)).toEqual([
      '1 refunds',
      '2 shipping',
      '3 refunds',
      'req_2 shipping',
      'req_1 refunds',
      'req_3 refunds',
    ])
    expect(runs.map(({ decision }) => `${decision.action} by ${decision.via}`)).toEqual([
      'ship by callback',
      'process_refund by manual',
      'process_refund by poll',
    ])
    await receiver.close()
  })

  it('is kept in the record by its name, and its key nowhere', async () => {
    const store = memoryStore()
    const { receiver, api, events } = twoAssistants({ store, callbackUrl: webhook, callbackSecret })
    await receiver.submit(refund, refunds)
    await receiver.track('req_9', { ...tracked, ...shipping })
    api.onPost = () => ({ status: 500 })
    const error = await failure(receiver.submit(refund, refunds))
    const kept = JSON.stringify([
      await store.list('due', { limit: 9 }),
      events,
      error,
      error.message,
      String(error.cause),
    ])
    expect(kept).toContain('"assistant":"refunds"')
    expect(kept).not.toContain('cq_live')
  })

  it('is refused the idempotency key of another one, so that a step that names the wrong one is not sent twice', async () => {
    const bench = twoAssistants()
    const { receiver } = bench
    const first = await receiver.submit(refund, { ...refunds, idempotencyKey: 'step-1' })
    const wrong = failure(receiver.submit(refund, { ...shipping, idempotencyKey: 'step-1' }))
    expect((await wrong).code).toBe('key-reused')
    const again = await receiver.submit(refund, { ...refunds, idempotencyKey: 'step-1' })
    expect(again.approvalId).toBe(first.approvalId)
    expect(calls(bench)).toEqual(['1 refunds'])
  })

  it('confirms the ids that callbacks of a lost submission name with its own key', async () => {
    const bench = twoAssistants({ sweep: 'here', callbackUrl: webhook, callbackSecret })
    const { receiver, api } = bench
    await receiver.start()
    api.onPost = () => ({ status: 500 })
    await failure(receiver.submit(ship, shipping))
    api.approve('req_9', { decidedAt: '2026-11-20T10:00:05.000Z' })
    await receiver.fetch(callbackRequest('req_9', { url: String(api.posts[0]?.body['callbackUrl']) }))
    await pass(47_000)
    expect(calls(bench)).toEqual(['1 shipping', 'req_9 shipping'])
    expect((await receiver.parked()).items).toMatchObject([{ approvalId: 'req_9', assistant: 'shipping' }])
    await receiver.close()
  })
})

describe('a wrong name of an assistant', () => {
  it.each([
    ['that has no key', { assistant: 'billing' }, 'assistant-unknown'],
    ['that is part of every object', { assistant: 'constructor' }, 'assistant-unknown'],
    ['that is the prototype', { assistant: '__proto__' }, 'assistant-unknown'],
    ['in another case', { assistant: 'Refunds' }, 'assistant-unknown'],
    ['that is empty', { assistant: '' }, 'assistant-unknown'],
    ['that is left out', {}, 'argument-invalid'],
  ])('%s sends and keeps nothing', async (_words, name, code) => {
    const { receiver, api } = twoAssistants()
    expect((await failure(receiver.submit(refund, name))).code).toBe(code)
    expect((await failure(receiver.track('req_1', { ...tracked, ...name }))).code).toBe(code)
    expect(api.gets).toEqual([])
    expect(api.steps.filter((step) => /^(add|reserve)/.test(step))).toEqual([])
  })

  it('is not shown where it is a key', async () => {
    const { receiver } = twoAssistants()
    const wrong = { assistant: apiKeys.refunds }
    for (const error of [
      await failure(receiver.submit(refund, wrong)),
      await failure(receiver.track('req_1', { ...tracked, ...wrong })),
      await failure(createClient({ apiKeys }).get('req_1', wrong)),
    ]) {
      expect(error.code).toBe('assistant-unknown')
      expect(inspect(error)).not.toContain(apiKeys.refunds)
    }
  })

  it('is any, where one key serves all', async () => {
    const { receiver, api } = submitBench()
    expect((await failure(receiver.submit(refund, refunds))).code).toBe('argument-invalid')
    expect(api.gets).toEqual([])
  })

  it('in the store causes no GET, and its approval is left to a process that has its key', async () => {
    const store = memoryStore()
    const before = twoAssistants({ store })
    await before.receiver.submit(ship, shipping)
    const without = submitBench({ store, apiKeys: { refunds: apiKeys.refunds } }, before.api)
    before.api.approve('req_1')
    expect((await without.receiver.fetch(callbackRequest('req_1'))).status).toBe(202)
    expect(before.api.asked).toEqual([])
    expect(eventsOf(without.events, 'assistant-unknown')).toEqual([
      { type: 'assistant-unknown', approvalId: 'req_1', assistant: 'shipping' },
    ])
    expect(await kept(store, 'req_1')).toMatchObject({ state: 'pending', fence: 0, attempts: 0 })
    expect((await before.receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(before.runs).toHaveLength(1)
  })
})

describe('keys that are rotated', () => {
  const keys = { refunds: ['cq_live_refunds', 'cq_live_refunds2'], shipping: 'cq_live_shipping' }

  it('are tried in order, the good one first from then on, and the other assistant is not touched', async () => {
    const bench = twoAssistants({ apiKeys: keys })
    const { receiver, api, runs } = bench
    api.onPost = (post) => onlyFor(['cq_live_refunds2'], { body: { status: 'pending', approvalId: 'req_1' } })(post.key)
    await receiver.submit(refund, refunds)
    api.answer('req_1', onlyFor(['cq_live_refunds2'], approved('req_1')))
    await receiver.fetch(callbackRequest('req_1'))
    expect(calls(bench)).toEqual(['1 refunds', '2 refunds2', 'req_1 refunds2'])
    expect(runs).toHaveLength(1)
  })

  it('of which Cheqpoint takes none refuse the submission, and nothing is kept', async () => {
    const bench = twoAssistants({ apiKeys: keys })
    bench.api.onPost = () => ({ status: 401, body: {} })
    const error = await failure(bench.receiver.submit(refund, refunds))
    expect(error).toMatchObject({ code: 'submission-refused', httpStatus: 401 })
    expect(calls(bench)).toEqual(['1 refunds', '2 refunds2'])
    expect((await bench.receiver.unconfirmed()).items).toEqual([])
  })

  it('of which Cheqpoint takes none pause that assistant, and no other; it goes on once a key is good again', async () => {
    const bench = twoAssistants({ apiKeys: keys, sweep: 'here' })
    const { receiver, api, runs, events } = bench
    await receiver.start()
    await receiver.submit(refund, refunds)
    await receiver.submit(ship, shipping)
    const good = ['cq_live_shipping']
    api.answer('req_1', onlyFor(good, approved('req_1')))
    api.answer('req_2', onlyFor(good, approved('req_2')))
    await pass(10_000)
    expect(runs.map(({ decision }) => decision.action)).toEqual(['ship'])
    expect(eventsOf(events, 'api-key-refused')).toEqual([{ type: 'api-key-refused', assistant: 'refunds' }])
    expect(eventsOf(events, 'paused')).toMatchObject([{ assistant: 'refunds' }])
    const asked = api.asked.length
    await pass(40_000)
    expect(api.asked).toHaveLength(asked)
    good.push('cq_live_refunds2')
    await pass(60_000)
    expect(runs.map(({ decision }) => decision.action)).toEqual(['ship', 'process_refund'])
    await receiver.close()
  })
})

describe('what slows one assistant down does not slow another', () => {
  /** Submits so many refunds as `req_1` and on, then one shipment, all approved. */
  async function submitAll(bench: SubmitBench, count: number): Promise<string> {
    for (let at = 0; at < count; at++) await bench.receiver.submit(refund, refunds)
    const { approvalId } = await bench.receiver.submit(ship, shipping)
    for (const id of ids(count + 2)) bench.api.approve(id)
    return approvalId
  }

  it('a 429 pauses the assistant that got it, callbacks included', async () => {
    const bench = twoAssistants({ sweep: 'elsewhere' })
    const { receiver, api, runs, events } = bench
    const shipment = await submitAll(bench, 2)
    api.answer('req_1', { status: 429, headers: { 'retry-after': '120' } })
    await receiver.fetch(callbackRequest('req_1'))
    expect(eventsOf(events, 'paused')).toEqual([{ type: 'paused', assistant: 'refunds', forMs: 120_000 }])
    await receiver.fetch(callbackRequest('req_2'))
    await receiver.fetch(callbackRequest(shipment))
    expect(api.asked).toEqual(['req_1', shipment])
    await pass(119_999)
    await receiver.fetch(callbackRequest('req_2'))
    expect(runs.map(({ decision }) => decision.action)).toEqual(['ship'])
    await pass(1)
    await receiver.fetch(callbackRequest('req_2'))
    expect(runs.map(({ decision }) => decision.action)).toEqual(['ship', 'process_refund'])
  })

  it('each has a budget of its own for what callbacks cause', async () => {
    const bench = twoAssistants({ sweep: 'elsewhere', confirm: { requestsPerSecond: 2 } })
    const shipment = await submitAll(bench, 4)
    for (const id of ['req_1', 'req_2', 'req_3', 'req_4', shipment]) {
      expect((await bench.receiver.fetch(callbackRequest(id))).status).toBe(/3|4/.test(id) ? 202 : 200)
    }
    expect(bench.api.asked).toEqual(['req_1', 'req_2', shipment])
  })

  it('each has a budget of its own for what the sweep causes', async () => {
    const bench = twoAssistants({ sweep: 'here', polling: { requestsPerSecond: 1 }, random: () => 0.5 })
    await bench.receiver.start()
    // Fewer than `polling.concurrency`: places for approvals are shared by all.
    await submitAll(bench, 12)
    for (const id of ids(13)) bench.api.answer(id, pending(id))
    await pass(8_000)
    expect(bench.runs.map(({ decision }) => decision.action)).toEqual(['ship'])
    const slowed = bench.api.asked.filter((id) => id !== 'req_13')
    expect(slowed.length).toBeGreaterThanOrEqual(3)
    expect(slowed.length).toBeLessThanOrEqual(5)
    const closed = bench.receiver.close()
    await pass(11_000)
    await closed
  })
})
