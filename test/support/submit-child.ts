import { createClient } from 'redis'
import { createReceiver, type ReceiverOptions } from '../../src/index.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { overlayStore } from './overlay-store.js'
import { stepOf } from './store-steps.js'
import { refund } from './submit-bench.js'

/** Where the process kills itself. */
export type Step =
  | ('before reserve' | 'after reserve' | 'after it was marked as sent')
  | ('before bind' | 'after bind' | 'in the handler')

/** The plan of the process: its only argument, as JSON. */
export interface Plan {
  readonly dieAt: Step
  readonly redisUrl: string
  readonly prefix: string
  readonly baseUrl: string
  readonly options: Partial<ReceiverOptions>
}

/** Kills the process with SIGKILL at this step. */
async function dieAt(step: Step): Promise<void> {
  if (plan.dieAt !== step) return
  process.kill(process.pid, 'SIGKILL')
  await new Promise(() => {})
}

const plan: Plan = JSON.parse(process.argv[2] ?? '')
const client = await createClient({ url: plan.redisUrl }).connect()
const inner = redisStore({ sendCommand: (args) => client.sendCommand(args), prefix: plan.prefix })
const store = overlayStore(inner, {
  async write(key, expected, entry, writeOptions) {
    const { entry: before } = await inner.read(key)
    const step = stepOf(key, before, entry)
    if (step === 'reserve') await dieAt('before reserve')
    if (step === 'beginBind') await dieAt('before bind')
    const answer = await inner.write(key, expected, entry, writeOptions)
    if (step === 'reserve') await dieAt('after reserve')
    if (step === 'markSent') await dieAt('after it was marked as sent')
    if (step === 'endBind') await dieAt('after bind')
    return answer
  },
})
const receiver = createReceiver({
  ...plan.options,
  apiKey: 'cq_live_test',
  baseUrl: plan.baseUrl,
  store,
  onDecision: () => dieAt('in the handler'),
})
await receiver.submit(refund)
