import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import express from 'express'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { expressCallback } from '../../adapters/express.js'
import { createClient, memoryStore, type ReceiverOptions, type Store } from '../../src/index.js'
import { agent, bodyFor, callback, comparable, json, taken } from '../support/adapters-bench.js'
import { action, answersBench, canary, id, tracked } from '../support/answers-bench.js'
import { listenTo, path } from '../support/hosts.js'
import { misbehave } from '../support/misbehaving-server.js'
import { describeWith } from '../support/needs.js'
import { refund } from '../support/receiver.js'
import { openBench, type RedisBench } from '../support/redis-bench.js'
import { eventsOf } from '../support/runs-events.js'
import { pass } from '../support/runs-time.js'
import { behind, ways } from '../support/threats-bench.js'

/*
 * Callbacks that nobody at Cheqpoint sent, and answers that are not about what was asked.
 */

const handled = taken(200, 'handled')
const forged = {
  approvalId: id,
  status: 'rejected',
  modifiedDetails: { amount: 999_999, to: canary },
  decisionNote: canary,
  decidedAt: canary,
  action: canary,
  details: { canary },
  context: canary,
  assistant: canary,
}

behind(ways, ({ bench, host }) => {
  it('T08: the agent header is no credential: with nothing else a callback runs nothing', async () => {
    const current = await bench()
    current.api.pend(id)
    const statuses: number[] = []
    for (const approvalId of ['req_9', id]) {
      const body = JSON.stringify({ approvalId, status: 'approved', modifiedDetails: { amount: 1 } })
      statuses.push((await host().send(callback({ body }))).status)
    }
    expect(statuses).toEqual([404, 409])
    expect(current.runs).toEqual([])
    expect((await current.receiver.stats()).open).toBe(1)
  })

  it('T20: URLs in a callback are never requested, whatever their field', async () => {
    const trap = await misbehave((_, response) => void response.end('{"id":"req_1","status":"APPROVED"}'))
    const current = await bench()
    current.api.reject(id)
    const names = ['url', 'statusUrl', 'callbackUrl', 'baseUrl', 'reviewUrl', 'href', 'self', 'links', '$ref', 'origin']
    const body = JSON.stringify({ approvalId: id, ...Object.fromEntries(names.map((name) => [name, trap.url])) })
    const headers = ['Referer', 'Origin', 'Location', 'X-Forwarded-Host', 'X-Original-URL', 'Forwarded', 'Link']
    const sent = callback({ headers: [agent, json, ...headers.map((name) => [name, trap.url] as const)], body })
    expect(comparable(await host().send(sent))).toEqual(handled)
    expect(current.api.gets).toEqual([`/api/approvals/${id}`])
    expect(current.runs).toMatchObject([{ decision: { status: 'rejected' } }])
    expect(trap.sockets).toEqual([])
  })

  it('T49: a forged address header changes no budget', async () => {
    const current = await bench({ confirm: { requestsPerSecond: 1 } })
    current.api.pend(id)
    for (const each of ['req_2', 'req_3', 'req_4']) {
      await current.receiver.track(each, refund)
      current.api.pend(each)
    }
    const statuses: number[] = []
    for (const [at, each] of [id, 'req_2', 'req_3', 'req_4'].entries()) {
      const address = `203.0.113.${at}`
      const names = ['X-Forwarded-For', 'X-Real-IP', 'CF-Connecting-IP', 'True-Client-IP', 'X-Client-IP']
      const headers = [agent, json, ...names.map((name) => [name, address] as const)]
      statuses.push((await host().send(callback({ headers, body: bodyFor(each) }))).status)
    }
    expect(statuses).toEqual([409, 429, 429, 429])
    expect(current.api.gets).toHaveLength(1)
  })
})

describe('a sender in another version', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date('2026-11-20T10:00:00Z') })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('T11: is refused and reported once, the sweep finds its decisions, and option agents accepts it', async () => {
    const headers = { 'user-agent': 'Cheqpoint-Callback/1.1' }
    const { receiver, api, runs, events, send } = answersBench({ polling: { firstMs: 15_000 } })
    await receiver.track(id, tracked)
    await receiver.start()
    api.approve(id)
    for (let each = 0; each < 3; each++) expect((await send({ headers })).status).toBe(403)
    expect(eventsOf(events, 'agent-version')).toEqual([{ type: 'agent-version', agent: 'Cheqpoint-Callback/1.1' }])
    expect(api.gets).toEqual([])
    await pass(20_000)
    expect(runs).toMatchObject([{ approvalId: id, status: 'approved', via: 'poll' }])
    await receiver.close()
    const agents = ['Cheqpoint-Callback/1.0', 'Cheqpoint-Callback/1.1']
    const open = answersBench({ sweep: 'off', agents })
    await open.receiver.track(id, tracked)
    open.api.approve(id)
    expect((await open.send({ headers })).status).toBe(200)
    await open.receiver.close()
  })
})

describe('the documents', () => {
  it('T08: names the agent header as no credential', () => {
    expect(readFileSync('docs/threat-model.md', 'utf8')).toContain('the header authenticates nothing')
  })
})

describe('a response that may be cached', () => {
  it('T18: is not reused: each GET is sent with no-cache', async () => {
    const answers = ['PENDING', 'APPROVED']
    const server = await misbehave((_, response) => {
      const headers = { 'cache-control': 'public, max-age=600, immutable', age: '0', etag: '"1"', expires: farAhead }
      response.writeHead(200, headers).end(JSON.stringify({ id, status: answers.shift() }))
    })
    const client = createClient({ apiKey: 'cq_live_test', baseUrl: server.url })
    const words = [(await client.get(id)).status, (await client.get(id)).status]
    expect(words).toEqual(['pending', 'approved'])
    expect(server.requests.map(({ headers }) => headers['cache-control'])).toEqual(['no-cache', 'no-cache'])
    expect(server.requests.some(({ headers }) => 'if-none-match' in headers)).toBe(false)
    await client.close()
  })
})

const farAhead = 'Fri, 20 Nov 2099 10:00:00 GMT'

/** A forged callback that comes first, behind this app: handler and store hold what the API said, and nothing of it. */
async function forgeFirst(
  store: Store,
  dump: () => Promise<string>,
  options: Partial<ReceiverOptions> = {},
): Promise<void> {
  const confirmed = { orderId: '8842', amount: 80 }
  const { receiver, api, runs, events } = answersBench({ sweep: 'off', apiKey: 'cq_live_test', ...options }, store)
  await receiver.track(id, { action, details: { orderId: '8842', amount: 120 } })
  api.approve(id, { modifiedDetails: confirmed, decisionNote: 'eighty' })
  const host = await listenTo(express().use(express.json()).post(path, expressCallback(receiver)))
  onTestFinished(() => host.close())
  const sent = callback({ body: JSON.stringify(forged) })
  expect(comparable(await host.send(sent))).toEqual(handled)
  expect(comparable(await host.send(callback()))).toEqual(handled)
  expect(runs).toMatchObject([
    { status: 'approved', details: confirmed, modifiedDetails: confirmed, note: 'eighty', action },
  ])
  expect(runs[0]?.decidedAt).toEqual(new Date('2026-11-20T09:00:00.000Z'))
  const fields = ['status', 'modifiedDetails', 'decisionNote']
  expect(eventsOf(events, 'mismatch')[0]).toEqual({ type: 'mismatch', approvalId: id, fields })
  expect(JSON.stringify([runs, events, await store.read(`a:${id}`)])).not.toContain(canary)
  expect(await dump()).not.toContain(canary)
  await receiver.close()
}

describe('a forged callback that comes before the genuine one', () => {
  it('T03: changes nothing for the handler or in the memory store', () => forgeFirst(memoryStore(), async () => ''))
})

describeWith('redis-server', 'on Redis', () => {
  let redis: RedisBench
  beforeAll(async () => {
    redis = await openBench()
  })
  afterAll(() => redis.close())

  /** The keys of one store, and all that stands in them, as text. */
  async function dump(prefix: string): Promise<{ readonly keys: readonly string[]; readonly text: string }> {
    const keys = (await redis.raw('KEYS', `{${prefix}*`)) as string[] // KEYS answers a list of texts
    const values = await Promise.all(keys.map((key) => redis.raw('DUMP', key)))
    return { keys, text: values.map(String).join('\n') }
  }

  it('T03: a forged callback that comes first changes nothing, and no key contains anything of it', async () => {
    const prefix = randomUUID()
    await forgeFirst(redis.store({ prefix }), async () => {
      const { keys, text } = await dump(prefix)
      expect(keys.length).toBeGreaterThan(0)
      expect(text).toContain('eighty')
      return text
    })
  })

  it('T07: a replay after its tombstone is gone from Redis is unknown, and runs nothing', async () => {
    const prefix = randomUUID()
    const { receiver, api, runs, send } = answersBench({ sweep: 'elsewhere' }, redis.store({ prefix }))
    await receiver.track(id, tracked)
    api.approve(id)
    expect((await send()).status).toBe(200)
    expect((await send()).status).toBe(200)
    for (const key of (await dump(prefix)).keys) await redis.raw('DEL', key)
    for (let each = 0; each < 3; each++) expect((await send()).status).toBe(404)
    expect([runs.length, api.gets.length]).toEqual([1, 1])
    expect((await dump(prefix)).keys).toEqual([])
    await receiver.close()
  })

  it('T06: a thousand replays at once, at two receivers, run it once', async () => {
    const prefix = randomUUID()
    const benches = [0, 1].map(() => answersBench({ sweep: 'elsewhere' }, redis.store({ prefix })))
    await benches[0]?.receiver.track(id, tracked)
    for (const { api } of benches) api.approve(id)
    const sent = benches.flatMap(({ send }) => Array.from({ length: 500 }, () => send()))
    const statuses = new Set((await Promise.all(sent)).map(({ status }) => status))
    // Those that meet the other receiver at work are told to wait; none is told anything else.
    expect([...statuses].filter((status) => status !== 200 && status !== 202)).toEqual([])
    expect(benches.flatMap(({ runs }) => runs)).toHaveLength(1)
    expect(benches.reduce((sum, { api }) => sum + api.gets.length, 0)).toBe(1)
    await Promise.all(benches.map(({ receiver }) => receiver.close()))
  })
})
