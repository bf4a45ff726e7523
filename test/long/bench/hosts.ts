import { once } from 'node:events'
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import express from 'express'
import { type Handler, Hono } from 'hono'

/*
 * The servers that contenders stand on. Each has one route, `/hook`.
 */

export function onHono(handler: Handler): Promise<Server> {
  const app = new Hono()
  app.post('/hook', handler)
  return onFetch(app.fetch)
}

/** Web-standard requests without a framework. */
export async function onFetch(fetch: Parameters<typeof serve>[0]['fetch']): Promise<Server> {
  const server = serve({ fetch, port: 0, hostname: '127.0.0.1' })
  await once(server, 'listening')
  // Without options it makes a server of node:http.
  return server as Server
}

export async function onExpress(...handlers: express.RequestHandler[]): Promise<Server> {
  const app = express()
  // Or it writes each malformed body to stderr.
  app.set('env', 'test')
  app.post('/hook', ...handlers)
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
