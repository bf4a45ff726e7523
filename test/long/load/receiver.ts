import type { Server } from 'node:http'
import { createReceiver, type Decision, type Run, type TypedReceiver } from 'cheqpoint-callback'
import { path, socketHosts } from '../../support/hosts.js'
import { Log } from '../../support/log.js'
import { amountOf } from '../../support/truth.js'
import { bounds, type Footprint, genuineId, pendingId, type ReceiverPlan } from './messages.js'
import { onOrder, readPlan, say, Watch } from './process.js'

/*
 * The process under attack: the built package with its defaults and the memory store, behind Express or Hono. Its
 * handler logs its decisions in the ledger.
 */

const plan = readPlan<ReceiverPlan>()
const ledger = new Log(plan.ledger)

function onDecision(decision: Decision, run: Run): void {
  const { approvalId, status, via } = decision
  const amount = status === 'approved' ? String(decision.details['amount']) : '-'
  ledger.write('start', approvalId, run.fence, status, amount, via)
}

/** Registers an approval and resolves with path and query of its callback URL. */
async function track(receiver: TypedReceiver, id: string, n: number): Promise<string> {
  const { url, ref } = receiver.callbackUrl()
  await receiver.track(id, { action: 'refund', details: { n, amount: amountOf(n) }, ref })
  const { pathname, search } = new URL(url)
  return pathname + search
}

async function measure(server: Server): Promise<Footprint> {
  for (let round = 0; round < 3; round++) {
    // Memory that finalizers free is released a turn later.
    await new Promise(setImmediate)
    globalThis.gc?.()
  }
  const connections = await new Promise<number>((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
  const handles: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) handles[kind] = (handles[kind] ?? 0) + 1
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heapBytes: heapUsed + external, rssBytes: rss, handles, connections }
}

if (globalThis.gc === undefined) throw new Error('start it with --expose-gc')
const receiver = createReceiver({
  apiKey: 'cq_live_load',
  baseUrl: `http://127.0.0.1:${plan.cheqpointPort}`,
  callbackUrl: `https://callbacks.example.com${path}`,
  callbackSecret: plan.secret ? 'a secret of the load harness' : undefined,
  confirm: { minIntervalMs: bounds.minIntervalMs, requestsPerSecond: bounds.callbackGets },
  polling: { requestsPerSecond: bounds.sweepGets },
  log: false,
  onDecision,
})
const hostNames = { express: 'Express, app.all', hono: 'Hono on Node.js, app.all inside a route' }
const host = socketHosts.find(({ name }) => name === hostNames[plan.host])
if (host === undefined) throw new Error('the host is not known')
const paths: string[] = []
for (let n = 0; n < plan.genuine; n++) paths.push(await track(receiver, genuineId(n), n))
let leaked = path
for (let n = 0; n < plan.pending; n++) {
  const own = await track(receiver, pendingId(n), n)
  if (n === 0) leaked = own
}
await receiver.start()
const { port, server } = await host.open(receiver)
const watch = new Watch()
onOrder(({ kind }) => {
  if (kind === 'watch') watch.start()
  else if (kind === 'report') watch.report()
  else if (kind === 'measure') void measure(server).then((footprint) => say({ kind: 'measured', footprint }))
})
say({ kind: 'mounted', port, path, paths, leaked })
