/*
 * The real Cheqpoint from a laptop, without a tunnel: no public URL, no callback, decisions are found by polling often.
 * Everything else is as in production, where `callbackUrl` is added and `polling` is left out.
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
  onEvent(event) {
    if (event.type === 'api-key-refused') console.error('Cheqpoint does not take the key')
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
