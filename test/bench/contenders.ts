import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import { createReceiver } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { honoCallback } from 'cheqpoint-callback/hono'
import express from 'express'
import { Hono } from 'hono'
import { Pool } from 'undici'

/*
 * The same endpoint, written by each of those who compete: this library; the vendor's recipe by hand with `fetch`; and
 * the limit, a bare handler with a shared undici pool. Each takes requests `c_0 … c_(n-1)` to have been submitted.
 */

/** Asks the API for the status of an approval. */
type Ask = (id: string) => Promise<{ readonly status: string }>

const key = 'cq_live_bench'
const agent = 'Cheqpoint-Callback/1.0'
const action = { action: 'process_refund', details: { orderId: '8842', amount: 120 } }

export interface Contender {
  readonly start: (upstream: string, count: number) => Promise<Server>
}

export const contenders: Readonly<Record<string, Contender>> = {
  'hono/ours': { start: async (upstream, count) => honoServer(honoCallback(await ours(upstream, count))) },
  'hono/by-hand': { start: async (upstream, count) => honoServer(handOnHono(withFetch(upstream), pendingIds(count))) },
  'hono/limit': { start: async (upstream, count) => honoServer(handOnHono(withPool(upstream), pendingIds(count))) },
  'express/ours': { start: async (upstream, count) => expressServer([expressCallback(await ours(upstream, count))]) },
  'express/by-hand': {
    start: async (upstream, count) =>
      expressServer([express.json(), handOnExpress(withFetch(upstream), pendingIds(count))]),
  },
  'express/limit': {
    start: async (upstream, count) =>
      expressServer([express.json(), handOnExpress(withPool(upstream), pendingIds(count))]),
  },
}

async function ours(upstream: string, count: number) {
  const receiver = createReceiver({
    apiKey: key,
    baseUrl: upstream,
    sweep: 'elsewhere',
    // What is measured is the path, not its bounds.
    confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
    onDecision() {},
  })
  for (let at = 0; at < count; at++) await receiver.track(`c_${at}`, action)
  return receiver
}

function pendingIds(count: number): Map<string, typeof action> {
  return new Map(Array.from({ length: count }, (_, at) => [`c_${at}`, action]))
}

function withFetch(upstream: string): Ask {
  return async (id) => {
    const response = await fetch(`${upstream}/api/approvals/${id}`, { headers: { 'x-api-key': key } })
    return (await response.json()) as { status: string }
  }
}

function withPool(upstream: string): Ask {
  const pool = new Pool(upstream)
  return async (id) => {
    const { body } = await pool.request({ path: `/api/approvals/${id}`, method: 'GET', headers: { 'x-api-key': key } })
    return (await body.json()) as { status: string }
  }
}

function handOnHono(ask: Ask, pending: Map<string, typeof action>) {
  return async (c: import('hono').Context): Promise<Response> => {
    if (c.req.header('user-agent') !== agent) return c.json({ error: 'agent' }, 403)
    const { approvalId } = await c.req.json<{ approvalId: string }>()
    if (!pending.has(approvalId)) return c.json({ error: 'unknown' }, 404)
    const { status } = await ask(approvalId)
    if (status === 'APPROVED') pending.delete(approvalId)
    return c.json({ result: 'handled' })
  }
}

function handOnExpress(ask: Ask, pending: Map<string, typeof action>): express.RequestHandler {
  return async (request, response) => {
    if (request.headers['user-agent'] !== agent) return void response.status(403).json({ error: 'agent' })
    const { approvalId } = request.body as { approvalId: string }
    if (!pending.has(approvalId)) return void response.status(404).json({ error: 'unknown' })
    const { status } = await ask(approvalId)
    if (status === 'APPROVED') pending.delete(approvalId)
    response.json({ result: 'handled' })
  }
}

async function honoServer(handler: import('hono').Handler): Promise<Server> {
  const app = new Hono()
  app.post('/hook', handler)
  const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
  await new Promise((resolve) => server.once('listening', resolve))
  // Without options it makes a server of node:http.
  return server as Server
}

async function expressServer(handlers: express.RequestHandler[]): Promise<Server> {
  const app = express()
  app.post('/hook', ...handlers)
  const server = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return server
}
