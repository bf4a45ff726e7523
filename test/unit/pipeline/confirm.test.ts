import { describe, expect, it } from 'vitest'
import type { FetchedApproval } from '../../../src/cheqpoint/client.js'
import type { DecisionStatus } from '../../../src/model/decision.js'
import { CheqpointError, type ErrorInfo } from '../../../src/model/errors.js'
import { confirm, judge } from '../../../src/pipeline/confirm.js'

const expiresAt = Date.parse('2026-11-20T12:00:00.000Z')
const before = '2026-11-20T11:59:59.999Z'
const at = '2026-11-20T12:00:00.000Z'
const after = '2026-11-20T12:00:00.001Z'

function answer(status: FetchedApproval['status'], fields: Partial<FetchedApproval> = {}): FetchedApproval {
  return {
    id: 'req_1',
    status,
    word: status.toUpperCase(),
    modifiedDetails: { amount: 80 },
    note: 'fine',
    decidedAt: before,
    reviewUrl: null,
    ...fields,
  }
}

/** Status and lateness of a decided answer. */
function decided(
  given: FetchedApproval,
  nowMs: number,
  limit: number | null = expiresAt,
): readonly [DecisionStatus, boolean] {
  const found = judge(given, limit, 'callback', nowMs)
  if (found.kind !== 'decided') throw new Error('it is not decided')
  return [found.sealed.status, found.late]
}

describe('an approval', () => {
  it('is sealed as the API gave it, with the trigger that brought it', () => {
    expect(judge(answer('approved'), expiresAt, 'manual', expiresAt)).toEqual({
      kind: 'decided',
      late: false,
      sealed: { status: 'approved', modifiedDetails: { amount: 80 }, note: 'fine', decidedAt: before, via: 'manual' },
    })
  })

  it('counts when it was decided by expiresAt, however late we learn of it', () => {
    for (const nowMs of [expiresAt - 1, expiresAt, expiresAt + 1, expiresAt + 86_400_000]) {
      expect(decided(answer('approved', { decidedAt: before }), nowMs)).toEqual(['approved', false])
      expect(decided(answer('approved', { decidedAt: at }), nowMs)).toEqual(['approved', false])
    }
  })

  it('is expired, and late, when it was decided a millisecond after expiresAt, whenever we learn of it', () => {
    for (const nowMs of [expiresAt - 1, expiresAt, expiresAt + 1]) {
      expect(decided(answer('approved', { decidedAt: after }), nowMs)).toEqual(['expired', true])
    }
  })

  it.each([[null], [''], ['soon'], ['2026-13-45T99:00:00Z']])('dated %j goes by when we learn of it', (decidedAt) => {
    expect(decided(answer('approved', { decidedAt }), expiresAt)).toEqual(['approved', false])
    expect(decided(answer('approved', { decidedAt }), expiresAt + 1)).toEqual(['expired', true])
  })

  it('never expires where there is no limit', () => {
    expect(decided(answer('approved', { decidedAt: null }), Number.MAX_SAFE_INTEGER, null)).toEqual(['approved', false])
  })
})

describe('a refusal', () => {
  it('stays what it is, and is never late', () => {
    for (const status of ['rejected', 'expired'] as const) {
      expect(decided(answer(status, { decidedAt: after }), expiresAt + 1)).toEqual([status, false])
      expect(decided(answer(status, { decidedAt: null }), expiresAt + 1)).toEqual([status, false])
    }
  })
})

describe('an answer without a decision', () => {
  it('is undecided up to expiresAt', () => {
    for (const nowMs of [expiresAt - 1, expiresAt]) {
      expect(judge(answer('pending'), expiresAt, 'poll', nowMs)).toEqual({ kind: 'undecided', unknownWord: null })
    }
  })

  it('is expired from the next millisecond on, and nothing of the answer is sealed', () => {
    for (const status of ['pending', 'unknown'] as const) {
      expect(judge(answer(status), expiresAt, 'poll', expiresAt + 1)).toEqual({
        kind: 'decided',
        late: false,
        sealed: { status: 'expired', modifiedDetails: null, note: null, decidedAt: null, via: 'poll' },
      })
    }
  })

  it('stays undecided for ever where there is no limit', () => {
    const found = judge(answer('pending'), null, 'poll', Number.MAX_SAFE_INTEGER)
    expect(found).toEqual({ kind: 'undecided', unknownWord: null })
  })

  it('names the word where nobody documented it', () => {
    const found = judge(answer('unknown', { word: 'ESCALATED' }), expiresAt, 'poll', expiresAt)
    expect(found).toEqual({ kind: 'undecided', unknownWord: 'ESCALATED' })
  })
})

describe('a failed call', () => {
  const record = {
    ...{ id: 'req_1', ref: null, action: 'refund', assistant: 'a', expiresAt, details: '{}', context: 'null' },
    version: 1,
  }

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
  ])('with %s %j is %s, and pauses the assistant for %i ms', async (code, info, kind, pauseMs) => {
    const client = { get: () => Promise.reject(new CheqpointError(code, 'text', info)) }
    expect(await confirm(record, 'poll', client, () => expiresAt)).toEqual({ kind, code, pauseMs })
  })

  it('with an error that is none of ours is a fault of the API', async () => {
    const client = { get: () => Promise.reject(new TypeError('fetch failed')) }
    const found = await confirm(record, 'poll', client, () => expiresAt)
    expect(found).toEqual({ kind: 'api-failed', code: 'api-unreachable', pauseMs: 0 })
  })

  /** An API whose answer takes one millisecond. */
  const slowly = (word: 'pending' | 'approved', asked: unknown[] = []) => {
    let nowMs = expiresAt
    const client = {
      async get(...call: readonly unknown[]) {
        asked.push(call)
        nowMs += 1
        return word === 'approved' ? { ...answer('approved'), decidedAt: null } : answer(word)
      },
    }
    return confirm(record, 'poll', client, () => nowMs)
  }

  it('asks with the key of the assistant that submitted the request', async () => {
    const asked: unknown[] = []
    await slowly('pending', asked)
    expect(asked).toEqual([['req_1', { assistant: 'a' }]])
  })

  it('leaves undecided what may have been decided in time while the answer was on its way', async () => {
    expect(await slowly('pending')).toMatchObject({ kind: 'undecided' })
  })

  it('takes an undated approval for late by the moment it is learned', async () => {
    expect(await slowly('approved')).toMatchObject({ kind: 'decided', late: true, sealed: { status: 'expired' } })
  })
})
