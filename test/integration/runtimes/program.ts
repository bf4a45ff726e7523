/*
 * The checks as a program for Node.js, Bun and Deno, in a project that has the package installed. Prints a line for
 * each: a JSON object with its name, and what went wrong. Needs a Redis at `REDIS_URL`, and of two APIs with
 * certificates of their own, one at `VOUCHED_URL` that `NODE_EXTRA_CA_CERTS` names, and one at `STRANGE_URL`.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { builtinModules } from 'node:module'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { createReceiver, isCheqpointError } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { redisStore } from 'cheqpoint-callback/redis'
import { createSimulator } from 'cheqpoint-callback/simulator'
import { sqliteStore } from 'cheqpoint-callback/sqlite'
import express from 'express'
import { createClient } from 'redis'
import { Agent } from 'undici'
import {
  apiKey,
  type Checks,
  checksEverywhere,
  type Fetch,
  type Host,
  onDecision,
  request,
  roundTrip,
  submitAndFind,
  tried,
} from './checks.js'

/** The built-in servers of Bun and Deno; neither has types here. */
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

/** Serves requests with the runtime's server for `Request`; on Node.js, which has none, with Hono's. */
async function serveFetch(fetch: Fetch): Promise<Host> {
  const where = { port: 0, hostname: '127.0.0.1' }
  if (Bun !== undefined) {
    const server = Bun.serve({ ...where, fetch })
    return { origin: originOf(server.port), stop: async () => server.stop() }
  }
  if (Deno !== undefined) {
    const server = Deno.serve({ ...where, onListen() {} }, fetch)
    return { origin: originOf(server.addr.port), stop: () => server.shutdown() }
  }
  const server = serve({ ...where, fetch })
  await once(server, 'listening')
  return { origin: originOf(portOf(server.address())), stop: async () => void server.close() }
}

async function serveListener(listener: RequestListener): Promise<Host> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { origin: originOf(portOf(server.address())), stop: async () => void server.close() }
}

function originOf(port: number): string {
  return `http://127.0.0.1:${port}`
}

/** The port of a TCP server, which has no address of another kind. */
function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** The result of a submission to an API. */
async function submitTo(baseUrl: string | undefined, dispatcher?: Agent): Promise<string> {
  const receiver = createReceiver({ apiKey, baseUrl, dispatcher, sweep: 'off', onDecision })
  try {
    return (await receiver.submit(request)).status
  } catch (error) {
    const cause = error instanceof Error && isCheqpointError(error.cause) ? error.cause.code : String(error)
    return isCheqpointError(error) ? `${error.code}: ${cause}` : cause
  } finally {
    await receiver.close()
  }
}

const {
  SIMULATOR_URL: baseUrl,
  WRONG_URL: wrongUrl,
  REDIS_URL: redisUrl = '',
  SQLITE_FILE: sqliteFile = '',
} = process.env
const hasSqlite = builtinModules.some((name) => /^(node:)?sqlite$/.test(name))
const checks: Checks = {
  ...checksEverywhere({ simulatorUrl: baseUrl, wrongUrl, serveFetch }),
  expressCallback: () =>
    roundTrip(baseUrl, (receiver) => serveListener(express().all('/webhooks/cheqpoint', expressCallback(receiver)))),
  redisStore: async () => {
    const client = await createClient({ url: redisUrl }).connect()
    const prefix = `runtimes-${process.pid}-${Date.now()}`
    await submitAndFind({ baseUrl, store: redisStore({ sendCommand: (args) => client.sendCommand(args), prefix }) })
    await client.close()
  },
  ...(hasSqlite && { sqliteStore: () => submitAndFind({ baseUrl, store: sqliteStore(sqliteFile) }) }),
  'an untrusted certificate is refused': async () => {
    const { NODE_EXTRA_CA_CERTS: file = '', VOUCHED_URL: vouched } = process.env
    // Deno ignores the variable here.
    const dispatcher = Deno && new Agent({ connect: { ca: readFileSync(file) } })
    assert.equal(await submitTo(vouched, dispatcher), 'pending')
    await dispatcher?.close()
    assert.equal(await submitTo(process.env['STRANGE_URL']), 'submission-refused: api-unreachable')
  },
  createSimulator: async () => {
    const simulator = await createSimulator({ apiKey })
    try {
      const { url } = await simulator.listen()
      await roundTrip(url, (receiver) => serveFetch((each) => receiver.fetch(each)))
      assert.deepEqual(
        simulator.deliveries().map(({ answer }) => answer?.status),
        [200],
      )
      assert.match(await (await fetch(url)).text(), /<title>/)
    } finally {
      await simulator.close()
    }
  },
}

for (const [name, check] of Object.entries(checks)) console.log(JSON.stringify({ name, wrong: await tried(check) }))
