/*
 * Short wait: Cheqpoint holds the submission for some seconds. If it is decided in that time, by a rule or a quick reviewer,
 * the handler has run before `submit` resolves; otherwise it is pending and goes on in the background. For an API that can
 * keep its caller waiting for a moment, and no longer.
 *
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/patterns/short-wait.js
 */
import { createReceiver } from 'cheqpoint-callback'

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  polling: { firstMs: 1_000 },
  onDecision(decision) {
    console.log(`handler: ${decision.status}, found by ${decision.via}`)
  },
})
await receiver.start()

/** Answers within about two seconds, whatever the reviewer does. */
async function refund(orderId: string, amount: number): Promise<string> {
  const submission = await receiver.submit(
    { action: 'process_refund', summary: `Refund $${amount} for order #${orderId}`, details: { orderId, amount } },
    { maxWaitMs: 2_000 }, // 10,000 is the longest that Cheqpoint holds a call
  )
  const { approvalId, status } = submission
  // Pending, the handler runs when the decision comes, and any process can wait for it.
  console.log(status === 'pending' ? `${approvalId} is under review` : `${approvalId} was ${status} at once`)
  return approvalId
}

for (const amount of [20, 2_000]) {
  const { status } = await receiver.wait(await refund('8842', amount))
  console.log(`$${amount}: ${status}`)
}
await receiver.close()
