import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { amountOf } from '../../support/truth.js'
import type { BodiesReceiverPlan } from './bodies-messages.js'
import { genuineId, pendingId } from './messages.js'
import { onOrder, readPlan, say, Watch } from './process.js'

/*
 * The process under attack, of any build: defaults, no secret, the memory store, behind node:http, and behind
 * node:http2 for attackers with streams. Uses only names that all editions have.
 */

const plan = readPlan<BodiesReceiverPlan>()
const path = '/webhooks/cheqpoint'

// The build is only known at run time. Its public names are the same in every edition.
const library = (await import(`${plan.build}/src/index.js`)) as typeof import('../../../src/index.js')
const memory = library.memoryStore()
const store = new Proxy(memory, {
  get(target, name) {
    const value: unknown = Reflect.get(target, name)
    if (typeof value !== 'function') return value
    return async (...args: unknown[]) => {
      if (plan.storeMs > 0) await sleep(plan.storeMs)
      return value.apply(target, args)
    }
  },
})
const receiver = library.createReceiver({
  store,
  apiKey: 'cq_live_load',
  baseUrl: `http://127.0.0.1:${plan.cheqpointPort}`,
  onDecision: () => {},
})

async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo // the address of a TCP server is an object
  return port
}

const listener: RequestListener = async (request, response) => {
  const { status, headers, body } = await receiver.handle(library.fromIncoming(request))
  response.writeHead(status, headers).end(body)
}

for (let n = 0; n < plan.genuine; n++) {
  await receiver.track(genuineId(n), { action: 'refund', details: { n, amount: amountOf(n) } })
}
await receiver.track(pendingId(0), { action: 'refund', details: { n: 0, amount: 1 } })
await receiver.start()
const port = await listen(createServer(listener))
const streams = createHttp2Server((request, response) => {
  // Requests and responses of node:http2 have all the members that are used of node:http.
  void listener(request as unknown as IncomingMessage, response as unknown as Parameters<RequestListener>[1])
})
streams.on('sessionError', () => {})
const streamsPort = await listen(streams)
const watch = new Watch()
onOrder(({ kind }) => {
  if (kind === 'watch') watch.start()
  else if (kind === 'report') watch.report()
})
say({ kind: 'mounted', port, path, paths: [String(streamsPort)], leaked: path })
