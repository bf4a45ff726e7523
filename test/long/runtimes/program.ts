/*
 * What a runtime is asked to do, as a program in a project that has the package installed. Needs a simulator at
 * `SIMULATOR_URL`, whose reviewer approves what has the summary `approve`, a Redis at `REDIS_URL`, and at `TLS_URL` an
 * API that has the certificate `TLS_CERT`. With `UNDICI_PATH` receivers are given a dispatcher of the undici there.
 * Prints a line for each check: a JSON object with its name, and what went wrong.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { createReceiver, memoryStore, type Receiver, type ReceiverOptions } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { honoCallback } from 'cheqpoint-callback/hono'
import { redisStore } from 'cheqpoint-callback/redis'
import { createSimulator } from 'cheqpoint-callback/simulator'
import express from 'express'
import { Hono } from 'hono'
import { createClient } from 'redis'

type Fetch = (request: Request) => Response | Promise<Response>

/** The servers that Bun and Deno bring themselves; neither has types here. */
interface Runtimes {
  readonly Bun?: { serve(options: { port: number; hostname: string; fetch: Fetch }): { port: number; stop(): void } }
  readonly Deno?: {
    serve(
      options: { port: number; hostname: string; onListen(): void },
      fetch: Fetch,
    ): { addr: { port: number }; shutdown(): Promise<void> }
  }
}
// The globals of a runtime that has them.
const { Bun, Deno } = globalThis as Runtimes

interface Host {
  readonly port: number
  stop(): Promise<void>
}

/** Serves requests with the runtime's own server; on Node.js, which has none of this kind, with Hono's. */
async function serveFetch(fetch: Fetch): Promise<Host> {
  const where = { port: 0, hostname: '127.0.0.1' }
  if (Bun !== undefined) {
    const server = Bun.serve({ ...where, fetch })
    return { port: server.port, stop: async () => server.stop() }
  }
  if (Deno !== undefined) {
    const server = Deno.serve({ ...where, onListen() {} }, fetch)
    return { port: server.addr.port, stop: () => server.shutdown() }
  }
  const server = serve({ ...where, fetch })
  await once(server, 'listening')
  return { port: portOf(server.address()), stop: async () => void server.close() }
}

async function serveListener(listener: RequestListener): Promise<Host> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: portOf(server.address()), stop: async () => void server.close() }
}

/** The port of a TCP server, which has no address of another kind. */
function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

// Bun takes `undici` to be a part of itself that does little; by the path of its file it is undici.
const undiciPath = process.env['UNDICI_PATH']
const { Agent }: typeof import('undici') = await import(undiciPath ?? 'undici')
const dispatcher = undiciPath === undefined ? undefined : new Agent({ connect: { rejectUnauthorized: true } })
const common = { apiKey: 'cq_live_runtimes', baseUrl: process.env['SIMULATOR_URL'], dispatcher }
const callbackSecret = 'a secret of the runtime checks'
const details = { orderId: '8842', amount: 120 }
const onDecision: ReceiverOptions['onDecision'] = (decision) => ({ via: decision.via, status: decision.status })

/** Submits through a receiver whose callbacks come to a host, and looks that the callback brought the decision. */
async function roundTrip(hostOf: (receiver: Receiver) => Promise<Host>): Promise<void> {
  let host: Host | undefined
  const receiver = createReceiver({
    ...common,
    callbackSecret,
    callbackUrl: (token) => `http://127.0.0.1:${host?.port ?? 1}/webhooks/cheqpoint?token=${token}`,
    onDecision,
  })
  host = await hostOf(receiver)
  try {
    await receiver.start()
    const { approvalId } = await receiver.submit({ action: 'process_refund', summary: 'approve', details })
    const { result } = await receiver.wait(approvalId, { timeoutMs: 10_000 })
    assert.deepEqual(result, { via: 'callback', status: 'approved' })
    const url = `http://127.0.0.1:${host.port}/webhooks/cheqpoint`
    const headers = { 'content-type': 'application/json', 'user-agent': 'Cheqpoint-Callback/1.0' }
    const body = JSON.stringify({ approvalId, status: 'approved' })
    assert.equal((await fetch(url, { method: 'POST', headers, body })).status, 401)
    assert.equal((await fetch(url)).status, 405)
    assert.equal((await fetch(url, { method: 'POST', headers: { ...headers, 'user-agent': 'x' }, body })).status, 403)
  } finally {
    await receiver.close()
    await host.stop()
  }
}

const checks: Readonly<Record<string, () => Promise<void>>> = {
  'submit, find by looking, wait': async () => {
    const receiver = createReceiver({ ...common, store: memoryStore(), polling: { firstMs: 50 }, onDecision })
    await receiver.start()
    const { approvalId } = await receiver.submit({ action: 'process_refund', summary: 'approve', details })
    const { result } = await receiver.wait(approvalId, { timeoutMs: 10_000 })
    assert.deepEqual(result, { via: 'poll', status: 'approved' })
    await receiver.close()
  },
  'receiver.fetch': () => roundTrip((receiver) => serveFetch((request) => receiver.fetch(request))),
  'receiver.fetch refuses a body that is too large': async () => {
    const receiver = createReceiver({ ...common, sweep: 'elsewhere', onDecision })
    const host = await serveFetch((request) => receiver.fetch(request))
    const headers = { 'content-type': 'application/json', 'user-agent': 'Cheqpoint-Callback/1.0' }
    const body = new Blob(['x'.repeat(300_000)]).stream()
    const init = { method: 'POST', headers, body, duplex: 'half' } as const
    assert.equal((await fetch(`http://127.0.0.1:${host.port}/`, init)).status, 413)
    await receiver.close()
    await host.stop()
  },
  honoCallback: () =>
    roundTrip((receiver) => {
      const app = new Hono().post('/webhooks/cheqpoint', honoCallback(receiver))
      app.all('/webhooks/cheqpoint', honoCallback(receiver))
      return serveFetch((request) => app.fetch(request))
    }),
  expressCallback: () =>
    roundTrip((receiver) => serveListener(express().all('/webhooks/cheqpoint', expressCallback(receiver)))),
  redisStore: async () => {
    const client = await createClient({ url: process.env['REDIS_URL'] ?? '' }).connect()
    const prefix = `runtimes-${process.pid}-${Date.now()}`
    const store = redisStore({ sendCommand: (args) => client.sendCommand(args), prefix })
    const receiver = createReceiver({ ...common, store, polling: { firstMs: 50 }, onDecision })
    await receiver.start()
    const { approvalId } = await receiver.submit({ action: 'process_refund', summary: 'approve', details })
    const { result } = await receiver.wait(approvalId, { timeoutMs: 10_000 })
    assert.deepEqual(result, { via: 'poll', status: 'approved' })
    await receiver.close()
    await client.close()
  },
  'a certificate that nobody vouches for is refused': async () => {
    const request = { action: 'process_refund', summary: 'approve', details }
    const submitTo = async (to: Partial<ReceiverOptions>): Promise<string> => {
      const receiver = createReceiver({
        ...common,
        baseUrl: process.env['TLS_URL'],
        sweep: 'elsewhere',
        onDecision,
        ...to,
      })
      return receiver
        .submit(request)
        .then(
          ({ status }) => status,
          (error) => `${error.code}: ${error.cause?.code}`,
        )
        .finally(() => receiver.close())
    }
    const vouching = new Agent({ connect: { ca: process.env['TLS_CERT'] } })
    assert.equal(await submitTo({ dispatcher: vouching }), 'pending')
    await vouching.close()
    assert.equal(await submitTo({}), 'submission-refused: api-unreachable')
  },
  createSimulator: async () => {
    const simulator = await createSimulator({ apiKey: common.apiKey })
    simulator.rule(() => ({ status: 'approved' }))
    const { url } = await simulator.listen()
    const receiver = createReceiver({ ...common, baseUrl: url, polling: { firstMs: 50 }, onDecision })
    await receiver.start()
    const { approvalId } = await receiver.submit({ action: 'process_refund', summary: 'Refund', details })
    assert.equal((await receiver.wait(approvalId, { timeoutMs: 10_000 })).status, 'approved')
    await receiver.close()
    await simulator.close()
  },
}

/** Rejects where a check hangs. */
async function inTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not done in 20 s')), 20_000)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

for (const [name, check] of Object.entries(checks)) {
  // It takes no dispatcher, so that nothing is different here.
  if (name === 'createSimulator' && dispatcher !== undefined) continue
  let wrong: string | null = null
  try {
    await inTime(check())
  } catch (error) {
    wrong = error instanceof Error ? error.message.split('\n').join(' ') : String(error)
  }
  console.log(JSON.stringify({ name, wrong }))
}
await dispatcher?.close()
