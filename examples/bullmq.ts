/*
 * The handler creates a BullMQ job for each approval, and a worker does the work, with BullMQ's retries, rates and
 * dashboards. Handler and worker may be in different processes.
 *
 * A crash can make the handler run twice. So the job id comes from `run.idempotencyKey`: while BullMQ knows that id,
 * it adds no second job. The worker passes the same key on.
 *
 *   CHEQPOINT_CONNECTION_KEY=… REDIS_URL=redis://… node dist/examples/bullmq.js
 */
import { Queue, Worker } from 'bullmq'
import { createReceiver } from 'cheqpoint-callback'
import { redisStore } from 'cheqpoint-callback/redis'
import { Redis } from 'ioredis'
import { z } from 'zod'

const redis = new Redis(process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379', { maxRetriesPerRequest: null })

interface Refund {
  readonly orderId: string
  readonly amount: number
  readonly key: string
}

const week = 7 * 24 * 3_600 // as long as the receiver remembers an outcome; BullMQ counts in seconds
const queue = new Queue<Refund>('refunds', { connection: redis })
const worker = new Worker<Refund>(
  'refunds',
  async ({ data }) => console.log(`refunded $${data.amount} for order ${data.orderId}, key ${data.key}`),
  { connection: redis },
)

const receiver = createReceiver({
  apiKey: process.env['CHEQPOINT_CONNECTION_KEY'],
  baseUrl: process.env['CHEQPOINT_BASE_URL'],
  store: redisStore({ sendCommand: (args) => redis.call(...args) }),
  polling: { firstMs: 1_000 },
  actions: {
    process_refund: {
      details: z.object({ orderId: z.string(), amount: z.number().positive() }),
      async onDecision(decision, run) {
        if (decision.status !== 'approved') return
        const key = run.idempotencyKey
        const job = await queue.add(
          'refund',
          { ...decision.details, key },
          {
            jobId: key.replaceAll(':', '-'), // BullMQ takes no colon
            attempts: 5,
            backoff: { type: 'exponential', delay: 1_000 },
            removeOnComplete: { age: week }, // after that it could be added again
          },
        )
        return { job: job.id ?? null }
      },
    },
  },
})
await receiver.start()

const details = { orderId: process.argv[2] ?? '8842', amount: 120 }
const { approvalId } = await receiver.submit({ action: 'process_refund', summary: 'Refund $120', details })
const { status, result } = await receiver.wait(approvalId)
console.log(status, JSON.stringify(result))
await receiver.close()
await worker.close() // waits for its job
await queue.close()
redis.disconnect()
