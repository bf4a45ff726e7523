/*
 * An Express app with parsers, a health check and a clean shutdown. The callback route may come after
 * `express.json()`: the adapter uses the parsed body.
 *
 *   CHEQPOINT_CONNECTION_KEY=… CALLBACK_SECRET=… PUBLIC_URL=https://app.example.com node dist/examples/express.js
 */
import { createReceiver } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import express from 'express'
import { z } from 'zod'

const port = Number(process.env['PORT'] ?? 3000)

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  callbackUrl: `${process.env['PUBLIC_URL'] ?? `http://127.0.0.1:${port}`}/webhooks/cheqpoint`,
  callbackSecret: process.env['CALLBACK_SECRET'], // at least 16 characters; callbacks without a token get 401
  actions: {
    delete_account: {
      details: z.object({ account: z.string(), keepInvoices: z.boolean() }),
      onDecision(decision, run) {
        if (decision.status !== 'approved') {
          console.log(`account kept: ${decision.note ?? decision.status}`)
          return
        }
        const { account, keepInvoices } = decision.details
        console.log(`deleted ${account}, invoices ${keepInvoices ? 'kept' : 'too'}, key ${run.idempotencyKey}`)
      },
    },
  },
})

const app = express()
app.use(express.json())
app.post('/webhooks/cheqpoint', expressCallback(receiver))
app.delete('/accounts/:account', async (request, response) => {
  const { account } = request.params
  const submission = await receiver.submit(
    { action: 'delete_account', summary: `Delete account ${account}`, details: { account, keepInvoices: true } },
    { idempotencyKey: `delete ${account}` }, // a repeated request gets the open approval
  )
  response.status(202).json({ approvalId: submission.approvalId })
})
app.get('/health', async (_request, response) => {
  const { open, parked, overdueMs, sweeping } = await receiver.stats()
  response.status(sweeping ? 200 : 503).json({ open, parked, overdueMs })
})

await receiver.start() // finds decisions whose callback was lost
const server = app.listen(port, '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`listening on ${port}`)
})
process.once('SIGTERM', async () => {
  server.close()
  await receiver.close() // waits for running handlers
})
