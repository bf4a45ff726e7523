/*
 * A Fastify app. The plugin reads the bodies of its own route; parsers, limits and hooks of the app stay as they are.
 *
 *   CHEQPOINT_CONNECTION_KEY=… CALLBACK_SECRET=… PUBLIC_URL=https://app.example.com node dist/examples/fastify.js
 */
import { createReceiver } from 'cheqpoint-callback'
import { fastifyCallback } from 'cheqpoint-callback/fastify'
import fastify from 'fastify'
import { z } from 'zod'

const port = Number(process.env['PORT'] ?? 3000)

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  callbackUrl: `${process.env['PUBLIC_URL'] ?? `http://127.0.0.1:${port}`}/webhooks/cheqpoint`,
  callbackSecret: process.env['CALLBACK_SECRET'], // at least 16 characters; callbacks without a token get 401
  actions: {
    invite: {
      details: z.object({ person: z.string(), role: z.enum(['reader', 'editor']) }),
      onDecision(decision, run) {
        if (decision.status !== 'approved') return
        const { person, role } = decision.details
        console.log(`invited ${person} as ${role}, key ${run.idempotencyKey}`)
      },
    },
  },
})

const app = fastify()
app.register(fastifyCallback(receiver), { prefix: '/webhooks/cheqpoint' })
app.post<{ Params: { person: string } }>('/invitations/:person', async (request, reply) => {
  const { person } = request.params
  const { approvalId } = await receiver.submit(
    { action: 'invite', summary: `Invite ${person} as editor`, details: { person, role: 'editor' } },
    { idempotencyKey: `invite ${person}` }, // a repeated request gets the open approval
  )
  return reply.code(202).send({ approvalId })
})
app.addHook('onClose', () => receiver.close()) // lets handlers end

await receiver.start() // finds decisions whose callback was lost
await app.listen({ port, host: '127.0.0.1' })
console.log(`listening on ${port}`)
process.once('SIGTERM', () => app.close())
