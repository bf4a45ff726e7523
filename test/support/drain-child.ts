import { createClient } from 'redis'
import { createReceiver } from '../../src/index.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'

/*
 * A process that an orchestrator stops: it reports the number of running handlers to its parent, and closes on SIGTERM.
 */

/** The plan of the process: its only argument, as JSON. */
export interface DrainPlan {
  readonly redisUrl: string
  readonly prefix: string
  readonly baseUrl: string
  readonly open: number
}

const { redisUrl, prefix, baseUrl, open }: DrainPlan = JSON.parse(process.argv[2] ?? '')
const client = await createClient({ url: redisUrl }).connect()
let atWork = 0
let finish = (): void => {}
const stopping = new Promise<void>((resolve) => {
  finish = resolve
})
const receiver = createReceiver({
  apiKey: 'cq_live_test',
  baseUrl,
  store: redisStore({ sendCommand: (args) => client.sendCommand(args), prefix }),
  polling: { firstMs: 1, requestsPerSecond: Number.POSITIVE_INFINITY, concurrency: open },
  async onDecision({ approvalId }, { signal }) {
    if (++atWork === open) process.send?.('all at work')
    // Every second handler ends while the receiver drains; the others end only by their signal.
    if (Number(approvalId.slice(4)) % 2 === 0) return stopping
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  },
})
process.once('SIGTERM', () => {
  finish()
  void receiver.close({ drainMs: 1_500 }).then(async () => {
    await client.close()
    process.disconnect()
  })
})
await receiver.start()
