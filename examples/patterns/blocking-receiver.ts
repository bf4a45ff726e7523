/*
 * Blocking, with a receiver: submit, wait, continue with the handler's result. The request is kept in a store. With a
 * durable store, if this process dies, another one finds the decision and runs the handler.
 *
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/patterns/blocking-receiver.js
 */
import { createReceiver } from 'cheqpoint-callback'
import { z } from 'zod'

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  polling: { firstMs: 1_000 }, // a caller waits, so poll earlier than after 5 s
  actions: {
    process_refund: {
      details: z.object({ orderId: z.string(), amount: z.number().positive() }),
      async onDecision(decision, run) {
        if (decision.status !== 'approved') return
        const { orderId, amount } = decision.details // the reviewer's edit, if there was one
        return { orderId, refunded: amount, key: run.idempotencyKey }
      },
    },
  },
})
await receiver.start()

const { approvalId } = await receiver.submit({
  action: 'process_refund',
  summary: 'Refund $120 for order #8842',
  details: { orderId: '8842', amount: 120 },
})
const { status, result } = await receiver.wait(approvalId, { timeoutMs: 300_000 })
console.log(status, JSON.stringify(result))
await receiver.close()
