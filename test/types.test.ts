import * as v from 'valibot'
import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { createReceiver, type Decision, type JsonObject, type JsonValue, type Run } from '../src/index.js'

const apiKey = 'cq_live_test'

const refundDetails = z.object({ orderId: z.string(), amount: z.string().transform(Number) })

describe('x', () => {
  it('y', () => {
    const receiver = createReceiver({
      apiKey,
      actions: {
        process_refund: {
          details: z.object({ orderId: z.string(), amount: z.string().transform(Number) }),
          async onDecision(decision, run) {
            expectTypeOf(run).toEqualTypeOf<Run>()
            if (decision.status !== 'approved') return
            expectTypeOf(decision.details).toEqualTypeOf<{ orderId: string; amount: number }>()
            expectTypeOf(decision.context).toEqualTypeOf<JsonValue>()
          },
        },
        ship: {
          details: v.object({ to: v.string() }),
          context: z.object({ tenant: z.string() }),
          onDecision: async (decision) => {
            expectTypeOf(decision.context).toEqualTypeOf<{ tenant: string }>()
            if (decision.status !== 'approved') return
            expectTypeOf(decision.details).toEqualTypeOf<{ to: string }>()
          },
        },
        only_context: {
          context: z.object({ tenant: z.string() }),
          onDecision: async (decision) => {
            expectTypeOf(decision.context).toEqualTypeOf<{ tenant: string }>()
            if (decision.status !== 'approved') return
            expectTypeOf(decision.details).toEqualTypeOf<JsonObject>()
          },
        },
        plain: {
          onDecision: (decision) => {
            expectTypeOf(decision).toEqualTypeOf<Decision>()
          },
        },
      },
    })
    receiver.track('req_1', { action: 'process_refund', details: { orderId: '1', amount: '3' } })
    receiver.track('req_1', { action: 'ship', details: { to: '1' }, context: { tenant: 'a' } })
    receiver.track('req_1', { action: 'only_context', details: { to: '1' }, context: { tenant: 'a' } })
    receiver.track('req_1', { action: 'plain', details: { to: '1' }, context: { tenant: 'a' } })
    receiver.track('req_1', { action: 'other', details: { to: '1' }, context: { tenant: 'a' } })
    // @ts-expect-error context is missing
    receiver.track('req_1', { action: 'ship', details: { to: '1' } })
    // @ts-expect-error amount
    receiver.track('req_1', { action: 'process_refund', details: { orderId: '1', amount: 3 } })
    // @ts-expect-error amount
    receiver.track('req_1', { action: 'other', details: 'text' })
  })
})
