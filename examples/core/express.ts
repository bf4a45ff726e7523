/*
 * The core alone in an Express app that has a job runner of its own: verifyAndResolve gives a claim on a confirmed
 * decision, and the claim is completed once the job exists. Nothing here finds lost callbacks: that takes a receiver
 * on the same store.
 *
 *   CHEQPOINT_CONNECTION_KEY=… CALLBACK_SECRET=… PUBLIC_URL=https://app.example.com node dist/examples/core/express.js
 */
import {
  createCallbackUrl,
  createClient,
  memoryStore,
  register,
  toResponse,
  verifyAndResolve,
} from 'cheqpoint-callback'
import express from 'express'

const port = Number(process.env['PORT'] ?? 3000)
const callbackUrl = `${process.env['PUBLIC_URL'] ?? `http://127.0.0.1:${port}`}/webhooks/cheqpoint`
const callbackSecret = process.env['CALLBACK_SECRET'] ?? ''
const client = createClient({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
})
const options = { client, callbackSecret, store: memoryStore() }
const app = express()

app.post('/webhooks/cheqpoint', async (request, response) => {
  const outcome = await verifyAndResolve(request, options)
  if (outcome.kind === 'ok') {
    const { decision, idempotencyKey } = outcome.claim
    if (decision.status === 'approved') console.log('enqueue', decision.details, idempotencyKey) // your job runner
    await outcome.claim.complete()
  }
  const { status, headers, body } = toResponse(outcome, { swept: false })
  response.status(status).set(headers).send(body)
})
app.post('/refunds', express.json(), async (request, response) => {
  const { url, ref } = createCallbackUrl(callbackUrl, callbackSecret)
  const asked = { action: 'process_refund', details: request.body }
  const { id } = await client.inbound({ ...asked, summary: 'Refund order #8842', callbackUrl: url })
  if (id === null) throw new Error('Cheqpoint returned no approval id')
  await register(id, { ...asked, ref }, options)
  response.status(202).json({ approvalId: id })
})
app.listen(port, '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`listening on ${port}`)
})
