/*
 * A route handler as Next.js has them (`app/webhooks/cheqpoint/route.ts`), and any other host that gives a `Request` and
 * takes a `Response`. The platform may stop the process after each answer, so requests are kept in Redis, and cron.ts,
 * called by a schedule, is the sweep that finds lost callbacks.
 *
 * Next.js needs `export const runtime = 'nodejs'` beside `POST`, and where handlers may take longer than 8 s, `after`
 * of `next/server`: `receiver.fetch(request, { waitUntil: after })`. It keeps the process until the handler is done.
 */
import { createReceiver } from 'cheqpoint-callback'
import { redisStore } from 'cheqpoint-callback/redis'
import { createClient } from 'redis'
import { z } from 'zod'

const redis = createClient({ url: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379' })
redis.on('error', (error: Error) => console.error(`Redis: ${error.message}`))
const connected = redis.connect()

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  callbackUrl: `${process.env['PUBLIC_URL'] ?? 'http://127.0.0.1:3000'}/webhooks/cheqpoint`,
  callbackSecret: process.env['CALLBACK_SECRET'], // at least 16 characters; callbacks without a token get 401
  store: redisStore({
    prefix: 'refunds',
    async sendCommand(args) {
      await connected
      return redis.sendCommand(args)
    },
  }),
  sweep: 'elsewhere',
  actions: {
    process_refund: {
      details: z.object({ orderId: z.string(), amount: z.number().positive() }),
      onDecision(decision, run) {
        if (decision.status !== 'approved') return
        console.log(`refunded $${decision.details.amount}, found by ${decision.via}, key ${run.idempotencyKey}`)
      },
    },
  },
})

/** The route of the callback. */
export const POST = (request: Request): Promise<Response> => receiver.fetch(request)

/** For a server action. The decision comes to `POST`, in whichever process. */
export async function requestRefund(orderId: string, amount: number): Promise<string> {
  const { approvalId } = await receiver.submit(
    { action: 'process_refund', summary: `Refund $${amount} for order #${orderId}`, details: { orderId, amount } },
    { idempotencyKey: `refund ${orderId}` },
  )
  return approvalId
}
