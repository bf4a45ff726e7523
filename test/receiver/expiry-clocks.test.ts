import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Clock, memoryStore } from '../../src/index.js'
import type { FakeAnswer } from '../support/fake-api.js'
import { bench, refund } from '../support/receiver.js'
import { pass } from '../support/runs-time.js'
import { failure } from '../support/submit-bench.js'

const start = Date.parse('2026-11-20T10:00:00Z')
const hour = 3_600_000
const expiresAt = new Date(start + hour)

beforeEach(() => {
  vi.useFakeTimers({ now: start })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A process whose wall clock is off by so much. */
function off(ms: number): Clock {
  return { now: () => Date.now() + ms, elapsed: () => performance.now() }
}

function served(status: string, date: number | null, decidedAt: string | null = null): FakeAnswer {
  const headers: Record<string, string> = date === null ? {} : { date: new Date(date).toUTCString() }
  return { headers, body: { id: 'req_1', status, modifiedDetails: null, decisionNote: null, decidedAt } }
}

describe('the wall clock of one process', () => {
  it.each([
    ['a day fast', 24 * hour],
    ['a day slow', -24 * hour],
  ])('that is %s decides nothing: what is undecided expires by its age in the store', async (_words, ms) => {
    const store = memoryStore()
    const right = bench({ store })
    await right.receiver.track('req_1', { ...refund, expiresAt })
    const wrong = bench({ store, clock: off(ms) })
    wrong.api.pend('req_1')
    await pass(hour)
    expect(await wrong.receiver.resolve('req_1')).toMatchObject({ kind: 'undecided' })
    await pass(1)
    expect(await wrong.receiver.resolve('req_1')).toMatchObject({ kind: 'handled', status: 'expired' })
  })

  it('that is a day fast does not make an undated approval expire', async () => {
    const store = memoryStore()
    const right = bench({ store })
    await right.receiver.track('req_1', { ...refund, expiresAt })
    const wrong = bench({ store, clock: off(24 * hour) })
    wrong.api.answer('req_1', served('APPROVED', null))
    expect(await wrong.receiver.resolve('req_1')).toMatchObject({ kind: 'handled', status: 'approved' })
  })
})

describe('the Date of the API', () => {
  it.each([
    ['before expiresAt keeps', expiresAt.getTime() - 1_000, 'undecided'],
    ['after expiresAt lets expire', expiresAt.getTime() + 1_000, 'handled'],
  ])('that is %s what is too old by the store', async (_words, date, kind) => {
    const { receiver, api } = bench()
    await receiver.track('req_1', { ...refund, expiresAt })
    api.answer('req_1', served('PENDING', date))
    await pass(2 * hour)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind })
  })

  it('that is after expiresAt expires nothing that is young by the time of the store', async () => {
    const { receiver, api } = bench()
    await receiver.track('req_1', { ...refund, expiresAt })
    api.answer('req_1', served('PENDING', expiresAt.getTime() + hour))
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'undecided' })
  })

  it('is ignored where the decision has a date of its own', async () => {
    const { receiver, api } = bench()
    await receiver.track('req_1', { ...refund, expiresAt })
    api.answer('req_1', served('APPROVED', expiresAt.getTime() + 9 * hour, expiresAt.toISOString()))
    await pass(9 * hour)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled', status: 'approved' })
  })

  it('that is none counts as absent', async () => {
    const { receiver, api } = bench()
    await receiver.track('req_1', { ...refund, expiresAt })
    api.answer('req_1', { ...served('PENDING', null), headers: { date: 'soon' } })
    await pass(hour + 1)
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'handled', status: 'expired' })
  })
})

describe('an expiresAt', () => {
  it('in the past is refused', async () => {
    const { receiver } = bench()
    const error = await failure(receiver.track('req_1', { ...refund, expiresAt: new Date(start) }))
    expect(error).toMatchObject({
      code: 'argument-invalid',
      message: expect.stringContaining('expiresAt must be in the future'),
    })
  })

  it('in seconds is refused, with an error that explains it', async () => {
    const { receiver } = bench()
    const error = await failure(receiver.track('req_1', { ...refund, expiresAt: new Date(expiresAt.getTime() / 1000) }))
    expect(error.message).toContain('milliseconds, not seconds')
  })
})
