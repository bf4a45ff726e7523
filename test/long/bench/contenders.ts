import { createHash } from 'node:crypto'
import type { Server } from 'node:http'
import { createNodeMiddleware, Webhooks } from '@octokit/webhooks'
import { createReceiver, type Receiver, type Store } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { honoCallback } from 'cheqpoint-callback/hono'
import { redisStore } from 'cheqpoint-callback/redis'
import express from 'express'
import { createClient } from 'redis'
import { Webhook } from 'standardwebhooks'
import { handOnExpress, handOnFetch, handOnHono, key, recipe, withFetch, withPool } from './by-hand.js'
import { onExpress, onFetch, onHono } from './hosts.js'

/*
 * The same endpoint, written by each of those who compete. Each takes requests `c_0 … c_(count-1)` to have been
 * submitted.
 */

export interface Setting {
  readonly upstream: string
  readonly count: number
  /** URL of a Redis server, where there is one. */
  readonly redis: string
}

export type Start = (setting: Setting) => Promise<Server>

export const action = { action: 'process_refund', details: { orderId: '8842', amount: 120 } } as const

export const contenders: Readonly<Record<string, Start>> = {
  'hono/ours': async (setting) => onHono(honoCallback(await ours(setting))),
  'hono/by-hand': ({ upstream, count }) => onHono(handOnHono(recipe(withFetch(upstream), count))),
  'hono/limit': ({ upstream, count }) => onHono(handOnHono(recipe(withPool(upstream), count))),
  'express/ours': async (setting) => onExpress(expressCallback(await ours(setting))),
  'express/by-hand': ({ upstream, count }) => onExpress(...handOnExpress(recipe(withFetch(upstream), count))),
  'express/limit': ({ upstream, count }) => onExpress(...handOnExpress(recipe(withPool(upstream), count))),
  'fetch/ours': async (setting) => {
    const receiver = await ours(setting)
    return onFetch((request) => receiver.fetch(request))
  },
  'fetch/by-hand': ({ upstream, count }) => onFetch(handOnFetch(recipe(withFetch(upstream), count))),
  'fetch/limit': ({ upstream, count }) => onFetch(handOnFetch(recipe(withPool(upstream), count))),

  'redis/ours': async (setting) => onHono(honoCallback(await ours(setting, await redis(setting.redis)))),
  'redis/limit': async (setting) => {
    const roundTrips = await bareScripts(setting.redis)
    return onHono(handOnHono(recipe(withPool(setting.upstream), setting.count, roundTrips)))
  },

  'hono/bare-403': () => onHono((c) => c.json({ error: 'agent' }, 403)),
  'express/bare-403': () => onExpress((_request, response) => void response.status(403).json({ error: 'agent' })),
  'express/octokit': () =>
    onExpress(createNodeMiddleware(new Webhooks({ secret: 'a secret of the bench' }), { path: '/hook', log: silent })),
  'express/standard-webhooks': () => {
    const webhook = new Webhook(Buffer.from('a secret of the bench').toString('base64'))
    return onExpress(express.raw({ type: 'application/json' }), (request, response) => {
      try {
        webhook.verify(request.body as Buffer, request.headers as Record<string, string>)
        response.json({ result: 'handled' })
      } catch {
        response.status(403).json({ error: 'signature' })
      }
    })
  },
}

const silent = { debug() {}, info() {}, warn() {}, error() {} }

async function ours({ upstream, count }: Setting, store?: Store): Promise<Receiver> {
  const receiver = createReceiver({
    apiKey: key,
    baseUrl: upstream,
    sweep: store === undefined ? 'off' : 'elsewhere',
    store,
    // What is measured is the path, not its bounds.
    confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
    polling: { concurrency: 1_000 },
    onDecision() {},
  })
  for (let from = 0; from < count; from += 100) {
    const ids = Array.from({ length: Math.min(100, count - from) }, (_, at) => `c_${from + at}`)
    await Promise.all(ids.map((id) => receiver.track(id, action)))
  }
  return receiver
}

async function redis(url: string): Promise<Store> {
  const client = await createClient({ url }).connect()
  await client.flushAll()
  return redisStore({ sendCommand: (args) => client.sendCommand(args) })
}

/** As many scripts as a decision takes, of arguments as long, that do nothing. */
async function bareScripts(url: string): Promise<(id: string) => Promise<void>> {
  const client = await createClient({ url }).connect()
  const script = "return 'ok'"
  await client.scriptLoad(script)
  const sha = createHash('sha1').update(script).digest('hex')
  const text = 'x'.repeat(500)
  return async (id) => {
    for (const step of ['read', 'claim', 'record', 'complete']) {
      const args = step === 'read' ? [id] : [id, text]
      await client.sendCommand(['EVALSHA', sha, '3', `{b:0}:${id}`, '{b:0}:due', '{b:0}:parked', ...args])
    }
  }
}
