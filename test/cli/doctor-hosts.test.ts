import { request } from 'node:http'
import { createGunzip } from 'node:zlib'
import { serve } from '@hono/node-server'
import express from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { honoCallback } from '../../adapters/hono.js'
import type { TypedReceiver } from '../../src/index.js'
import { cliJson, openWorld, secrets } from '../support/cli.js'
import { listenTo, path } from '../support/hosts.js'
import { misbehave } from '../support/misbehaving-server.js'

/** Opens an app that parses bodies up to a limit before the receiver. Resolves with its port. */
type Open = (receiver: TypedReceiver, limit: number) => Promise<number>

const fastify: Open = async (receiver, limit) => {
  const app = Fastify({ bodyLimit: limit })
  app.post(path, async (request, reply) => {
    const { url, method, body } = request
    const header = (name: string): readonly string[] => [request.headers[name] ?? []].flat()
    const answer = await receiver.handle({ method, url, header, body: { parsed: body } })
    return reply.code(answer.status).headers(answer.headers).send(answer.body)
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => app.close())
  const { port } = new URL(url)
  return Number(port)
}

const expressWithErrorHandler: Open = async (receiver, limit) => {
  const app = express().use(express.json({ limit }))
  app.post(path, async (request, response) => {
    const { url, method, body } = request
    const header = (name: string): readonly string[] => [request.headers[name] ?? []].flat()
    const answer = await receiver.handle({ method, url, header, body: { parsed: body } })
    response.status(answer.status).set(answer.headers).end(answer.body)
  })
  app.use((_error: unknown, _request: unknown, response: express.Response, _next: unknown) => {
    response.status(500).json({ code: 'INTERNAL', message: 'Something went wrong' })
  })
  const host = await listenTo(app)
  onTestFinished(host.close)
  return host.port
}

const honoWithBodyLimit: Open = async (receiver, limit) => {
  const app = new Hono().use(bodyLimit({ maxSize: limit }))
  app.post(path, honoCallback(receiver))
  app.onError((_, c) => c.json({ code: 'INTERNAL' }, 500))
  return new Promise((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => resolve(port))
    onTestFinished(() => void server.close())
  })
}

async function examine(url: string, api: string) {
  const env = { CHEQPOINT_CONNECTION_KEY: secrets.key }
  const { code, document } = await cliJson(['doctor', '--base-url', api, '--callback-url', url], env)
  const checks: readonly Record<string, string>[] = Object(document).checks
  const rows = checks.filter(({ group }) => group === 'callback')
  return {
    code,
    rows: Object.fromEntries(rows.map(({ check, status, message }) => [check, `${status}: ${message}`])),
    fixes: rows.flatMap(({ fix }) => fix ?? []),
  }
}

const front = (status: number): string => `ok: ${status}, refused before it reached the receiver`

describe('doctor, on an app that parses bodies before the receiver', { timeout: 60_000 }, () => {
  it.each<[string, Open, Readonly<Record<string, string>>]>([
    ['Fastify', fastify, { malformed: front(400), encoded: front(400), 'too large': front(413) }],
    [
      'Express with an error handler',
      expressWithErrorHandler,
      {
        malformed: front(500),
        encoded: 'ok: 415 media-type-refused',
        'too large': front(500),
      },
    ],
    [
      'Hono with bodyLimit and onError',
      honoWithBodyLimit,
      { malformed: 'ok: 400 malformed', encoded: 'ok: 415 media-type-refused', 'too large': front(500) },
    ],
  ])('passes on %s, which refuses some probes itself', async (_, open, expected) => {
    const { api, receiver, decisions } = await openWorld()
    const port = await open(receiver, 100_000)
    const { code, rows, fixes } = await examine(`http://127.0.0.1:${port}${path}`, api)
    expect(rows).toMatchObject({ GET: front(404), 'other agent': 'ok: 403 agent-refused', ...expected })
    expect({ code, fixes }).toEqual({ code: 0, fixes: [] })
    expect(decisions).toEqual([])
  })

  it.each<[string, Open]>([
    ['Fastify', fastify],
    ['Express', expressWithErrorHandler],
    ['Hono', honoWithBodyLimit],
  ])('advises to lower maxBodyBytes behind %s, and passes after that', async (_, open) => {
    const wide = await openWorld({ callbacks: { maxBodyBytes: 1_000_000 } })
    const before = await examine(`http://127.0.0.1:${await open(wide.receiver, 2_000_000)}${path}`, wide.api)
    expect(before.rows['too large']).toMatch(/^warning: 404 unknown-approval instead of 413: a body of 300,000 bytes/)
    expect(before.fixes).toEqual(['lower callbacks.maxBodyBytes, unless this is intended'])
    const narrow = await openWorld()
    const after = await examine(`http://127.0.0.1:${await open(narrow.receiver, 2_000_000)}${path}`, narrow.api)
    expect(after.rows['too large']).toBe('ok: 413 body-too-large')
  })

  it('advises to check what decompresses bodies behind a proxy that does, and not without it', async () => {
    const { api, url } = await openWorld()
    const proxy = await misbehave((incoming, outgoing) => {
      const { 'content-encoding': encoding, 'content-length': _, host: __, ...headers } = incoming.headers
      const forward = request(url, { method: incoming.method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers)
        answer.pipe(outgoing)
      })
      if (encoding === 'gzip') incoming.pipe(createGunzip()).pipe(forward)
      else incoming.pipe(forward)
      // The receiver refuses a large body before all of it is sent.
      forward.on('error', () => {})
    })
    const behind = await examine(proxy.url, api)
    expect(behind.rows['encoded']).toBe('warning: 404 unknown-approval instead of 415: the body was decompressed')
    expect(behind.fixes).toEqual(['check what decompresses bodies before the receiver'])
    expect((await examine(url, api)).rows['encoded']).toBe('ok: 415 media-type-refused')
  })
})
