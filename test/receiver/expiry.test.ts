import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CheqpointEvent, memoryStore } from '../../src/index.js'
import { callbackRequest } from '../support/callback.js'
import type { FakeAnswer } from '../support/fake-api.js'
import { type Bench, bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { approved, pending, timeGets } from '../support/runs-sweep.js'
import { pass } from '../support/runs-time.js'

const start = Date.parse('2026-11-20T10:00:00Z')
const expiresAt = new Date('2026-11-20T11:00:00.000Z')
const hour = 3_600_000
const day = 24 * hour

beforeEach(() => {
  vi.useFakeTimers({ now: start })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Asks for a request at a moment; answers what the handler got, if it ran, and the types of the events. */
async function learnAt(at: number, answer: FakeAnswer) {
  const { receiver, api, runs, eventTypes } = bench()
  await receiver.track('req_1', { ...refund, expiresAt })
  api.answer('req_1', answer)
  await pass(at - Date.now())
  const outcome = await receiver.resolve('req_1')
  return { outcome, decision: runs[0]?.decision, late: eventTypes().includes('late') }
}

function rejected(decidedAt: string | null): FakeAnswer {
  return { body: { id: 'req_1', status: 'REJECTED', decidedAt } }
}

describe('an approval', () => {
  const end = expiresAt.getTime()

  it.each([
    ['long before expiresAt', '2026-11-20T10:10:00.000Z'],
    ['at expiresAt to the millisecond', '2026-11-20T11:00:00.000Z'],
    ['at expiresAt, written in another zone', '2026-11-20T12:00:00.000+01:00'],
  ])('that was given %s runs as approved, however late it is learned', async (_words, decidedAt) => {
    for (const at of [end - 1, end, end + 1, end + 6 * day]) {
      const { decision, late } = await learnAt(at, approved('req_1', decidedAt))
      expect(decision).toMatchObject({ status: 'approved', details: refund.details })
      expect(late).toBe(false)
      vi.setSystemTime(start)
    }
  })

  it('that was given a millisecond after expiresAt is handled as expired, without details, and reported', async () => {
    const { outcome, decision, late } = await learnAt(end + 60_000, approved('req_1', '2026-11-20T11:00:00.001Z'))
    expect(outcome).toMatchObject({ kind: 'handled', status: 'expired' })
    expect(decision).toMatchObject({ status: 'expired', decidedAt: new Date('2026-11-20T11:00:00.001Z') })
    expect(decision).not.toHaveProperty('details')
    expect(late).toBe(true)
  })

  it.each([
    ['undated', null],
    ['dated with something that is no date', 'yesterday'],
  ])(
    'that is %s counts by when it is learned: at expiresAt still, a millisecond later no more',
    async (_w, decidedAt) => {
      const inTime = await learnAt(end, approved('req_1', decidedAt))
      expect(inTime.decision).toMatchObject({ status: 'approved', decidedAt: null })
      expect(inTime.late).toBe(false)
      vi.setSystemTime(start)
      const tooLate = await learnAt(end + 1, approved('req_1', decidedAt))
      expect(tooLate.decision).toMatchObject({ status: 'expired', decidedAt: null })
      expect(tooLate.late).toBe(true)
    },
  )

  it('that is late is reported as a mismatch with the callback that claims it', async () => {
    const { receiver, api, events } = bench()
    await receiver.track('req_1', { ...refund, expiresAt })
    api.answer('req_1', approved('req_1', '2026-11-20T11:00:00.001Z'))
    await pass(hour + 1_000)
    expect((await receiver.fetch(callbackRequest('req_1'))).status).toBe(200)
    expect(eventsOf(events, 'mismatch')).toEqual([{ type: 'mismatch', approvalId: 'req_1', fields: ['status'] }])
  })

  it('that is late is recorded as expired: another attempt gets the same, and it is reported once', async () => {
    let failing = true
    const { receiver, api, runs, events } = bench({
      onDecision: () => {
        if (failing) throw new Error('ledger is down')
      },
    })
    await receiver.track('req_1', { ...refund, expiresAt })
    api.answer('req_1', approved('req_1', '2026-11-20T11:00:00.001Z'))
    await pass(hour + 1_000)
    await receiver.resolve('req_1')
    failing = false
    await receiver.resolve('req_1')
    expect(runs.map(({ decision }) => decision.status)).toEqual(['expired', 'expired'])
    expect(eventsOf(events, 'late')).toEqual([{ type: 'late', approvalId: 'req_1', action: 'process_refund' }])
  })
})

describe('a rejection', () => {
  it.each([null, '2026-11-20T10:10:00.000Z', '2026-11-20T11:00:00.001Z'])(
    'stays one, decided at %s, whenever it is learned',
    async (decidedAt) => {
      for (const at of [start + 1_000, expiresAt.getTime() + 1, expiresAt.getTime() + 3 * day]) {
        const { decision, late } = await learnAt(at, rejected(decidedAt))
        expect(decision).toMatchObject({ status: 'rejected' })
        expect(late).toBe(false)
        vi.setSystemTime(start)
      }
    },
  )
})

describe('an undecided request', () => {
  it('is undecided at expiresAt, and expired a millisecond later', async () => {
    expect((await learnAt(expiresAt.getTime(), pending('req_1'))).outcome).toMatchObject({ kind: 'undecided' })
    vi.setSystemTime(start)
    const { outcome, decision, late } = await learnAt(expiresAt.getTime() + 1, pending('req_1'))
    expect(outcome).toMatchObject({ kind: 'handled', status: 'expired' })
    expect(decision).toMatchObject({ status: 'expired', decidedAt: null, note: null, modifiedDetails: null })
    expect(decision).not.toHaveProperty('details')
    expect(late).toBe(false)
  })

  it('is expired as well where the API has an unknown word for it', async () => {
    const answer = { body: { id: 'req_1', status: 'ESCALATED' } }
    expect((await learnAt(expiresAt.getTime(), answer)).outcome).toMatchObject({ kind: 'undecided' })
    vi.setSystemTime(start)
    expect((await learnAt(expiresAt.getTime() + 1, answer)).decision).toMatchObject({ status: 'expired' })
  })

  it('expires seven days after its registration by default', async () => {
    const { receiver, api, runs } = bench()
    await receiver.track('req_1', refund)
    api.pend('req_1')
    await pass(7 * day)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'undecided' })
    await pass(1)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled', status: 'expired' })
    expect(runs).toHaveLength(1)
  })

  it('expires after expiresAfterMs where that is set', async () => {
    const { receiver, api } = bench({ expiresAfterMs: 60_000 })
    await receiver.track('req_1', refund)
    api.pend('req_1')
    await pass(60_001)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled', status: 'expired' })
  })

  it.each([
    ['long between two polls', new Date(start + 1_000_000), 1_000_001],
    ['in the very millisecond of a poll', new Date(start + 960_000), 960_001],
  ])('is polled soon after it has expired, which is %s', async (_words, at, expiredMs) => {
    const { receiver, api, runs } = bench({ random: () => 0.5, polling: { firstMs: 15_000 } })
    await receiver.start()
    const times = timeGets(api, ['req_1'], pending)
    await receiver.track('req_1', { ...refund, expiresAt: at })
    await pass(expiredMs - 1)
    expect(times.at(-1)).toBe(960_000)
    expect(runs).toEqual([])
    // Not within the minimum interval of the poll before, and within a second of the sweep.
    await pass(3_010)
    expect(runs).toMatchObject([{ decision: { status: 'expired', via: 'poll' } }])
    await receiver.close()
  })
})

describe('a process that was down as a request expired', () => {
  async function restartAt(at: number, answer: FakeAnswer): Promise<Bench> {
    const store = memoryStore()
    const before = bench({ store })
    await before.receiver.start()
    await before.receiver.track('req_1', { ...refund, expiresAt })
    before.api.answer('req_1', pending('req_1'))
    await pass(60_000)
    await before.receiver.close()
    expect(before.runs).toEqual([])
    await pass(at - Date.now())
    const after = bench({ store })
    after.api.answer('req_1', answer)
    await after.receiver.start()
    await pass(1_300)
    await after.receiver.close()
    return after
  }

  it('passes an approval that was given in time to the handler as approved, three days later', async () => {
    const { runs, eventTypes } = await restartAt(start + 3 * day, approved('req_1', '2026-11-20T10:30:00.000Z'))
    expect(runs).toMatchObject([{ decision: { status: 'approved', details: refund.details } }])
    expect(eventTypes()).not.toContain('late')
  })

  it('passes an approval that was given late, while it was down, to the handler as expired', async () => {
    const { runs, eventTypes } = await restartAt(start + 3 * day, approved('req_1', '2026-11-21T10:30:00.000Z'))
    expect(runs).toMatchObject([{ decision: { status: 'expired' } }])
    expect(eventTypes()).toContain('late')
  })

  it('passes a request that is still undecided to the handler as expired, after a GET', async () => {
    const { runs, api } = await restartAt(start + 3 * day, pending('req_1'))
    expect(runs).toMatchObject([{ decision: { status: 'expired' } }])
    expect(api.gets).toHaveLength(1)
  })
})

describe('an API without a readable response', () => {
  const end = expiresAt.getTime()

  it.each([
    ['404', { status: 404, body: {} }],
    ['500', { status: 500, body: {} }],
    ['a redirect', { status: 302, headers: { location: 'https://elsewhere.test/' }, body: {} }],
    ['another id', { body: { id: 'req_2', status: 'APPROVED' } }],
    ['no JSON', { body: '<html>' }],
  ])(
    'expires nothing with %s: the approval is parked as unconfirmed 24 h after expiresAt, not before',
    async (_w, answer) => {
      const atTheEnd = await learnAt(end + day, answer)
      expect(atTheEnd.outcome).toMatchObject({ kind: 'api-failed' })
      vi.setSystemTime(start)
      const after = await learnAt(end + day + 1, answer)
      expect(after.outcome).toEqual({ kind: 'parked', approvalId: 'req_1', reason: 'unconfirmed' })
      expect([atTheEnd.decision, after.decision]).toEqual([undefined, undefined])
    },
  )

  it('that is unreachable has an hour of this process, which may have been down itself', async () => {
    const store = memoryStore()
    const before = bench({ store })
    for (const id of ['req_1', 'req_2']) await before.receiver.track(id, { ...refund, expiresAt })
    await pass(30 * day)
    const { receiver, api, runs } = bench({ store })
    api.answer('req_1', { status: 503 })
    api.answer('req_2', { status: 404 })
    expect(await receiver.resolve('req_2')).toMatchObject({ kind: 'parked', reason: 'unconfirmed' })
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'api-failed' })
    await pass(hour - 1)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'api-failed' })
    await pass(1)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'parked', reason: 'unconfirmed' })
    expect(runs).toEqual([])
  })

  it.each([401, 403, 429])('expires and parks nothing with %i', async (status) => {
    const { outcome, decision } = await learnAt(end + 30 * day, { status, body: {} })
    expect(outcome).toMatchObject({ approvalId: 'req_1', kind: status === 429 ? 'api-throttled' : 'api-key-refused' })
    expect(decision).toBeUndefined()
  })

  it('is polled by the sweep until then; the approval is parked once, and no handler has run', async () => {
    const events: CheqpointEvent[] = []
    const { receiver, api, runs } = bench({ random: () => 0.5, onEvent: (event) => events.push(event) })
    await receiver.start()
    await receiver.track('req_1', { ...refund, expiresAt })
    const times = timeGets(api, ['req_1'], () => ({ status: 503 }))
    await pass(hour + day)
    expect(eventsOf(events, 'parked')).toEqual([])
    await pass(601_000)
    expect(eventsOf(events, 'parked')).toEqual([
      { type: 'parked', approvalId: 'req_1', action: 'process_refund', reason: 'unconfirmed', paths: [] },
    ])
    const asked = times.length
    expect(asked).toBeGreaterThan(140)
    await pass(day)
    expect(times).toHaveLength(asked)
    expect(runs).toEqual([])
    await receiver.close()
  })

  it('can recover: after a retry of the parked approval the decision is handled', async () => {
    const { receiver, api, runs } = bench({ random: () => 0.5 })
    await receiver.track('req_1', { ...refund, expiresAt })
    api.answer('req_1', { status: 404 })
    await pass(hour + day + 1)
    await receiver.resolve('req_1')
    expect((await receiver.parked()).items).toMatchObject([
      { approvalId: 'req_1', reason: 'unconfirmed', decision: null },
    ])
    api.answer('req_1', approved('req_1', '2026-11-20T10:30:00.000Z'))
    expect(await receiver.retry('req_1')).toBe('pending')
    await receiver.reconcile()
    expect(runs).toMatchObject([{ decision: { status: 'approved' } }])
  })
})
