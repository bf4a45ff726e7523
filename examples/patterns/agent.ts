/*
 * A tool of an agent that must ask before it pays. It submits, waits less long than its client does, and returns the
 * handler's result, the reviewer's answer, or that it has asked; the model then calls it again later.
 *
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/patterns/agent.js 8842
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
        const { orderId, amount } = decision.details
        return { receipt: await payBack(orderId, amount, run.idempotencyKey), amount, edited: decision.changedPaths }
      },
    },
  },
})

/** Stands for a payment service: the same key never pays twice. */
async function payBack(orderId: string, _amount: number, key: string): Promise<string> {
  return `${orderId}/${key}`
}

const [orderId = '8842', timeoutMs = '25000'] = process.argv.slice(2) // MCP clients give up after 60 s

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
      // A later call asks no second time: it gets the first approval. With a durable store this holds across restarts.
      { idempotencyKey: `refund order ${orderId}` },
    )
    const { status, result, note } = await receiver.wait(approvalId, { timeoutMs: Number(timeoutMs) })
    if (status === 'approved') return `Refunded: ${JSON.stringify(result)}`
    return `The refund was ${status}${note === null ? '' : ` with the note: ${note}`}. Do not try again.`
  } catch (error) {
    if (isCheqpointError(error, 'wait-timeout')) return 'Asked. Tell the customer, and call this tool again later.'
    if (isCheqpointError(error)) return `The refund needs a person (${error.code}). Do not try again.`
    throw error
  }
}

await receiver.start()
console.log(`order ${orderId}: delivered broken, $120`) // what another tool found out
let answer = ''
do {
  const next = await refundTool(orderId, 120, 'The photo shows a broken screen')
  if (next !== answer) console.log(next)
  answer = next
} while (answer.startsWith('Asked'))
await receiver.close()
