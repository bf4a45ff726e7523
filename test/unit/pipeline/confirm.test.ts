import { describe, expect, it } from 'vitest'
import type { FetchedApproval } from '../../../src/cheqpoint/read-response.js'
import type { DecisionStatus } from '../../../src/model/decision.js'
import { CheqpointError, type ErrorInfo } from '../../../src/model/errors.js'
import { type Expiry, judge, readFailure } from '../../../src/pipeline/confirm.js'

const expiresAt = Date.parse('2026-11-20T12:00:00.000Z')
const lifetimeMs = 3_600_000
const limit: Expiry = { expiresAt, expiresAfterMs: lifetimeMs }
const noLimit: Expiry = { expiresAt: null, expiresAfterMs: null }
const before = '2026-11-20T11:59:59.999Z'
const at = '2026-11-20T12:00:00.000Z'
const after = '2026-11-20T12:00:00.001Z'

function answer(status: FetchedApproval['status'], fields: Partial<FetchedApproval> = {}): FetchedApproval {
  return {
    ...{ id: 'req_1', status, word: status.toUpperCase(), modifiedDetails: { amount: 80 }, note: 'fine' },
    ...{ decidedAt: before, reviewUrl: null, servedAt: null, ...fields },
  }
}

/** Status and lateness of a decided response, at this age of the approval. */
function decided(given: FetchedApproval, ageMs: number, expiry = limit): readonly [DecisionStatus, boolean] {
  const found = judge(given, expiry, 'callback', ageMs)
  if (found.kind !== 'decided') throw new Error('it is not decided')
  return [found.decision.status, found.late]
}

describe('an approval', () => {
  it('is taken as the API gave it, with the trigger that brought it', () => {
    expect(judge(answer('approved'), limit, 'manual', 0)).toEqual({
      kind: 'decided',
      late: false,
      decidedAt: Date.parse(before),
      decision: { status: 'approved', modifiedDetails: { amount: 80 }, note: 'fine', decidedAt: before, via: 'manual' },
    })
  })

  it('counts when it was decided by expiresAt, however late that is learned', () => {
    for (const ageMs of [0, lifetimeMs, lifetimeMs + 1, lifetimeMs + 86_400_000]) {
      expect(decided(answer('approved', { decidedAt: before }), ageMs)).toEqual(['approved', false])
      expect(decided(answer('approved', { decidedAt: at }), ageMs)).toEqual(['approved', false])
    }
  })

  it('is expired, and late, when it was decided a millisecond after expiresAt, whenever that is learned', () => {
    for (const ageMs of [0, lifetimeMs, lifetimeMs + 1])
      expect(decided(answer('approved', { decidedAt: after }), ageMs)).toEqual(['expired', true])
  })

  it.each([[null], [''], ['soon'], ['2026-13-45T99:00:00Z']])('dated %j goes by its age in store time', (decidedAt) => {
    expect(decided(answer('approved', { decidedAt }), lifetimeMs)).toEqual(['approved', false])
    expect(decided(answer('approved', { decidedAt }), lifetimeMs + 1)).toEqual(['expired', true])
  })

  it('that is undated has expired only if the clock of the API says so too', () => {
    const undated = (servedAt: number) => answer('approved', { decidedAt: null, servedAt })
    expect(decided(undated(expiresAt), lifetimeMs + 1)).toEqual(['approved', false])
    expect(decided(undated(expiresAt + 1_000), lifetimeMs + 1)).toEqual(['expired', true])
    expect(decided(undated(expiresAt + 1_000), lifetimeMs)).toEqual(['approved', false])
  })

  it('never expires where there is no limit', () => {
    const found = decided(answer('approved', { decidedAt: null }), Number.MAX_SAFE_INTEGER, noLimit)
    expect(found).toEqual(['approved', false])
  })
})

describe('a refusal', () => {
  it('stays what it is, and is never late', () => {
    for (const status of ['rejected', 'expired'] as const) {
      expect(decided(answer(status, { decidedAt: after }), lifetimeMs + 1)).toEqual([status, false])
      expect(decided(answer(status, { decidedAt: null }), lifetimeMs + 1)).toEqual([status, false])
    }
  })
})

describe('a response without a decision', () => {
  it('is undecided as long as the approval is young enough', () => {
    for (const ageMs of [lifetimeMs - 1, lifetimeMs])
      expect(judge(answer('pending'), limit, 'poll', ageMs)).toEqual({ kind: 'undecided', unknownWord: null })
  })

  it('is expired from the next millisecond on, and nothing of the response is kept', () => {
    for (const status of ['pending', 'unknown'] as const) {
      expect(judge(answer(status), limit, 'poll', lifetimeMs + 1)).toEqual({
        kind: 'decided',
        late: false,
        decision: { status: 'expired', modifiedDetails: null, note: null, decidedAt: null, via: 'poll' },
      })
    }
  })

  it('is undecided while the clock of the API is not past expiresAt, whatever its age says', () => {
    const young = answer('pending', { servedAt: expiresAt })
    expect(judge(young, limit, 'poll', 10 * lifetimeMs)).toEqual({ kind: 'undecided', unknownWord: null })
  })

  it('stays undecided for ever where there is no limit', () => {
    const found = judge(answer('pending'), noLimit, 'poll', Number.MAX_SAFE_INTEGER)
    expect(found).toEqual({ kind: 'undecided', unknownWord: null })
  })

  it('names the word where it is not documented', () => {
    const found = judge(answer('unknown', { word: 'ESCALATED' }), limit, 'poll', 0)
    expect(found).toEqual({ kind: 'undecided', unknownWord: 'ESCALATED' })
  })
})

describe('a failed call', () => {
  it.each<[ConstructorParameters<typeof CheqpointError>[0], ErrorInfo, string, number]>([
    ['api-unreachable', {}, 'api-failed', 0],
    ['api-timeout', {}, 'api-failed', 0],
    ['api-redirect', { httpStatus: 302 }, 'api-failed', 0],
    ['api-not-found', { httpStatus: 404 }, 'api-failed', 0],
    ['api-refused', { httpStatus: 400 }, 'api-failed', 0],
    ['api-failed', { httpStatus: 503, retryAfterMs: 60_000 }, 'api-failed', 0],
    ['api-unreadable', { httpStatus: 200 }, 'api-failed', 0],
    ['id-invalid', {}, 'api-failed', 0],
    ['aborted', {}, 'api-failed', 0],
    ['api-throttled', { retryAfterMs: 120_000 }, 'api-throttled', 120_000],
    ['api-throttled', {}, 'api-throttled', 30_000],
    ['api-key-refused', { httpStatus: 401 }, 'api-key-refused', 60_000],
    ['api-key-refused', { httpStatus: 403 }, 'api-key-refused', 0],
    ['assistant-unknown', {}, 'assistant-unknown', 0],
  ])('with %s %j is %s, and pauses the assistant for %i ms', (code, info, kind, pauseMs) => {
    expect(readFailure(new CheqpointError(code, 'text', info))).toEqual({ kind, code, pauseMs })
  })

  it('with an error that is none of ours is a fault of the API', () => {
    expect(readFailure(new TypeError('fetch failed'))).toEqual({
      kind: 'api-failed',
      code: 'api-unreachable',
      pauseMs: 0,
    })
  })
})
