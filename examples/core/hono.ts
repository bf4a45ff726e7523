/*
 * The core alone in a Hono app. A schema types the decision and validates a reviewer's edit; a refund that fails
 * gives its claim back, to be claimed again after a back-off.
 *
 *   CHEQPOINT_CONNECTION_KEY=… CALLBACK_SECRET=… PUBLIC_URL=https://app.example.com node dist/examples/core/hono.js
 */
import { serve } from '@hono/node-server'
import {
  createCallbackUrl,
  createClient,
  memoryStore,
  register,
  toResponse,
  toWebResponse,
  verifyAndResolve,
} from 'cheqpoint-callback'
import { Hono } from 'hono'
import { z } from 'zod'

const port = Number(process.env['PORT'] ?? 3000)
const callbackUrl = `${process.env['PUBLIC_URL'] ?? `http://127.0.0.1:${port}`}/webhooks/cheqpoint`
const callbackSecret = process.env['CALLBACK_SECRET'] ?? ''
const client = createClient({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
})
const details = z.object({ orderId: z.string(), amount: z.number().positive() })
const options = { client, callbackSecret, store: memoryStore(), actions: { process_refund: { details } } }
const app = new Hono()

app.post('/webhooks/cheqpoint', async (c) => {
  const outcome = await verifyAndResolve(c.req.raw, options)
  if (outcome.kind !== 'ok') return toWebResponse(toResponse(outcome, { swept: false }))
  const { claim } = outcome
  try {
    if (claim.decision.status === 'approved') await refund(claim.decision.details, claim.idempotencyKey)
    await claim.complete()
    return toWebResponse(toResponse(outcome, { swept: false }))
  } catch (error) {
    console.log(`given back after attempt ${claim.attempt}: ${error}`)
    await claim.release()
    return c.body(null, 500)
  }
})
app.post('/refunds', async (c) => {
  const { url, ref } = createCallbackUrl(callbackUrl, callbackSecret)
  const asked = { action: 'process_refund', details: details.parse(await c.req.json()) }
  const { id } = await client.inbound({ ...asked, summary: 'Refund order #8842', callbackUrl: url })
  if (id === null) throw new Error('Cheqpoint returned no approval id')
  await register(id, { ...asked, ref }, options)
  return c.json({ approvalId: id }, 202)
})
serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, () => console.log(`listening on ${port}`))

/** In place of a payment API: refuses refunds above 400. */
async function refund({ orderId, amount }: z.output<typeof details>, key: string): Promise<void> {
  if (amount > 400) throw new Error('the payment API refused')
  console.log(`refunded $${amount} for order ${orderId}, key ${key}`)
}
