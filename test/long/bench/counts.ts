import { createHook } from 'node:async_hooks'
import { Session } from 'node:inspector/promises'
import {
  type Callback,
  createClient,
  createReceiver,
  memoryStore,
  register,
  type Store,
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

const options = { confirm: { requestsPerSecond: Number.POSITIVE_INFINITY }, polling: { concurrency: 1_000 } }
const client = { apiKey: 'cq_live_bench', dispatcher: instantApi }
const newStore = (): Store => memoryStore({ maxPending: 1_000_000 })
const newReceiver = (store: Store): Receiver =>
  createReceiver({ ...options, ...client, sweep: 'off', store, onDecision() {} })
const verify = { ...options, client: createClient(client), store: newStore() }

let storeCalls = 0
const receiver = newReceiver(newStore())
/** With a store that counts its calls: receivers call a memory store itself in another way. */
const counting = newReceiver(countCalls(newStore()))

function countCalls(store: Store): Store {
  const counted = { ...store }
  for (const method of ['read', 'write', 'takeDue', 'list', 'count', 'remove'] as const) {
    const original = store[method] as (...args: unknown[]) => never
    Object.assign(counted, {
      [method]: (...args: unknown[]) => {
        storeCalls++
        return original(...args)
      },
    })
  }
  return counted
}

const expectStatus =
  (callback: (id: string) => Callback, status: number): Take =>
  async (id, by) => {
    const response = await by.handle(callback(id))
    if (response.status !== status) throw new Error(`answered ${response.status} in place of ${status}`)
  }

type Receiver = ReturnType<typeof createReceiver>
type Take = (id: string, by: Receiver) => Promise<void>

/** One callback of each situation, for the approval of this id, which is tracked. */
const situations: Readonly<Record<string, Take>> = {
  handled: expectStatus(callbackOf, 200),
  duplicate: expectStatus(() => callbackOf('handled_0'), 200),
  unknown: expectStatus((id) => callbackOf(`not_${id}`), 404),
  'wrong agent': expectStatus((id) => callbackOf(id, 'Stranger/1.0'), 403),
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
    else for (const by of [receiver, counting]) await by.track(id, action)
  }
  if (name !== 'verifyAndResolve') {
    storeCalls = 0
    for (const id of ids.slice(0, counted)) await take(id, counting)
    found[`${name}.store calls`] = storeCalls / counted
  }
  for (const id of ids.splice(0, warmUp)) await take(id, receiver)

  kinds.clear()
  hook.enable()
  for (const id of ids.splice(0, counted)) await take(id, receiver)
  hook.disable()
  found[`${name}.promises`] = (kinds.get('PROMISE') ?? 0) / counted
  found[`${name}.timers`] = ((kinds.get('Timeout') ?? 0) + (kinds.get('Immediate') ?? 0)) / counted

  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  await takeCalls()
  for (const id of ids) await take(id, receiver)
  found[`${name}.calls`] = (await takeCalls()) / counted
  await session.post('Profiler.stopPreciseCoverage')
}
session.disconnect()
for (const each of [receiver, counting]) await each.close()
console.log(JSON.stringify(found))
