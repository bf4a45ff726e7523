import { setMaxListeners } from 'node:events'
import { CheqpointError } from '../model/errors.js'
import { argumentGroup, type Names } from '../options/option-checks.js'
import { systemClock, systemRandom } from '../util/clock.js'
import { createEndpoints, type Rule } from './api.js'
import { createGate } from './calls.js'
import { type Callback, Deliveries } from './deliveries.js'
import { noFaults, watchFaults } from './faults.js'
import { readKeys } from './keys.js'
import { createPage } from './page/page.js'
import { copied, RequestBook, type SimulatedRequest } from './requests.js'
import { type Answer, endServer, type Listening, notFound, serve } from './server.js'
import type { Change, Simulator, SimulatorOptions } from './simulator.js'

export type { Rule } from './api.js'
export type { ApiCall } from './calls.js'
export type { Callback, CallbackAnswer, Delivery } from './deliveries.js'
export type { ApiFault, Faults } from './faults.js'
export type { KeyOptions } from './keys.js'
export type { DecisionInput, SimulatedRequest } from './requests.js'
export type { Change, Simulator, SimulatorOptions } from './simulator.js'

/**
 * Creates a local Cheqpoint: the three documented endpoints, callbacks with the documented header and body, faults to
 * test a receiver with, and a page at `/`. It shares no code with the part of the library that reads its responses.
 *
 * Rejects with `option-missing`, `option-invalid` or `option-unknown`.
 *
 * @example
 * ```ts
 * const simulator = await createSimulator({ apiKey: 'cq_live_local' })
 * const { url } = await simulator.listen(4010)
 * // …an app submits to `url`, and then:
 * for (const { id } of simulator.list({ status: 'pending' })) simulator.decide(id, { status: 'approved' })
 * await simulator.settled()
 * ```
 */
export async function createSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { apiKey, apiKeys, clock = systemClock, random = systemRandom, ...unknown } = options ?? {}
  const [name] = Object.keys(unknown)
  if (name !== undefined) throw new CheqpointError('option-unknown', `createSimulator has no option ${name}`)
  const keys = readKeys({ apiKey, apiKeys })
  const { now, elapsed }: { readonly now?: unknown; readonly elapsed?: unknown } = Object(clock)
  if (typeof now !== 'function' || typeof elapsed !== 'function')
    throw new CheqpointError('option-invalid', 'clock must be an object with now() and elapsed()')
  if (typeof random !== 'function') throw new CheqpointError('option-invalid', 'random must be a function')

  const closing = new AbortController()
  // Any number of callbacks and held submissions listen to it.
  setMaxListeners(0, closing.signal)
  const faults = watchFaults(noFaults(), () => page.feed.touch())
  const listeners = new Set<(change: Change) => void>()
  const parts = { keys, faults, clock, random, closing: closing.signal }
  const requests = new RequestBook({ ...parts, onChange: (request) => notify({ type: 'request', request }) })
  const deliveries = new Deliveries({ ...parts, onChange: (delivery) => notify({ type: 'delivery', delivery }) })
  const endpoints = createEndpoints({ ...parts, requests, rule: (request) => rule?.(request) ?? null, callBack })
  const gate = createGate({ ...parts, endpoints, onChange: (call) => notify({ type: 'call', call }) })
  let rule: Rule | null = null
  let listening: Promise<Listening> | undefined

  const answer: Answer = async (asked) => {
    if (asked.path.startsWith('/api/')) return gate.answer(asked)
    return asked.path === '/' || asked.path.startsWith('/ui/') ? page.answer(asked) : notFound()
  }

  function notify(change: Change): void {
    for (const listener of listeners) {
      try {
        listener(change)
      } catch {
        // A listener that throws must not affect the simulator.
      }
    }
  }

  async function callBack(request: SimulatedRequest): Promise<void> {
    if (request.callbackUrl !== null && !request.inline) await deliveries.decided(callbackOf(request), faults)
  }

  const simulator: Simulator = {
    faults,
    async fetch(request) {
      if (typeof request?.url !== 'string') throw invalid('simulator.fetch() takes a Request, as from new Request(url)')
      return answer({ request, path: new URL(request.url).pathname, socket: undefined })
    },
    async listen(port = 0, host = '127.0.0.1') {
      if (closing.signal.aborted) throw invalid('the simulator was closed')
      if (listening !== undefined) throw invalid('the simulator listens already')
      listening = serve(answer, port, host)
      try {
        const { url, port: actual } = await listening
        return { url, port: actual }
      } catch (error) {
        // For example, the port is taken: the caller may try another.
        listening = undefined
        throw error
      }
    },
    decide(id, decision) {
      const request = requests.decide(id, decision)
      // Never rejects. The log of deliveries has its result, and `settled` waits for it.
      void callBack(request)
      return request
    },
    rule(next) {
      if (next !== null && typeof next !== 'function') throw invalid('rule() takes a function, or null')
      rule = next
      page.feed.touch()
    },
    list(filter) {
      const { status } = argumentGroup(filter, 'list()', ['status'])
      if (status !== undefined && typeof status !== 'string') throw invalid("status must be a word, such as 'pending'")
      return requests.list().filter((request) => status === undefined || request.status === status.toLowerCase())
    },
    deliveries: () => deliveries.list(),
    requests: () => gate.calls(),
    async redeliver(id) {
      const request = requests.get(id)
      if (request === undefined || request.status === 'pending' || request.callbackUrl === null) {
        throw invalid('no decided request with a callback URL has this id')
      }
      return deliveries.send(callbackOf(request), 'redelivery')
    },
    async sendCallback(callback) {
      const { to } = argumentGroup(callback ?? null, 'sendCallback()', callbackNames)
      if (typeof to !== 'string') throw invalid('to of sendCallback() must be the URL of the receiver')
      if (copied(callback) === undefined) throw invalid('what is given to sendCallback() must be JSON')
      return deliveries.send(callback, 'by-hand')
    },
    settled: () => deliveries.settled(),
    subscribe(listener) {
      if (typeof listener !== 'function') throw invalid('subscribe() takes a function')
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
    async close() {
      closing.abort()
      await deliveries.close()
      const server = await listening?.then(
        ({ server }) => server,
        () => undefined,
      )
      if (server !== undefined) await endServer(server)
    },
  }
  const [shownKey = ''] = keys.keys()
  const page = createPage({ simulator, apiKey: shownKey, rule: () => rule, closing: closing.signal })
  return simulator
}

const callbackNames: Names<Callback> = ['to', 'approvalId', 'status', 'modifiedDetails', 'decisionNote', 'agent']

function invalid(message: string): CheqpointError {
  return new CheqpointError('argument-invalid', message)
}

function callbackOf({ callbackUrl, id, status, modifiedDetails, note }: SimulatedRequest): Callback {
  return { to: callbackUrl ?? '', approvalId: id, status, modifiedDetails, decisionNote: note }
}
