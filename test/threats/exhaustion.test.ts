import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'
import express from 'express'
import { describe, expect, it } from 'vitest'
import { expressCallback } from '../../adapters/express.js'
import type { Callback } from '../../src/index.js'
import { adapterBench, agent, bodyFor, callback, comparable, json, taken } from '../support/adapters-bench.js'
import { listenServer, path } from '../support/hosts.js'
import { chunk, headOf, RawConnection, wireOf } from '../support/raw-http.js'
import { refund } from '../support/receiver.js'
import { until } from '../support/redis-server.js'
import { eventsOf } from '../support/runs-events.js'
import { behind, connectionsOf, connectTo, effects, none, servers, ways } from '../support/threats-bench.js'

/*
 * What a stranger can make us keep, parse, wait for or ask, whatever he spends on it himself.
 */

const limit = 262_144
const handled = taken(200, 'handled')
const post = { method: 'POST', path, headers: [agent, json] } as const

/** A body of as many bytes as are allowed, filled by repeating. */
function filled(open: string, each: string, close = ''): string {
  const start = `{"approvalId":"req_1",${open}`
  const count = Math.floor((limit - start.length - 1) / (each.length + close.length))
  return `${start}${each.repeat(count)}${close.repeat(count)}}`
}

const bomb = gzipSync(bodyFor('req_1').padEnd(20_000_000))
const keys = (count: number): string => Array.from({ length: count }, (_, at) => `,"k${at}":0`).join('')

behind(ways, ({ bench, host }) => {
  it('T29: 20 MB in 20 kB of gzip is refused, by either name of a coding, and never unpacked', async () => {
    const coded = [agent, json, ['Content-Encoding', 'gzip']] as const
    const current = await bench()
    expect((await host().send(callback({ headers: coded, body: bomb }))).status).toBe(415)
    // In clear it would be a callback like any other, or too large; as it came it is no JSON.
    expect((await host().send(callback({ body: bomb, framing: 'chunked' }))).status).toBe(400)
    expect(effects(current)).toEqual(none)
  })

  it.each([
    ['arrays', filled('"more":0,"modifiedDetails":[', '[', ']').replace(/\]}$/, ']]}')],
    ['objects', filled('"modifiedDetails":', '{"a":', '}').replace(':}', ':0}')],
    ['arrays in a field that nobody knows', filled('"more":[', '[', ']').replace(/\]}$/, ']]}')],
  ])('T30: %s as deep as the limit allows overflow nothing: only the id counts', async (_, body) => {
    const current = await bench()
    current.api.approve('req_1', { modifiedDetails: { orderId: '8842', amount: 1, a: [[[1]]] } })
    expect(() => JSON.parse(body)).not.toThrow()
    expect(comparable(await host().send(callback({ body })))).toEqual(handled)
    expect(effects(current)).toMatchObject({ gets: 1, runs: 1 })
    expect(eventsOf(current.events, 'mismatch')).toHaveLength(body.includes('modifiedDetails') ? 1 : 0)
  })

  it.each(['length', 'chunked'] as const)('T31: a hundred thousand keys are too many bytes (%s)', async (framing) => {
    const current = await bench()
    const body = `{"approvalId":"req_1"${keys(100_000)}}`
    expect((await host().send(callback({ body, framing }))).status).toBe(413)
    expect(effects(current)).toEqual(none)
  })

  it('T31: as many keys as the limit allows are one callback, and nothing of them is kept', async () => {
    const current = await bench()
    const body = `{"approvalId":"req_1"${keys(20_000)}}`
    expect(comparable(await host().send(callback({ body })))).toEqual(handled)
    expect(JSON.stringify([current.runs, current.events])).not.toContain('k19999')
  })

  it('T33: of 100 concurrent callbacks with a limit of 20, 80 get 503 without a store call or GET', async () => {
    const current = await bench({
      callbacks: { maxInFlight: 20 },
      confirm: { requestsPerSecond: Number.POSITIVE_INFINITY },
      polling: { concurrency: 100 },
    })
    const names = Array.from({ length: 100 }, (_, at) => `many_${at}`)
    for (const each of names) {
      await current.receiver.track(each, refund)
      current.api.answer(each, () => 'hang')
    }
    current.storeCalls.length = 0
    const all = names.map((each) => host().send(callback({ body: bodyFor(each) })))
    await current.seen('refused', 80)
    await until(async () => current.api.gets.length === 20)
    expect((await current.receiver.stats()).inFlight).toBe(20)
    for (const each of names) current.api.approve(each)
    current.api.resume()
    const statuses = (await Promise.all(all)).map(({ status }) => status)
    expect([200, 503].map((status) => statuses.filter((each) => each === status).length)).toEqual([20, 80])
    expect(effects(current)).toMatchObject({ gets: 20, runs: 20 })
    const reads = current.storeCalls.filter((method) => method === 'read')
    expect(reads).toHaveLength(20)
    expect(comparable(await host().send(callback()))).toEqual(handled)
  })
})

behind(servers, ({ bench, host }) => {
  it('T32: fifty unfinished heads use no slot, and delay no other callback', async () => {
    const current = await bench({ callbacks: { maxInFlight: 1 } })
    const head = headOf(post, ['Content-Length: 9'])
    for (let each = 0; each < 50; each++) (await connectTo(host())).write(head.slice(0, head.length - 1 - each))
    expect(comparable(await host().send(callback()))).toEqual(handled)
    expect((await current.receiver.stats()).inFlight).toBe(0)
    expect(eventsOf(current.events, 'refused')).toEqual([])
  })

  it('T32: fifty unfinished bodies delay no other callback, claim nothing, and end as body-aborted', async () => {
    const current = await bench({ callbacks: { bodyTimeoutMs: 60_000 } })
    const connections = await Promise.all(Array.from({ length: 50 }, () => RawConnection.open(host().port)))
    for (const [at, connection] of connections.entries()) {
      connection.write(headOf(post, [at % 2 === 0 ? 'Content-Length: 50' : 'Transfer-Encoding: chunked']))
      connection.write(at % 2 === 0 ? '{' : chunk('{'))
    }
    await until(async () => (await connectionsOf(host())) === 50)
    current.storeCalls.length = 0
    expect(comparable(await host().send(callback()))).toEqual(handled)
    expect(current.storeCalls).toEqual(['read', 'write', 'write', 'write'])
    expect((await current.receiver.stats()).inFlight).toBe(0)
    for (const connection of connections) await connection.destroy()
    await current.seen('refused', 50)
    expect((await current.receiver.stats()).inFlight).toBe(0)
    expect(new Set(eventsOf(current.events, 'refused').map(({ reason }) => reason))).toEqual(new Set(['body-aborted']))
  })

  it('T32: beyond callbacks.maxUnreadBodies the oldest body gets 408, and a genuine callback is handled', async () => {
    const current = await bench({ callbacks: { bodyTimeoutMs: 60_000, maxUnreadBodies: 10, maxInFlight: 1 } })
    const connections: RawConnection[] = []
    for (let each = 0; each < 10; each++) {
      const connection = await connectTo(host())
      connection.write(headOf(post, ['Content-Length: 50', 'Expect: 100-continue']))
      // The server asks for the body: it is waited for from now on.
      expect((await connection.answer({ headOnly: true })).status).toBe(100)
      connections.push(connection)
    }
    const [oldest, next] = connections
    const genuine = await connectTo(host())
    const body = bodyFor('req_1')
    genuine.write(headOf(post, [`Content-Length: ${body.length}`]))
    expect((await oldest?.answer())?.status).toBe(408)
    await oldest?.closed
    genuine.write(body)
    expect(comparable(await genuine.answer())).toEqual(handled)
    expect(eventsOf(current.events, 'refused').map(({ reason }) => reason)).toEqual(['body-too-slow'])
    next?.write(' '.repeat(50))
    expect((await next?.answer())?.status).toBe(400)
  })

  it('T33: a callback counts from its valid token on, or without one from its body on', async () => {
    const current = await bench({ callbackUrl: `https://app.test${path}`, callbacks: { maxInFlight: 1 } })
    const { url } = current.receiver.callbackUrl()
    const waiting = ['Content-Length: 50', 'Expect: 100-continue']
    const [stranger, proven] = [await connectTo(host()), await connectTo(host())]
    stranger.write(headOf(post, waiting))
    expect((await stranger.answer({ headOnly: true })).status).toBe(100)
    expect((await current.receiver.stats()).inFlight).toBe(0)
    proven.write(headOf({ ...post, path: `${path}${new URL(url).search}` }, waiting))
    expect((await proven.answer({ headOnly: true })).status).toBe(100)
    await until(async () => (await current.receiver.stats()).inFlight === 1)
    expect((await host().send(callback())).status).toBe(503)
    proven.write(' '.repeat(50))
    expect((await proven.answer()).status).toBe(400)
    expect(comparable(await host().send(callback()))).toEqual(handled)
  })

  it('T28: a refusal that needs no body reads none, though megabytes still come: the server drops them, and the connection is in step', async () => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(headOf({ ...post, headers: [json] }, ['Transfer-Encoding: chunked']))
    expect((await connection.answer()).status).toBe(403)
    for (let each = 0; each < 20; each++) connection.write(chunk('x'.repeat(200_000)))
    connection.write(chunk(''))
    connection.write(wireOf(callback()))
    expect(comparable(await connection.answer())).toEqual(handled)
    expect(effects(current)).toMatchObject({ gets: 1, runs: 1 })
  })
})

describe('the time-outs of the server', () => {
  it('T32: end a head that comes too slowly, before our receiver has heard of it', async () => {
    const current = await adapterBench()
    const app = express().post(path, expressCallback(current.receiver))
    const host = await listenServer(createServer({ headersTimeout: 60, connectionsCheckingInterval: 20 }, app))
    const connection = await connectTo(host)
    connection.write(headOf(post).slice(0, -2))
    expect(await connection.answer({ headOnly: true })).toMatchObject({ status: 408 })
    await connection.closed
    expect(effects(current)).toEqual(none)
    expect(eventsOf(current.events, 'refused')).toEqual([])
    await host.close()
    await current.receiver.close()
  })
})

describe('headers made to be hard to read', () => {
  const size = 300_000
  const wrong = [403, 'agent-refused'] as const
  const type = [415, 'media-type-refused'] as const
  const long = (each: string): string => each.repeat(Math.ceil(size / each.length))

  // A pattern that looks twice at each character would need minutes for these, and the test its time.
  it.each<readonly [header: string, what: string, value: string, answer: readonly [number, string]]>([
    ['user-agent', 'digits', long('1'), wrong],
    ['user-agent', 'the right name, over and over', long('Cheqpoint-Callback/1.0 '), wrong],
    ['user-agent', 'a version without end', `Cheqpoint-Callback/${long('1.')}`, wrong],
    ['user-agent', 'blanks around', `${long(' ')}Cheqpoint-Callback/1.0${long(' ')}`, wrong],
    ['content-type', 'blanks', `application/json${long(' ')};x`, [200, '']],
    ['content-type', 'parameters without end', `application/json${long(';')}`, [200, '']],
    ['content-type', 'charsets without end', `application/json${long(';charset=utf-8')}`, [200, '']],
    ['content-type', 'a charset without end', `application/json;charset=${long('utf-8')}`, type],
    ['content-type', 'quotes', `application/json;charset=${long('"')}`, type],
    ['content-type', 'commas', long(','), type],
    ['content-type', 'a name without end', `application/${long('x+json')}`, [200, '']],
    ['content-encoding', 'commas', long(','), type],
    ['content-encoding', 'identity without end', `${long('identity,')}identity`, [200, '']],
    ['content-length', 'digits', long('9'), [413, 'body-too-large']],
    ['content-length', 'zeros', long('0'), [200, '']],
    ['content-length', 'digits and a letter', `${long('9')}x`, [400, 'malformed']],
  ])('T34: %s of 300 kB (%s) is read once', async (header, _, value, [status, code]) => {
    const current = await adapterBench()
    const sent: Readonly<Record<string, string>> = { 'user-agent': agent[1], [header]: value }
    const made: Callback = {
      ...{ method: 'POST', url: path, body: { parsed: bodyFor('req_1') } },
      header: (name) => [sent[name] ?? []].flat(),
    }
    const answer = await current.receiver.handle(made)
    expect([answer.status, JSON.parse(answer.body).code ?? '']).toEqual([status, code])
    await current.receiver.close()
  })

  it('T34: a URL of five million characters is read once, whatever of a token it holds', async () => {
    const current = await adapterBench({
      callbackUrl: `https://app.test${path}`,
      callbackSecret: 'a secret of the threats',
    })
    const token = new URL(current.receiver.callbackUrl().url).searchParams.get('cq') ?? ''
    for (const tail of ['a'.repeat(5_000_000), `${token}${'a'.repeat(5_000_000)}`, `${token}.`.repeat(100_000)]) {
      const made: Callback = {
        ...{ method: 'POST', url: `${path}?cq=${tail}`, body: { parsed: bodyFor('req_1') } },
        header: (name) => (name === 'user-agent' ? [agent[1]] : []),
      }
      expect((await current.receiver.handle(made)).status).toBe(401)
    }
    expect(effects(current)).toEqual(none)
    await current.receiver.close()
  })
})

describe('a log', () => {
  const canary = 'CANARY'
  const secret = { callbackUrl: `https://app.test${path}`, callbackSecret: 'a secret of the threats' }

  it('T41: gets one event of fixed size for a refusal, without text of the sender except a valid id', async () => {
    const current = await adapterBench({ callbacks: { maxBodyBytes: 1_000 } })
    const tokens = await adapterBench(secret)
    const line = `${canary}\r\n\u001b[31m`
    const made = (parts: Partial<Callback>, headers: Readonly<Record<string, string>> = {}): Callback => ({
      ...{ method: 'POST', url: `/${canary}?cq=${canary}`, body: { parsed: bodyFor('req_1') } },
      header: (name) => [{ 'user-agent': agent[1], 'x-forwarded-for': line, ...headers }[name] ?? []].flat(),
      ...parts,
    })
    const refused: readonly (readonly [number, Callback])[] = [
      [405, made({ method: line })],
      [403, made({}, { 'user-agent': line })],
      [415, made({}, { 'content-type': line })],
      [415, made({}, { 'content-encoding': line })],
      [400, made({}, { 'content-length': line })],
      [413, made({}, { 'content-length': '1001' })],
      [413, made({ body: { parsed: canary.repeat(1_000) } })],
      [400, made({ body: { parsed: line } })],
      [400, made({ body: { parsed: { approvalId: line } } })],
      [500, made({ body: { alreadyRead: true } })],
      [404, made({ body: { parsed: { approvalId: 'req_9', status: line, decisionNote: line, [line]: line } } })],
    ]
    current.events.length = 0
    for (const [status, sent] of refused) expect((await current.receiver.handle(sent)).status).toBe(status)
    expect((await tokens.receiver.handle(made({}))).status).toBe(401)
    const events = [current, tokens].flatMap((each) => eventsOf(each.events, 'refused'))
    expect(events).toHaveLength(refused.length + 1)
    for (const event of events) {
      expect(Object.keys(event).sort()).toEqual(['approvalId', 'reason', 'type'])
      expect(JSON.stringify(event)).toMatch(/^[ -~]{1,100}$/)
      expect(JSON.stringify(event)).not.toContain(canary)
    }
    expect(events.map(({ approvalId }) => approvalId).filter((id) => id !== null)).toEqual(['req_9'])
    await Promise.all([current, tokens].map(({ receiver }) => receiver.close()))
  })
})
