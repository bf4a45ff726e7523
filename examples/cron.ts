/*
 * One sweep as a scheduled job, for platforms without a permanent process. It polls for decisions whose callback was
 * lost, runs their handlers, prints the counts, and exits. The app (next.ts) has the same store and handlers, and
 * `sweep: 'elsewhere'` too.
 *
 *   CHEQPOINT_CONNECTION_KEY=… REDIS_URL=redis://… node dist/examples/cron.js
 */
import { createReceiver } from 'cheqpoint-callback'
import { redisStore } from 'cheqpoint-callback/redis'
import { createClient } from 'redis'
import { z } from 'zod'

const redis = createClient({ url: process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379' })
redis.on('error', (error: Error) => console.error(`Redis: ${error.message}`))
await redis.connect()

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  store: redisStore({ sendCommand: (args) => redis.sendCommand(args), prefix: 'refunds' }),
  sweep: 'elsewhere',
  polling: { maxMs: 300_000 }, // at least as often as the schedule, here five minutes
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

// Less than the platform's time limit. What is left is due at the next run.
const report = await receiver.reconcile({ timeoutMs: 25_000 })
console.log(JSON.stringify(report))
await receiver.close()
await redis.close()
process.exitCode = report.failed > 0 ? 1 : 0 // lets the scheduler alert
