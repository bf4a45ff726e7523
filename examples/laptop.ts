/*
 * The real Cheqpoint from a laptop, without a public URL: decisions are found by frequent polling. In production add
 * `callbackUrl` and leave out `polling`; the rest stays the same.
 *
 *   CHEQPOINT_CONNECTION_KEY=… node dist/examples/laptop.js
 */
import { createReceiver } from 'cheqpoint-callback'

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  polling: { firstMs: 1_000, maxMs: 2_000 },
  onDecision(decision) {
    const edited = decision.status === 'approved' ? decision.changedPaths.join(' ') : ''
    console.log(`handler: ${decision.status}${edited === '' ? '' : `, edited at ${edited}`}`)
  },
})
await receiver.start()

const { approvalId } = await receiver.submit({
  action: 'send_invoice',
  summary: 'Send invoice 17 to Example Ltd',
  details: { invoice: 17, to: 'billing@example.com' },
})
console.log(`decide ${approvalId} in your Cheqpoint inbox`)
await receiver.wait(approvalId)
await receiver.close()
