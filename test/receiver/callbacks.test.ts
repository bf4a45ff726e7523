import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { callbackRequest } from '../support/callback.js'
import { bench, refund } from '../support/receiver.js'
import { gate, pass } from '../support/runs-time.js'

beforeEach(() => {
  vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
})
afterEach(() => {
  vi.useRealTimers()
})

describe('a genuine callback', () => {
  it('runs the handler once with the decision that the API confirmed, and responds 200', async () => {
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

  it('gets the same bytes again when it is repeated, without a run or a GET', async () => {
    const { receiver, api, runs } = bench()
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const first = await receiver.fetch(callbackRequest('req_1'))
    const second = await receiver.fetch(callbackRequest('req_1'))
    expect([second.status, await second.text()]).toEqual([first.status, await first.text()])
    expect(runs).toHaveLength(1)
    expect(api.gets).toHaveLength(1)
  })

  it.each([
    ['elsewhere', 202],
    ['off', 409],
  ] as const)(
    'runs once however many copies arrive while it runs, with a sweep %s: they get %d',
    async (sweep, status) => {
      const work = gate()
      const { receiver, api, runs } = bench({ sweep, onDecision: () => work.promise })
      await receiver.track('req_1', refund)
      api.approve('req_1')
      const first = receiver.fetch(callbackRequest('req_1'))
      await pass(0)
      const copies = await Promise.all(Array.from({ length: 64 }, () => receiver.fetch(callbackRequest('req_1'))))
      expect(new Set(copies.map((copy) => copy.status))).toEqual(new Set([status]))
      work.open()
      expect((await first).status).toBe(200)
      expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
      expect(runs).toHaveLength(1)
      expect(api.gets).toHaveLength(1)
    },
  )

  it.each([
    ['elsewhere', 202],
    ['off', 409],
  ] as const)('runs once however many copies arrive at the same time, with a sweep %s', async (sweep, status) => {
    const { receiver, api, runs } = bench({ sweep })
    await receiver.track('req_1', refund)
    api.approve('req_1')
    const sent = Array.from({ length: 64 }, () => receiver.fetch(callbackRequest('req_1')))
    await pass(1_000)
    const answers = await Promise.all(sent)
    const statuses = new Set(answers.map((answer) => answer.status))
    expect(statuses.has(200)).toBe(true)
    expect([...statuses].filter((each) => each !== 200 && each !== status)).toEqual([])
    expect(runs).toHaveLength(1)
    expect(api.gets).toHaveLength(1)
  })

  it('waits, one for each id, where nothing sweeps and the minimum interval is not over; its copies get 409', async () => {
    const { receiver, api, runs } = bench({ sweep: 'off' })
    for (const id of ['req_1', 'req_2']) {
      await receiver.track(id, refund)
      api.pend(id)
      await receiver.resolve(id)
      api.approve(id)
    }
    const waiting = ['req_1', 'req_2'].map((id) => receiver.fetch(callbackRequest(id)))
    await pass(500)
    const copy = await receiver.fetch(callbackRequest('req_1'))
    expect([copy.status, copy.headers.get('retry-after')]).toEqual([409, '2'])
    expect(api.gets).toHaveLength(2)
    await pass(2_000)
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200])
    expect(runs).toHaveLength(2)
    expect(api.gets).toHaveLength(4)
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
