import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ReceiverOptions } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { bench, refund } from '../support/receiver.js'
import { FaultyStore } from '../support/runs-store.js'
import { pass } from '../support/runs-time.js'
import { failure, refund as request, SubmitApi, submitBench } from '../support/submit-bench.js'
import { telemetryBench } from '../support/telemetry-bench.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A receiver that follows requests, and its figures. */
function observed(options: Partial<ReceiverOptions> = {}) {
  const shown = telemetryBench()
  return { ...shown, ...bench({ telemetry: shown.telemetry, ...options }) }
}

const refunds = 'action=process_refund'

describe('the figures of a receiver', () => {
  it('are how long the decision took, how long the rest, and how it ended', async () => {
    const { receiver, api, figures } = observed({ onDecision: () => new Promise((done) => setTimeout(done, 500)) })
    await receiver.track('req_1', refund)
    await pass(100_000)
    api.approve('req_1', { decidedAt: '2026-11-20T10:01:30.000Z' })
    const answer = receiver.fetch(callbackRequest('req_1'))
    await pass(500)
    await answer
    expect(await figures()).toMatchObject({
      [`decision.duration ${refunds} status=approved`]: { count: 1, sum: 90 },
      [`handling.duration ${refunds} via=callback`]: { count: 1, sum: 10.5 },
      [`outcomes ${refunds} status=approved via=callback`]: 1,
      [`attempts ${refunds} result=succeeded`]: 1,
      'api.calls call=confirm': 1,
    })
  })

  it('say nothing of a time that the API does not tell', async () => {
    const { receiver, api, figures } = observed()
    await receiver.track('req_1', refund)
    api.approve('req_1', { decidedAt: null })
    await receiver.resolve('req_1')
    const found = await figures()
    expect(Object.keys(found).filter((name) => name.includes('duration'))).toEqual([])
    expect(found).toMatchObject({ [`outcomes ${refunds} status=approved via=manual`]: 1 })
  })

  it('count attempts by how they end, and what is left to a person', async () => {
    let work = (): Promise<void> => Promise.reject(new Error('ledger is down'))
    const { receiver, api, figures } = observed({
      runs: { maxAttempts: 2, timeoutMs: 1_000, leaseMs: 30_000 },
      onDecision: () => work(),
    })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    await receiver.resolve('req_1')
    work = () => new Promise(() => {})
    const hanging = receiver.resolve('req_1')
    await pass(31_001)
    await hanging
    expect(await figures()).toMatchObject({
      [`attempts ${refunds} result=failed`]: 1,
      [`attempts ${refunds} result=timed-out`]: 1,
      [`parked ${refunds} reason=too-many-attempts`]: 1,
      'store.parked': 1,
    })
  })

  it('count the calls of the API by what they failed with, and its pauses', async () => {
    const { receiver, api, figures } = observed()
    await receiver.track('req_1', refund)
    api.answer('req_1', { status: 429, headers: { 'retry-after': '60' } })
    await receiver.resolve('req_1')
    api.answer('req_1', { status: 503 })
    await receiver.resolve('req_1')
    expect(await figures()).toMatchObject({
      'api.calls call=confirm error.type=api-throttled': 1,
      'api.calls call=confirm error.type=api-failed': 1,
      'api.pauses': 1,
    })
  })

  it('count pauses by assistant where there are several', async () => {
    const shown = telemetryBench()
    const api = new SubmitApi()
    const options = { apiKey: undefined, apiKeys: { sales: 'cq_live_sales', ops: 'cq_live_ops' }, dispatcher: api }
    const { receiver } = bench({ ...options, telemetry: shown.telemetry })
    await receiver.track('req_1', { ...refund, assistant: 'sales' })
    api.answer('req_1', { status: 401 })
    await receiver.resolve('req_1')
    expect(await shown.figures()).toMatchObject({ 'api.pauses assistant=sales': 1 })
  })

  it('count the calls that submissions make', async () => {
    const shown = telemetryBench()
    const { receiver, api } = submitBench({ telemetry: shown.telemetry })
    await receiver.submit(request, { idempotencyKey: 'step 1' })
    await receiver.submit(request, { idempotencyKey: 'step 1' })
    api.onPost = () => ({ status: 422 })
    await failure(receiver.submit(request))
    expect(await shown.figures()).toMatchObject({
      'api.calls call=submit': 1,
      'api.calls call=submit error.type=api-refused': 1,
    })
  })

  it('count refused callbacks by reason', async () => {
    const { receiver, figures } = observed()
    await receiver.fetch(callbackRequest('req_1'))
    await receiver.fetch(callbackRequest('req_1', { headers: { 'user-agent': 'curl/8' } }))
    await receiver.fetch(callbackRequest('req_1', { method: 'GET' }))
    expect(await figures()).toMatchObject({
      'callbacks.refused reason=unknown-approval': 1,
      'callbacks.refused reason=agent-refused': 1,
      'callbacks.refused reason=method-not-allowed': 1,
    })
  })

  it('tell what waits, whenever they are read', async () => {
    const { receiver, figures } = observed()
    expect(await figures()).toMatchObject({ 'store.open': 0, 'store.parked': 0, 'store.overdue': 0 })
    await receiver.track('req_1', refund)
    expect(await figures()).toMatchObject({ 'store.open': 1, 'store.overdue': 0 })
    await pass(66_000)
    const { 'store.overdue': overdue } = await figures()
    expect(overdue).toBeGreaterThanOrEqual(60)
    expect(overdue).toBeLessThan(66)
  })

  it('tell nothing of a store that does not answer, and the others all the same', async () => {
    const failing = new FaultyStore()
    const { receiver, figures } = observed({ store: failing.store })
    await receiver.fetch(callbackRequest('req_1'))
    failing.fail('count')
    expect(await figures()).toEqual({ 'callbacks.refused reason=unknown-approval': 1 })
  })

  it('tell nothing of the store once the receiver is closed', async () => {
    const { receiver, figures } = observed()
    await receiver.close()
    expect(await figures()).toEqual({})
  })
})
