/*
 * Short wait: Cheqpoint holds the submission for some seconds. If a rule or a reviewer decides in that time, the
 * handler has run when `submit` resolves. Otherwise the request is pending, and the handler runs later. For an API
 * whose caller can wait briefly.
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

/** Returns within about two seconds, decided or not. */
async function refund(orderId: string, amount: number): Promise<string> {
  const submission = await receiver.submit(
    { action: 'process_refund', summary: `Refund $${amount} for order #${orderId}`, details: { orderId, amount } },
    { maxWaitMs: 2_000 }, // 10,000 is the longest that Cheqpoint holds a call
  )
  const { approvalId, status } = submission
  // If it is pending, the handler runs when the decision comes. Any process can wait for it.
  console.log(status === 'pending' ? `${approvalId} is under review` : `${approvalId} was ${status} at once`)
  return approvalId
}

for (const amount of [20, 2_000]) {
  const { status } = await receiver.wait(await refund('8842', amount))
  console.log(`$${amount}: ${status}`)
}
await receiver.close()
