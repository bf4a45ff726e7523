/*
 * A Hono app that waits for the decision, up to 25 s, and responds with the handler's result. The token is in the
 * path of the callback URL, for proxies that strip the query.
 *
 *   CHEQPOINT_CONNECTION_KEY=… CALLBACK_SECRET=… PUBLIC_URL=https://app.example.com node dist/examples/hono.js
 */
import { serve } from '@hono/node-server'
import { createReceiver, isCheqpointError } from 'cheqpoint-callback'
import { honoCallback } from 'cheqpoint-callback/hono'
import { Hono } from 'hono'
import { z } from 'zod'

const port = Number(process.env['PORT'] ?? 3000)
const publicUrl = process.env['PUBLIC_URL'] ?? `http://127.0.0.1:${port}`

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  callbackUrl: (token) => `${publicUrl}/webhooks/cheqpoint/${token}`,
  callbackSecret: process.env['CALLBACK_SECRET'], // at least 16 characters; callbacks without a token get 401
  actions: {
    deploy: {
      details: z.object({ tag: z.string(), region: z.enum(['eu', 'us']) }),
      onDecision(decision) {
        if (decision.status !== 'approved') return
        const { tag, region } = decision.details
        return { deployed: tag, region, edited: decision.changedPaths } // what `wait` resolves with
      },
    },
  },
})

const app = new Hono()
app.post('/webhooks/cheqpoint/:token', honoCallback(receiver))
app.post('/deployments/:tag', async (c) => {
  const details = { tag: c.req.param('tag'), region: 'eu' } as const
  const { approvalId } = await receiver.submit({ action: 'deploy', summary: `Deploy ${details.tag}`, details })
  console.log(`asked for ${approvalId}`)
  try {
    const { status, result } = await receiver.wait(approvalId, { timeoutMs: 25_000, signal: c.req.raw.signal })
    return c.json({ status, result })
  } catch (error) {
    // Not decided yet, or parked for a person. The request continues without this caller.
    if (isCheqpointError(error)) return c.json({ approvalId, code: error.code }, 202)
    throw error
  }
})

await receiver.start()
const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }, () => console.log(`listening on ${port}`))
process.once('SIGTERM', async () => {
  server.close()
  await receiver.close()
})
