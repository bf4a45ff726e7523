import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { action, createReceiver, memoryStore } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import { decidedPost, SubmitApi } from '../support/submit-bench.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

const refund = action({
  details: z.object({ orderId: z.string(), amount: z.number().positive() }),
  context: z.object({ chat: z.number() }),
  modifications: 'merge',
  onDecision(decision) {
    // Typed by the two schemas, or this would not compile.
    const chat: number = decision.context.chat
    if (decision.status !== 'approved') return null
    const { amount }: { readonly amount: number } = decision.details
    return { chat, amount }
  },
})

describe('action()', () => {
  it('returns what it is given', () => {
    const entry = { onDecision() {} }
    expect(action(entry)).toBe(entry)
  })

  it('makes an entry of actions apart from the receiver, with its types', async () => {
    const api = new SubmitApi()
    const store = memoryStore()
    const receiver = createReceiver({ apiKey: 'cq_live_test', dispatcher: api, store, log: false, actions: { refund } })
    const request = { action: 'refund', summary: 'Refund', details: { orderId: '8842', amount: 120 } } as const
    await receiver.submit(request, { context: { chat: 7 } })
    api.approve('req_1', { modifiedDetails: { amount: 90 } })
    await receiver.fetch(callbackRequest('req_1'))
    expect(await receiver.wait('req_1')).toMatchObject({ status: 'approved', result: { chat: 7, amount: 90 } })
  })

  it('goes together with entries that are written in place', async () => {
    const api = new SubmitApi()
    const receiver = createReceiver({
      apiKey: 'cq_live_test',
      dispatcher: api,
      log: false,
      actions: { refund, ship: { details: z.object({ to: z.string() }), onDecision: () => 'shipped' } },
    })
    api.onPost = (_post, id) => decidedPost(id, 'approved')
    const shipment = await receiver.submit({ action: 'ship', summary: 'Ship', details: { to: 'Bern' } })
    expect(shipment).toMatchObject({ status: 'approved', result: 'shipped' })
  })
})
