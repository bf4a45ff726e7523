import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { type ApprovedDecision, action, type Decision, type RefusedDecision, type Run } from '../../../src/index.js'
import { postgresStore } from '../../../src/stores/sql/postgres-store.js'
import { fakeDecision, fakeRun } from '../../../src/testing/index.js'

const deploy = action({
  details: z.object({ tag: z.string(), region: z.enum(['eu', 'us']) }),
  context: z.object({ email: z.string() }),
  onDecision(decision, run) {
    const { email } = decision.context
    if (decision.status !== 'approved') return `${email}: ${decision.status}, ${decision.note}`
    return `${email}: ${decision.details.tag} to ${decision.details.region}, ${run.idempotencyKey}`
  },
})
const details = { orderId: '8842', amount: 120 }

/** What must not compile, and is not run. */
function unrun(_use: () => unknown): void {}

describe('fakeDecision', () => {
  it.each([undefined, null, 7, {}])('throws argument-invalid for %j', (wrong) => {
    const failure = { code: 'argument-invalid', message: expect.stringContaining('{ details } for an approval') }
    // What the types rule out, plain JavaScript may send.
    expect(() => fakeDecision(wrong as Pick<RefusedDecision, 'status'>)).toThrow(expect.objectContaining(failure))
  })

  it.each([
    { status: 'approved' },
    { status: 'APPROVED', details },
    { status: 'rejected', details },
    { status: 'cancelled' },
  ])('throws argument-invalid for %j, which no receiver gives a handler', (wrong) => {
    // The same.
    expect(() => fakeDecision(wrong as unknown as Pick<RefusedDecision, 'status'>)).toThrow(
      expect.objectContaining({ code: 'argument-invalid' }),
    )
  })

  it('calls a typed handler in one line', () => {
    expect(
      deploy.onDecision(
        fakeDecision({ details: { tag: '1.4.0', region: 'eu' }, context: { email: 'a@b.test' } }),
        fakeRun(),
      ),
    ).toBe('a@b.test: 1.4.0 to eu, cheqpoint:req_1')
  })

  it('has the types of the action that it is passed to', () => {
    const context = { email: 'a@b.test' }
    unrun(() => {
      // @ts-expect-error the action has no such region
      deploy.onDecision(fakeDecision({ details: { tag: '1.4.0', region: 'moon' }, context }), fakeRun())
      // @ts-expect-error the action needs a tag
      deploy.onDecision(fakeDecision({ details: { region: 'eu' }, context }), fakeRun())
      // @ts-expect-error the action has a context
      deploy.onDecision(fakeDecision({ details: { tag: '1.4.0', region: 'eu' } }), fakeRun())
      // @ts-expect-error a rejected decision has no details
      fakeDecision({ status: 'rejected', details })
      // @ts-expect-error an approved decision has details
      fakeDecision({ status: 'approved' })
    })
    expectTypeOf(fakeDecision({ details })).toEqualTypeOf<ApprovedDecision<typeof details, null>>()
    expectTypeOf(fakeDecision({ status: 'expired' })).toEqualTypeOf<RefusedDecision<null>>()
    expectTypeOf(fakeDecision({ details })).toExtend<Decision>()
    expectTypeOf(fakeRun()).toEqualTypeOf<Run>()
  })

  it('is an approval without an edit unless told otherwise', () => {
    const before = Date.now()
    const { decidedAt, ...rest } = fakeDecision({ details })
    expect(rest).toEqual({
      status: 'approved',
      approvalId: 'req_1',
      action: 'test',
      details,
      changedPaths: [],
      originalDetails: details,
      modifiedDetails: null,
      note: null,
      context: null,
      via: 'callback',
    })
    expect(decidedAt?.getTime()).toBeGreaterThanOrEqual(before)
    expect(decidedAt?.getTime()).toBeLessThanOrEqual(Date.now())
  })

  it('is a refusal without details where its status says so', () => {
    for (const status of ['rejected', 'expired'] as const) {
      const decision = fakeDecision({ status })
      expect(decision).toMatchObject({ status, approvalId: 'req_1', note: null, context: null })
      expect(decision).not.toHaveProperty('details')
      expect(decision).not.toHaveProperty('changedPaths')
    }
    expect(
      deploy.onDecision(fakeDecision({ status: 'rejected', note: 'No.', context: { email: 'x' } }), fakeRun()),
    ).toBe('x: rejected, No.')
  })

  it('takes another value for each of its fields', () => {
    const all = {
      status: 'approved' as const,
      approvalId: 'req_2',
      action: 'process_refund',
      details,
      changedPaths: ['/amount'],
      originalDetails: { ...details, amount: 500 },
      modifiedDetails: details,
      note: 'Less.',
      decidedAt: null,
      context: { email: 'a@b.test' },
      via: 'poll' as const,
    }
    expect(fakeDecision(all)).toEqual(all)
  })
})

describe('fakeRun', () => {
  it('is a first attempt that is not aborted, each with a signal of its own', () => {
    const { signal, ...rest } = fakeRun()
    expect(rest).toEqual({ attempt: 1, fence: 1, idempotencyKey: 'cheqpoint:req_1' })
    expect(signal.aborted).toBe(false)
    expect(fakeRun().signal).not.toBe(signal)
  })

  it('takes another value for each of its fields', () => {
    const all: Run = { attempt: 3, fence: 7, idempotencyKey: 'cheqpoint:req_2', signal: AbortSignal.abort() }
    expect(fakeRun(all)).toEqual(all)
  })

  it('cannot be completed in a transaction', async () => {
    const store = postgresStore({ query: async () => [] })
    await expect(store.completeIn(fakeRun(), async () => [])).rejects.toMatchObject({ code: 'argument-invalid' })
  })
})
