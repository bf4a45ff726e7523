import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import { expressCallback } from '../../../adapters/express.js'
import { honoCallback } from '../../../adapters/hono.js'
import {
  type CheqpointEvent,
  createReceiver,
  type Decision,
  isCheqpointError,
  type Run,
  type TypedReceiver,
} from '../../../src/index.js'
import { between, chanceOf } from '../../support/chance.js'
import { Log } from '../../support/log.js'
import { amountOf } from '../../support/truth.js'
import { dieAt, dieIf } from './crashing-store.js'
import type { FromWorker, ToWorker, WorkerPlan } from './messages.js'
import { dyingBy, openStore } from './worker-store.js'

/*
 * A process of an application: a receiver behind Express or Hono, a store on Redis or Postgres, and a handler that
 * writes its actions to the ledger. `POST /submit/<n>` submits request n; `/hook` receives callbacks.
 */

// Only the driver starts this process.
const plan = JSON.parse(process.argv[2] ?? '') as WorkerPlan
const ledger = new Log(plan.ledger)
const chance = chanceOf(process.pid)
const stallAfterMs = plan.leaseMs / 3
const fences = new Map<string, number>()

async function onDecision(decision: Decision, run: Run): Promise<{ readonly attempt: number }> {
  const { approvalId, status } = decision
  dieIf(plan.crashAt, 'c4')
  const amount = status === 'approved' ? String(decision.details['amount']) : '-'
  ledger.write('start', approvalId, run.fence, process.pid, status, amount, run.attempt)
  dieIf(plan.crashAt, 'c5')
  await sleep(between(plan.handlerMs, chance))
  if (run.attempt === 1 && chance() < plan.throws) {
    ledger.write('throw', approvalId, run.fence, process.pid)
    throw new Error('the handler failed, as it was told to')
  }
  if (commit === null) ledger.write('finish', approvalId, run.fence, process.pid)
  else await commit(approvalId, run).catch((error: unknown) => fail(approvalId, run, error))
  return { attempt: run.attempt }
}

function fail(id: string, run: Run, error: unknown): never {
  ledger.write('throw', id, run.fence, process.pid, codeOf(error))
  throw error
}

function onEvent(event: CheqpointEvent): void {
  const { pid } = process
  if (event.type === 'run-started') fences.set(event.approvalId, event.fence)
  else if (event.type === 'completed') {
    ledger.write('done', event.approvalId, fences.get(event.approvalId) ?? 0, pid)
    dieIf(plan.crashAt, 'c8')
  } else if (event.type === 'completed-after-takeover') ledger.write('refused', event.approvalId, event.fence, pid)
  else if (event.type === 'lease-lost') ledger.write('lease-lost', event.approvalId, event.fence, pid)
  else if (event.type === 'parked') ledger.write('parked', event.approvalId, event.reason, pid)
  else if (event.type === 'adopted') ledger.write('adopted', event.approvalId, event.ref, pid)
}

/** Logs when this process was stalled for a considerable part of a lease. */
function watchForStalls(): void {
  let last = performance.now()
  setInterval(() => {
    const now = performance.now()
    if (now - last > stallAfterMs) ledger.write('stall', process.pid, Math.round(now - last))
    last = now
  }, 50).unref()
}

async function submit(
  receiver: TypedReceiver,
  n: number,
): Promise<{ readonly id: string } | { readonly code: string }> {
  try {
    const details = { n, amount: amountOf(n) }
    const { approvalId } = await receiver.submit({ action: 'refund', summary: `Refund ${n}`, details })
    return { id: approvalId }
  } catch (error) {
    return { code: codeOf(error) }
  }
}

async function track(receiver: TypedReceiver, { prefix, count, atOnce }: ToWorker): Promise<FromWorker> {
  const codes: Record<string, number> = {}
  let next = 0
  let acked = 0
  const work = async (): Promise<void> => {
    while (next < count) {
      const n = next++
      try {
        await receiver.track(`${prefix}${n}`, { action: 'refund', details: { n, amount: amountOf(n) } })
        ledger.write('ack', `${prefix}${n}`)
        acked++
      } catch (error) {
        codes[codeOf(error)] = (codes[codeOf(error)] ?? 0) + 1
        await sleep(20)
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return { kind: 'tracked', acked, codes }
}

function codeOf(error: unknown): string {
  return isCheqpointError(error) ? error.code : 'unexpected'
}

function listen(receiver: TypedReceiver): Promise<number> {
  return new Promise((resolve) => {
    if (plan.host === 'express') {
      const app = express()
      app.post('/hook', expressCallback(receiver))
      app.post('/submit/:n', async (request, response) => {
        response.json(await submit(receiver, Number(request.params.n)))
      })
      const server: Server = app.listen(0, '127.0.0.1', () => resolve(portOf(server)))
    } else {
      const app = new Hono()
      app.post('/hook', honoCallback(receiver))
      app.post('/submit/:n', async (context) => context.json(await submit(receiver, Number(context.req.param('n')))))
      serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => resolve(port))
    }
  })
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

function say(message: FromWorker): void {
  process.send?.(message)
}

const { store, commit } = await openStore(plan, dyingBy(plan.deaths, chance))
const receiver = createReceiver({
  apiKey: 'cq_live_chaos',
  baseUrl: `http://127.0.0.1:${plan.upstreamPort}`,
  callbackUrl: 'https://callbacks.example.com/hook',
  callbackSecret: plan.secret ? 'a secret of the fault harness' : undefined,
  store: dieAt(plan.crashAt, store),
  guarantee: plan.guarantee,
  submitTimeoutMs: 2_000,
  confirm: {
    timeoutMs: plan.confirmTimeoutMs,
    minIntervalMs: plan.minIntervalMs,
    requestsPerSecond: plan.getsPerSecond,
  },
  polling: { firstMs: plan.firstMs, maxMs: plan.maxMs, requestsPerSecond: plan.getsPerSecond, concurrency: 32 },
  runs: { leaseMs: plan.leaseMs, backoffMs: [100, 1_000] },
  sweep: plan.sweeps ? 'here' : 'elsewhere',
  onDecision,
  onEvent,
})
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  // Only the driver talks to this process.
  void track(receiver, message as ToWorker).then(say) // it cannot reject
})
try {
  await receiver.start()
  watchForStalls()
  say({ kind: 'ready', port: await listen(receiver) })
} catch (error) {
  say({ kind: 'refused', code: codeOf(error) })
}
