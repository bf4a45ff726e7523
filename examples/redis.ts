/*
 * Two processes that share one Redis. Each can submit, receive the callback, sweep, and run the handler. Stop one
 * with Ctrl-C: the other takes over the decisions of both. Needs a Redis server (REDIS_URL) and three terminals:
 *
 *   node dist/examples/redis.js cheqpoint       a simulator whose reviewer approves after two seconds
 *   node dist/examples/redis.js app 4001 4002   submits a refund every second; the other app is at 4002
 *   node dist/examples/redis.js app 4002 4001
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createReceiver } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { redisStore } from 'cheqpoint-callback/redis'
import { createSimulator } from 'cheqpoint-callback/simulator'
import express from 'express'
import { createClient } from 'redis'
import { z } from 'zod'

const apiKey = 'cq_live_local'
const baseUrl = process.env['CHEQPOINT_BASE_URL'] ?? 'http://127.0.0.1:4010'
const redisUrl = process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379'
const path = '/webhooks/cheqpoint'

/** A reviewer who approves each request after two seconds. */
async function runCheqpoint(stopped: Promise<unknown>): Promise<void> {
  const simulator = await createSimulator({ apiKey })
  await simulator.listen(Number(new URL(baseUrl).port))
  console.log(`cheqpoint: ${baseUrl}`)
  simulator.subscribe((change) => {
    if (change.type !== 'request' || change.request.status !== 'pending') return
    setTimeout(() => simulator.decide(change.request.id, { status: 'approved' }), 2_000).unref()
  })
  await stopped
  await simulator.close()
}

/** One of the two processes of an application. */
async function runApp(port: number, otherPort: number, count: number, stopped: Promise<unknown>): Promise<void> {
  const client = createClient({ url: redisUrl })
  client.on('error', (error: Error) => console.error(`app ${port}: Redis: ${error.message}`))
  await client.connect()
  const receiver = createReceiver({
    apiKey,
    baseUrl,
    store: redisStore({ sendCommand: (args) => client.sendCommand(args), prefix: 'refunds' }),
    // Like a load balancer, which sends a callback to either process.
    callbackUrl: (token) => `http://127.0.0.1:${Math.random() < 0.5 ? port : otherPort}${path}?token=${token}`,
    callbackSecret: process.env['CALLBACK_SECRET'] ?? 'the same in both processes',
    // After a kill the other process waits this long.
    runs: { leaseMs: 6_000 },
    polling: { firstMs: 3_000 },
    actions: {
      process_refund: {
        details: z.object({ order: z.string(), amount: z.number().positive() }),
        async onDecision(decision, run) {
          const how = `found by ${decision.via}, attempt ${run.attempt}`
          if (decision.status !== 'approved') return
          await sleep(300) // the call of a payment service, with run.idempotencyKey
          console.log(`app ${port}: refunded ${decision.details.order}, ${how}`)
        },
      },
    },
  })
  const app = express()
  app.post(path, expressCallback(receiver))
  const server = app.listen(port, '127.0.0.1')
  await once(server, 'listening')
  await receiver.start()
  console.log(`app ${port}: ready`)

  let stopping = false
  const submitting = (async () => {
    for (let order = 1; order <= count && !stopping; order++) {
      const details = { order: `${port}-${order}`, amount: 120 }
      await receiver.submit({ action: 'process_refund', summary: `Refund ${details.order}`, details })
      console.log(`app ${port}: submitted ${details.order}`)
      await sleep(1_000)
    }
  })()
  await stopped
  stopping = true
  await submitting
  // Waits for running handlers. The other process takes over what is still undecided.
  server.close()
  await receiver.close()
  await client.close()
  console.log(`app ${port}: stopped`)
}

const [role, port, otherPort, count] = process.argv.slice(2)
const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
if (role === 'cheqpoint') await runCheqpoint(stopped)
else if (role === 'app' && port !== undefined && otherPort !== undefined) {
  await runApp(Number(port), Number(otherPort), Number(count ?? Number.POSITIVE_INFINITY), stopped)
} else console.error('Use: redis.js cheqpoint | redis.js app PORT OTHER_PORT [HOW_MANY]')
