/*
 * An agent that must ask before it pays. Its tool submits, waits, and returns the handler's result or the reviewer's answer
 * to the model.
 *
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/agent.js 8842
 */
import { createReceiver, isCheqpointError } from 'cheqpoint-callback'
import { z } from 'zod'

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  polling: { firstMs: 1_000, maxMs: 30_000 },
  actions: {
    process_refund: {
      details: z.object({ orderId: z.string(), amount: z.number().positive().max(500) }),
      async onDecision(decision, run) {
        if (decision.status !== 'approved') return
        return payBack(decision.details.orderId, decision.details.amount, run.idempotencyKey)
      },
    },
  },
})

/** Stands for a payment service: the same key never pays twice. */
async function payBack(orderId: string, amount: number, key: string): Promise<{ receipt: string; amount: number }> {
  return { receipt: `${orderId}/${key}`, amount }
}

/** The tool as the model sees it: text in, text out. */
async function refundTool(orderId: string, amount: number, reason: string): Promise<string> {
  try {
    const { approvalId } = await receiver.submit(
      {
        action: 'process_refund',
        summary: `Refund $${amount} for order #${orderId}`,
        details: { orderId, amount },
        justification: reason,
        riskLevel: amount > 100 ? 'high' : 'low',
      },
      // A step that is executed again asks no second time. With a durable store this holds across restarts.
      { idempotencyKey: `refund order ${orderId}` },
    )
    const { status, result, note } = await receiver.wait(approvalId, { timeoutMs: 600_000 })
    if (status === 'approved') return `Refunded: ${JSON.stringify(result)}`
    return `The refund was ${status}${note === null ? '' : ` with the note: ${note}`}. Do not try again.`
  } catch (error) {
    if (isCheqpointError(error, 'wait-timeout'))
      return 'Nobody has decided yet. Tell the customer that we look into it.'
    if (isCheqpointError(error)) return `The refund needs a person (${error.code}). Do not try again.`
    throw error
  }
}

const orderId = process.argv[2] ?? '8842'
await receiver.start()
console.log(`order ${orderId}: delivered broken, $120`) // what another tool found out
console.log(await refundTool(orderId, 120, 'The photo shows a broken screen'))
await receiver.close()
