import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { callbackRequest } from '../support/callback.js'
import { bench, refund } from '../support/receiver.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a genuine callback', () => {
  it('runs the handler once with the decision that the API confirmed, and answers 200', async () => {
    const { receiver, api, runs } = bench()
    await receiver.track('req_1', refund)
    api.approve('req_1', { decisionNote: 'fine' })
    const answer = await receiver.fetch(callbackRequest('req_1'))
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ result: 'handled' })
    expect(runs).toHaveLength(1)
    expect(runs[0]?.decision).toEqual({
      approvalId: 'req_1',
      action: 'process_refund',
      status: 'approved',
      details: refund.details,
      originalDetails: refund.details,
      modifiedDetails: null,
      changedPaths: [],
      note: 'fine',
      decidedAt: new Date('2026-11-20T09:00:00.000Z'),
      context: null,
      via: 'callback',
    })
    expect(runs[0]?.run).toMatchObject({ attempt: 1, fence: 1, idempotencyKey: 'cheqpoint:req_1' })
    expect(api.gets).toEqual(['/api/approvals/req_1'])
  })

  it('gets the same bytes again when it is repeated, and nothing runs or is asked', async () => {
    const { receiver, api, runs } = bench()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const first = await receiver.fetch(callbackRequest('req_1'))
    const second = await receiver.fetch(callbackRequest('req_1'))
    expect([second.status, await second.text()]).toEqual([first.status, await first.text()])
    expect(runs).toHaveLength(1)
    expect(api.gets).toHaveLength(1)
  })

  it('shares one run with every copy that arrives at the same time', async () => {
    const { receiver, api, runs } = bench()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const answers = await Promise.all(Array.from({ length: 64 }, () => receiver.fetch(callbackRequest('req_1'))))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(runs).toHaveLength(1)
    expect(api.gets).toHaveLength(1)
  })

  it('is no mismatch where its handler changes what it was given', async () => {
    const edit = { orderId: '8842', amount: 90 }
    const seen: unknown[] = []
    const { receiver, api, eventTypes } = bench({
      onDecision(decision) {
        if (decision.status === 'approved') Object.assign(decision.details, { amount: 0 })
        seen.push(structuredClone(decision.modifiedDetails), structuredClone(decision.originalDetails))
        Object.assign(decision.modifiedDetails ?? {}, { amount: 0 })
      },
    })
    await receiver.track('req_1', refund)
    api.approve('req_1', { modifiedDetails: edit })
    await receiver.fetch(callbackRequest('req_1', { body: { approvalId: 'req_1', modifiedDetails: edit } }))
    expect(seen).toEqual([edit, refund.details])
    expect(eventTypes()).not.toContain('mismatch')
  })
})
