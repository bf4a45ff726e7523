import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ReceiverOptions } from '../../src/index.js'
import {
  type AdapterBench,
  adapterBench,
  agent,
  bodyFor,
  callback,
  comparable,
  json,
  problem,
  taken,
} from '../support/adapters-bench.js'
import { type OpenSocketHost, path, socketHosts } from '../support/hosts.js'
import { chunk, headOf, RawConnection, type Sent, wireOf } from '../support/raw-http.js'

/*
 * Tests that need raw sockets: framing, reused connections, clients that are slow or disconnect.
 */

const handled = taken(200, 'handled')
const tooLarge = problem(413, 'body-too-large', 'The body is too large', { closes: true })
const tooSlow = problem(408, 'body-too-slow', 'The body came too slowly', { closes: true })
const post = { method: 'POST', path, headers: [agent, json] } as const
const body = bodyFor('req_1')
const ofLength = `Content-Length: ${body.length}`

describe.each(socketHosts.map((host) => [host.name, host] as const))('%s', (_, { open, takes }) => {
  let current: AdapterBench
  let host: OpenSocketHost
  const connections: RawConnection[] = []

  beforeAll(async () => {
    host = await open({
      handle: (...args) => current.receiver.handle(...args),
      fetch: (...args) => current.receiver.fetch(...args),
    })
  })
  afterEach(async () => {
    await Promise.all(connections.splice(0).map((connection) => connection.destroy()))
    await current.receiver.close()
  })
  afterAll(() => host.close())

  async function connect(options: Partial<ReceiverOptions> = {}): Promise<RawConnection> {
    current = await adapterBench(options)
    const connection = await RawConnection.open(host.port)
    connections.push(connection)
    return connection
  }

  /** A connection and its other end. */
  async function connectBoth(options?: Partial<ReceiverOptions>): Promise<readonly [RawConnection, Socket]> {
    const accepted = once(host.server, 'connection')
    const connection = await connect(options)
    const [socket] = await accepted
    return [connection, socket]
  }

  describe('framing', () => {
    it('sends 100 Continue to a client that expects it', async () => {
      const connection = await connect()
      connection.write(headOf(post, [ofLength, 'Expect: 100-continue']))
      expect(await connection.answer({ headOnly: true })).toMatchObject({ status: 100 })
      connection.write(body)
      expect(comparable(await connection.answer())).toEqual(handled)
    })

    it('accepts a body that arrives byte by byte, with or without a declared length', async () => {
      for (const framing of [ofLength, 'Transfer-Encoding: chunked']) {
        const connection = await connect()
        connection.write(headOf(post, [framing]))
        for (const byte of Buffer.from(body)) {
          const one = Uint8Array.of(byte)
          connection.write(framing === ofLength ? one : chunk(one))
        }
        if (framing !== ofLength) connection.write(chunk(''))
        expect(comparable(await connection.answer())).toEqual(handled)
      }
    })

    it.each([
      ['a length and chunks', [ofLength, 'Transfer-Encoding: chunked'], 400],
      ['chunks and a length', ['Transfer-Encoding: chunked', ofLength], 400],
      ['two lengths', [ofLength, 'Content-Length: 7'], 400],
      ['a negative length', ['Content-Length: -1'], 400],
      ['a length beyond all numbers', [`Content-Length: ${'9'.repeat(30)}`], 400],
      ['chunks that are not the last coding', ['Transfer-Encoding: chunked, identity'], 400],
      ['headers of more than 16 kB', [`X-More: ${'x'.repeat(17_000)}`], 431],
    ])('leaves %s to the parser of Node.js, which refuses the request and closes', async (_, framing, status) => {
      const connection = await connect()
      connection.write(headOf(post, framing) + body)
      expect(await connection.answer({ headOnly: true })).toMatchObject({ status })
      await connection.closed
      expect(current.storeCalls).toEqual([])
    })

    it('closes the connection as soon as a body in chunks exceeds the limit, before its end', async () => {
      const connection = await connect({ callbacks: { maxBodyBytes: 1_000 } })
      connection.write(
        Buffer.concat([Buffer.from(headOf(post, ['Transfer-Encoding: chunked'])), chunk('x'.repeat(999))]),
      )
      connection.write(chunk('xx'))
      expect(comparable(await connection.answer())).toEqual(tooLarge)
      await connection.closed
    })

    it('stops reading a body that is too long', async () => {
      const [connection, accepted] = await connectBoth({ callbacks: { maxBodyBytes: 1_000 } })
      connection.write(headOf(post, ['Transfer-Encoding: chunked']))
      await connection.pump(chunk('x'.repeat(64_000)))
      expect(accepted.bytesRead).toBeLessThan(8_000_000)
    })

    it('refuses a declared length over the limit before any byte of the body arrives, and closes', async () => {
      const connection = await connect({ callbacks: { maxBodyBytes: 1_000 } })
      connection.write(headOf(post, ['Content-Length: 1001']))
      expect(comparable(await connection.answer())).toEqual(tooLarge)
      await connection.closed
    })
  })

  describe('a connection', () => {
    const refused: readonly (readonly [name: string, sent: Sent, status: number])[] = [
      ['another agent', callback({ headers: [json] }), 403],
      ['another type', callback({ headers: [agent, ['Content-Type', 'text/plain']] }), 415],
      ['a coded body', callback({ headers: [agent, json, ['Content-Encoding', 'gzip']] }), 415],
      ['a malformed body', callback({ body: '{' }), 400],
      ['a malformed body in chunks', callback({ body: '{{', framing: 'chunked' }), 400],
      ['an unread body in chunks', callback({ headers: [json], framing: 'chunked' }), 403],
      ['an unknown id', callback({ body: bodyFor('req_2') }), 404],
      ['another method', callback({ method: 'PUT' }), takes === 'POST' ? 404 : 405],
    ]
    it.each(refused)('stays open after the refusal of %s', async (_, sent, status) => {
      const connection = await connect()
      connection.write(wireOf(sent))
      expect((await connection.answer()).status).toBe(status)
      connection.write(wireOf(callback()))
      expect(comparable(await connection.answer())).toEqual(handled)
    })

    it('stays open if the body of a refused request arrives after the response', async () => {
      const connection = await connect()
      connection.write(headOf({ ...post, headers: [json] }, [ofLength]))
      expect((await connection.answer()).status).toBe(403)
      connection.write(body)
      connection.write(wireOf(callback()))
      expect(comparable(await connection.answer())).toEqual(handled)
    })

    it('accepts pipelined requests', async () => {
      const connection = await connect()
      connection.write(Buffer.concat([wireOf(callback({ body: '{' })), wireOf(callback()), wireOf(callback())]))
      expect((await connection.answer()).status).toBe(400)
      expect(comparable(await connection.answer())).toEqual(handled)
      expect(comparable(await connection.answer())).toEqual(handled)
      expect(current.runs).toHaveLength(1)
    })
  })

  describe('a slow body', () => {
    const slow = { callbacks: { bodyTimeoutMs: 60 } }
    it.each([
      ['in chunks', 'Transfer-Encoding: chunked', chunk('{')],
      ['of a declared length', ofLength, '{'],
      ['of which nothing comes', ofLength, ''],
    ])('%s is answered 408 and its connection closed', async (_, framing, start) => {
      const connection = await connect(slow)
      connection.write(headOf(post, [framing]))
      connection.write(start)
      expect(comparable(await connection.answer())).toEqual(tooSlow)
      await connection.closed
      expect(current.storeCalls).toEqual([])
    })

    it('does not delay another callback', async () => {
      const connection = await connect()
      connection.write(headOf(post, [ofLength]))
      expect(comparable(await host.send(callback()))).toEqual(handled)
    })

    it('ends at once if its client disconnects before the time-out', async () => {
      const connection = await connect({ callbacks: { bodyTimeoutMs: 60_000 } })
      connection.write(headOf(post, [ofLength]))
      connection.write('{')
      await connection.destroy()
      await current.seen('refused')
      expect((await current.receiver.stats()).inFlight).toBe(0)
    })
  })

  describe('a client that disconnects', () => {
    const bytes = wireOf(callback())
    const headLength = bytes.length - body.length
    const offsets = [
      1,
      20,
      headLength - 1,
      headLength,
      headLength + 1,
      headLength + 40,
      bytes.length - 2,
      bytes.length - 1,
    ]
    it.each(offsets)(
      'after byte %i of its request runs nothing, and does not affect later requests',
      async (offset) => {
        const [connection, accepted] = await connectBoth()
        const gone = new Promise((resolve) => accepted.once('close', resolve))
        connection.write(bytes.subarray(0, offset))
        // The server receives this before the end.
        while (accepted.bytesRead < offset) await new Promise(setImmediate)
        await connection.destroy()
        await gone
        if (offset >= headLength) {
          await current.seen('refused')
          expect(current.events).toContainEqual({ type: 'refused', reason: 'body-aborted', approvalId: null })
        }
        expect({ gets: current.api.gets, runs: current.runs, calls: current.storeCalls }).toEqual({
          gets: [],
          runs: [],
          calls: [],
        })
        expect(comparable(await host.send(callback()))).toEqual(handled)
      },
    )

    it('after its request still has its decision handled once', async () => {
      const [connection, accepted] = await connectBoth()
      const asked = current.hang()
      connection.write(bytes)
      await asked
      const gone = new Promise((resolve) => accepted.once('close', resolve))
      await connection.destroy()
      await gone
      current.letGo()
      await current.seen('completed')
      expect(comparable(await host.send(callback()))).toEqual(handled)
      expect(current.runs).toHaveLength(1)
      expect(current.api.gets).toHaveLength(1)
    })
  })
})
