/*
 * Blocking, client only: submit, poll until decided, continue. The simplest way, for a script that may wait for
 * minutes and that you restart by hand if it dies. It needs no URL, no store and no receiver.
 *
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/patterns/blocking.js
 */
import { createClient } from 'cheqpoint-callback'
import { z } from 'zod'

const client = createClient({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'], // leave it out for the real one
})
const Refund = z.object({ orderId: z.string(), amount: z.number().positive() })

const details = { orderId: '8842', amount: 120 }
const { id } = await client.request({ action: 'process_refund', summary: 'Refund $120 for order #8842', details })
if (id === null) throw new Error('Cheqpoint named no approval')
const decision = await client.waitForDecision(id, { timeoutMs: 300_000 })

if (decision.status === 'approved') {
  // The reviewer may have edited it: validate it like any input.
  const { orderId, amount } = Refund.parse(decision.modifiedDetails ?? details)
  console.log(`refunded $${amount} for order ${orderId}`)
} else {
  console.log(`not refunded: ${decision.status}`)
}
await client.close()
