import type { Server } from 'node:http'
import { createNodeMiddleware, Webhooks } from '@octokit/webhooks'
import { createReceiver, type Receiver, type Store } from 'cheqpoint-callback'
import { expressCallback } from 'cheqpoint-callback/express'
import { honoCallback } from 'cheqpoint-callback/hono'
import express from 'express'
import { Webhook } from 'standardwebhooks'
import { handOnExpress, handOnFetch, handOnHono, key, recipe, withFetch, withPool } from './by-hand.js'
import { type DatabaseName, databases } from './databases.js'
import { onExpress, onFetch, onHono } from './hosts.js'
import { importFrom } from './other-build.js'

/*
 * The same endpoint, written by each of those who compete. Each takes requests `c_0 … c_(count-1)` to have been
 * submitted.
 */

export interface Setting {
  readonly upstream: string
  readonly count: number
  /** Where the database of the store is, if it has one: a URL, or a path. */
  readonly database: string
  /** The folder of another build's package. */
  readonly beside: string
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
  'fetch/limit': ({ upstream, count }) => onFetch(handOnFetch(recipe(withPool(upstream), count))),

  'hono/other': async (setting) => {
    const { createReceiver: create } = await importFrom(setting.beside, '.')
    const other = await importFrom(setting.beside, './hono')
    return onHono(other.honoCallback(await ours(setting, { create })))
  },

  ...onDatabase('redis'),
  ...onDatabase('postgres'),
  ...onDatabase('sqlite'),

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

function onDatabase(name: DatabaseName): Readonly<Record<string, Start>> {
  const { store, bare } = databases[name]
  return {
    [`${name}/ours`]: async (setting) =>
      onHono(honoCallback(await ours(setting, { store: await store(setting.database) }))),
    [`${name}/limit`]: async ({ upstream, count, database }) =>
      onHono(handOnHono(recipe(withPool(upstream), count, await bare(database, count)))),
  }
}

interface Choice {
  readonly store?: Store
  readonly create?: typeof createReceiver
}

async function ours({ upstream, count }: Setting, choice: Choice = {}): Promise<Receiver> {
  const { store, create = createReceiver } = choice
  const receiver = create({
    apiKey: key,
    baseUrl: upstream,
    sweep: store === undefined ? 'off' : 'elsewhere',
    store,
    // What is measured is the path, not its bounds.
    confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
    polling: { concurrency: 1_000 },
    onDecision() {},
    // The other build may not know it.
    ...(choice.create === undefined ? { log: false } : {}),
  })
  for (let from = 0; from < count; from += 100) {
    const ids = Array.from({ length: Math.min(100, count - from) }, (_, at) => `c_${from + at}`)
    await Promise.all(ids.map((id) => receiver.track(id, action)))
  }
  return receiver
}
