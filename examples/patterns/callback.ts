/*
 * Asynchronous: submit and respond. The decision comes to the callback URL; if the callback is lost, the sweep finds
 * it. For servers: nothing waits, and with a durable store nothing is lost.
 *
 *   CHEQPOINT_CONNECTION_KEY=… CALLBACK_SECRET=… PUBLIC_URL=https://app.example.com node dist/examples/patterns/callback.js
 */
import { createReceiver, isCheqpointError } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import express from 'express'
import { z } from 'zod'

const port = Number(process.env['PORT'] ?? 3000)
const publicUrl = process.env['PUBLIC_URL'] ?? `http://127.0.0.1:${port}`

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  callbackUrl: `${publicUrl}/webhooks/cheqpoint`,
  callbackSecret: process.env['CALLBACK_SECRET'], // at least 16 characters; callbacks without a token get 401
  actions: {
    process_refund: {
      details: z.object({ orderId: z.string(), amount: z.number().positive() }),
      context: z.object({ email: z.string() }),
      async onDecision(decision, run) {
        const { email } = decision.context // stored with the request
        if (decision.status !== 'approved') {
          console.log(`tell ${email}: no refund`)
          return
        }
        const { orderId, amount } = decision.details
        console.log(`tell ${email}: refunded $${amount} for order ${orderId}, key ${run.idempotencyKey}`)
      },
    },
  },
})

const app = express()
app.post('/webhooks/cheqpoint', expressCallback(receiver))
app.post('/refunds', express.json(), async (request, response) => {
  const { orderId, amount, email } = request.body
  try {
    const { approvalId } = await receiver.submit(
      { action: 'process_refund', summary: `Refund $${amount} for order #${orderId}`, details: { orderId, amount } },
      // A client that sends the same order again gets the first approval; the reviewer sees one request.
      { context: { email }, idempotencyKey: `refund ${orderId}` },
    )
    response.status(202).json({ approvalId })
  } catch (error) {
    const code = isCheqpointError(error) ? error.code : 'failed'
    response.status(code === 'argument-invalid' ? 400 : 502).json({ code })
  }
})
const server = app.listen(port, '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`listening on ${port}`)
})
process.once('SIGTERM', async () => {
  server.close()
  await receiver.close()
})
await receiver.start()
