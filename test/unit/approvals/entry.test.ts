import { describe, expect, it } from 'vitest'
import {
  approvalKey,
  compact,
  type OpenApproval,
  type OpenReservation,
  readApproval,
  readReservation,
  reservationKey,
  type Tombstone,
} from '../../../src/approvals/entry.js'
import { approved, beginning, damaged, newer, nothing, request, start } from './samples.js'

const open: OpenApproval = {
  ...request,
  ...{ kind: 'open', since: start, fence: 0, attempts: 0, holder: null, leaseEnd: null },
  ...{ counted: false, notBefore: start, nudged: false, quickPolls: 0, decision: null, parked: null },
  trace: null,
}
const busy: OpenApproval = {
  ...open,
  ...{ assistant: 'sales', expiresAt: start, expiresAfterMs: 5, details: '', fence: 7, attempts: 2 },
  ...{ holder: 'a', leaseEnd: start + 5, counted: true, nudged: true, quickPolls: 3, decision: approved },
  parked: { reason: 'adopted', note: '' },
  trace: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
}
const tombstone: Tombstone = {
  ...{ kind: 'completed', holder: 'a', ref: null, action: '', assistant: null, outcome: 'cancelled' },
  ...{ decision: null, result: null, until: start },
}
const reserved: OpenReservation = {
  ...{ kind: 'reserved', owner: 'op', ownedUntil: start, sent: false, since: start, digest: null },
  ...{ request, candidates: [] },
}

function storing(state: object): Parameters<typeof readApproval>[0] {
  // As a store gives it back: parsed from its text.
  return { now: start, entry: { stamp: 's', dueAt: null, parkedAt: null, state: JSON.parse(JSON.stringify(state)) } }
}

describe('a state', () => {
  it.each([
    ['that waits', open],
    ['in which everything is set', busy],
    ['that is over', tombstone],
  ])('%s comes back from a store as it was', (_, state) => {
    expect(readApproval(storing(compact(state)))).toEqual(state)
  })

  it.each([
    ['reserved', reserved],
    ['sent, with candidates', { ...reserved, sent: true, digest: 'd', candidates: ['req_1'] }],
    ['binding', { ...reserved, kind: 'binding' as const, id: 'req_1', beginning }],
    ['bound', { kind: 'bound' as const, id: 'req_1', digest: null }],
    ['discarded', { kind: 'discarded' as const, by: 'op' }],
  ])('of a submission that is %s comes back from a store as it was', (_, state) => {
    expect(readReservation(storing(compact(state)))).toEqual(state)
  })

  it('is stored without what stands for nothing', () => {
    expect(compact(open)).toEqual({
      ...{ ref: 'ref_1', action: 'refund', details: request.details },
      ...{ since: start, notBefore: start },
    })
  })

  it('keeps the fields that a decision has, and none for what it lacks', () => {
    const bare = { ...approved, modifiedDetails: null, note: null, decidedAt: null }
    expect(compact({ ...busy, decision: bare })).toMatchObject({ decision: { status: 'approved', via: bare.via } })
    expect(Object.keys(Object(compact({ ...busy, decision: bare })['decision']))).toEqual(['status', 'via'])
    expect(readApproval(storing(compact({ ...busy, decision: bare })))).toMatchObject({ decision: bare })
  })

  it('has all fields of its decision again where nothing else was left out', () => {
    const decision = { ...approved, modifiedDetails: null, note: null, decidedAt: null }
    const kept = { holder: 'a', ref: 'ref_1', action: 'refund', assistant: 'main', result: '1', until: start }
    const over = { kind: 'completed', ...kept, outcome: 'approved', decision } as const
    expect(readApproval(storing(compact(over)))).toEqual(over)
  })

  it('of a newer version is unreadable', () => {
    expect(readApproval(newer)).toBe('unreadable')
    expect(readReservation(newer)).toBe('unreadable')
    expect(readApproval(storing({ ...compact(busy), v: 2 }))).toBe('unreadable')
  })

  it('is nothing where nothing is stored, and unreadable where the store cannot read it', () => {
    expect([readApproval(nothing), readReservation(nothing)]).toEqual([null, null])
    expect([readApproval(damaged), readReservation(damaged)]).toEqual(['unreadable', 'unreadable'])
  })

  it('of a reservation is no approval, and the other way round', () => {
    expect(readApproval(storing(compact(reserved)))).toBe('unreadable')
    expect(readReservation(storing(compact(open)))).toBe('unreadable')
  })

  it.each(Object.keys(busy).filter((name) => name !== 'kind'))('whose %s has another type is unreadable', (name) => {
    for (const wrong of [[], true, { a: 1 }, 'x', 5].filter((each) => typeof each !== typeof Reflect.get(busy, name)))
      expect(readApproval(storing({ ...compact(busy), [name]: wrong }))).toBe('unreadable')
  })

  it.each(['action', 'details'])('without %s is unreadable', (name) => {
    const { [name]: _, ...rest } = compact(busy)
    expect(readApproval(storing(rest))).toBe('unreadable')
  })

  it('whose candidates are no texts is unreadable', () => {
    for (const candidates of ['req_1', [1], null]) {
      expect(readReservation(storing({ ...compact(reserved), candidates }))).toBe('unreadable')
    }
  })

  it('with names of the prototype is no state of ours', () => {
    for (const kind of ['__proto__', 'constructor', 'toString'])
      expect(readApproval(storing({ ...compact(open), kind }))).toBe('unreadable')
  })
})

it('keys of approvals and references differ', () => {
  expect([approvalKey('x'), reservationKey('x')]).toEqual(['a:x', 'r:x'])
})
