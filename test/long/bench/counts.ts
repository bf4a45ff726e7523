import { createHook } from 'node:async_hooks'
import { Session } from 'node:inspector/promises'
import {
  type Callback,
  createClient,
  createReceiver,
  memoryStore,
  register,
  verifyAndResolve,
} from 'cheqpoint-callback'
import { action } from './contenders.js'
import { callbackOf, instantApi } from './offline.js'

/*
 * What one callback makes the process do, in numbers that do not depend on the machine: calls of functions of this
 * library, promises, timers and store calls, for each situation. `counts.js` prints `<situation>.<count>`.
 */

/** Callbacks of a situation before anything is counted, and those that are counted. */
const warmUp = 500
const counted = 200

const store = memoryStore({ maxPending: 1_000_000 })
let storeCalls = 0
for (const method of ['read', 'write', 'takeDue', 'list', 'count', 'remove'] as const) {
  // The method itself, under its own name: a wrapper around the store would not be a memory store.
  const original = store[method].bind(store) as (...args: unknown[]) => never
  Object.assign(store, {
    [method]: (...args: unknown[]) => {
      storeCalls++
      return original(...args)
    },
  })
}
const options = { confirm: { requestsPerSecond: Number.POSITIVE_INFINITY }, polling: { concurrency: 1_000 } }
const client = { apiKey: 'cq_live_bench', dispatcher: instantApi }
const receiver = createReceiver({ ...options, ...client, sweep: 'off', store, onDecision() {} })
const verify = { ...options, client: createClient(client), store: memoryStore({ maxPending: 1_000_000 }) }

async function handle(callback: Callback, status: number): Promise<void> {
  const response = await receiver.handle(callback)
  if (response.status !== status) throw new Error(`answered ${response.status} in place of ${status}`)
}

/** One callback of each situation, for the approval of this id, which is tracked. */
const situations: Readonly<Record<string, (id: string) => Promise<void>>> = {
  handled: (id) => handle(callbackOf(id), 200),
  duplicate: () => handle(callbackOf('handled_0'), 200),
  unknown: (id) => handle(callbackOf(`not_${id}`), 404),
  'wrong agent': (id) => handle(callbackOf(id, 'Stranger/1.0'), 403),
  async verifyAndResolve(id) {
    const outcome = await verifyAndResolve(callbackOf(id), verify)
    if (outcome.kind !== 'ok') throw new Error(`${outcome.kind} in place of ok`)
    await outcome.claim.complete()
  },
}

const kinds = new Map<string, number>()
const hook = createHook({
  init(_id, type) {
    kinds.set(type, (kinds.get(type) ?? 0) + 1)
  },
})
const session = new Session()
session.connect()
await session.post('Profiler.enable')

/** Calls of functions of this library since it was last asked. */
async function takeCalls(): Promise<number> {
  const { result } = await session.post('Profiler.takePreciseCoverage')
  const own = result.filter(({ url }) => /\/dist\/src\//.test(url))
  return own.flatMap(({ functions }) => functions).reduce((sum, { ranges }) => sum + (ranges[0]?.count ?? 0), 0)
}

const found: Record<string, number> = {}
for (const [name, take] of Object.entries(situations)) {
  const ids = Array.from({ length: warmUp + 2 * counted }, (_, at) => `${name.replace(/\W/g, '-')}_${at}`)
  for (const id of ids) {
    if (name === 'verifyAndResolve') await register(id, action, verify)
    else await receiver.track(id, action)
  }
  for (const id of ids.splice(0, warmUp)) await take(id)

  kinds.clear()
  storeCalls = 0
  hook.enable()
  for (const id of ids.splice(0, counted)) await take(id)
  hook.disable()
  found[`${name}.promises`] = (kinds.get('PROMISE') ?? 0) / counted
  found[`${name}.timers`] = ((kinds.get('Timeout') ?? 0) + (kinds.get('Immediate') ?? 0)) / counted
  if (name !== 'verifyAndResolve') found[`${name}.store calls`] = storeCalls / counted

  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  await takeCalls()
  for (const id of ids) await take(id)
  found[`${name}.calls`] = (await takeCalls()) / counted
  await session.post('Profiler.stopPreciseCoverage')
}
session.disconnect()
await receiver.close()
console.log(JSON.stringify(found))
