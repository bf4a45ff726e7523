import { createServer as createHttpServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { Agent, Pool } from 'undici'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { createClient } from '../../../src/cheqpoint/client.js'
import type { Client, ClientOptions } from '../../../src/cheqpoint/client-types.js'
import { CheqpointError } from '../../../src/model/errors.js'
import { closedPort, type MisbehavingServer, misbehave, misbehaveRaw } from '../../support/misbehaving-server.js'
import { listenTls, selfSigned } from '../../support/tls-server.js'
import { sendOver, transports } from '../../support/transports.js'

const key = 'cq_live_canary'
const approved = JSON.stringify({ id: 'req_1', status: 'APPROVED', modifiedDetails: null, decisionNote: 'ok' })
const submission = { action: 'refund', summary: 'Refund', details: { amount: 1 } }

function clientOf(server: Pick<MisbehavingServer, 'url'>, options: Partial<ClientOptions> = {}): Client {
  const client = createClient({ apiKey: key, baseUrl: server.url, ...options })
  onTestFinished(() => client.close())
  return client
}

async function failure(call: Promise<unknown>): Promise<CheqpointError> {
  const error: unknown = await call.then(
    () => new Error('the call was expected to fail'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof CheqpointError)) throw error
  return error
}

function raw(body: string, ...headers: readonly string[]): string {
  return ['HTTP/1.1 200 OK', ...headers, '', body].join('\r\n')
}

/** A pool whose connection is not made before `open` is called. */
function poolThatConnectsLate({ url }: MisbehavingServer): { readonly pool: Pool; readonly open: () => Socket } {
  const waiting: ((socket: Socket) => void)[] = []
  const pool = new Pool(url, { connect: (_, callback) => waiting.push((socket) => callback(null, socket)) })
  onTestFinished(() => pool.destroy())
  return {
    pool,
    open() {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      socket.once('connect', () => waiting.shift()?.(socket))
      return socket
    },
  }
}

describe.each(transports)('over %s,', (transport) => {
  beforeEach(() => sendOver(transport))

  describe('a redirect', () => {
    for (const status of [301, 302, 303, 307, 308]) {
      it(`of ${status} is refused, names the host alone, and the key arrives nowhere else`, async () => {
        const elsewhere = await misbehave((_, response) => response.end(approved))
        const server = await misbehave((_, response) => {
          response.writeHead(status, { location: `${elsewhere.url}/stolen?token=secret` }).end()
        })
        const client = clientOf(server)

        for (const call of [client.get('req_1'), client.request(submission), client.inbound(submission)]) {
          const error = await failure(call)
          expect(error).toMatchObject({ code: 'api-redirect', httpStatus: status })
          expect(error.message).toContain(new URL(elsewhere.url).host)
          expect(error.message).not.toMatch(/stolen|secret/)
        }
        expect(server.requests).toHaveLength(3)
        expect(elsewhere.sockets).toHaveLength(0)
      })
    }

    it('without a target is refused as well', async () => {
      const server = await misbehave((_, response) => response.writeHead(304).end())
      expect(await failure(clientOf(server).get('req_1'))).toMatchObject({ code: 'api-redirect', httpStatus: 304 })
    })
  })

  describe('time', () => {
    it('ends a GET whose head never comes, and its connection', async () => {
      const server = await misbehave(() => {})
      expect(await failure(clientOf(server, { timeoutMs: 500 }).get('req_1'))).toMatchObject({ code: 'api-timeout' })
      await server.gone(0)
    })

    it('bounds head and body together, though neither alone takes too long', async () => {
      const server = await misbehave((_, response) => {
        setTimeout(() => {
          response.writeHead(200)
          const drip = setInterval(() => response.write(' '), 10)
          response.on('close', () => clearInterval(drip))
        }, 100)
      })
      // Much longer than a busy machine needs for the head.
      const timeoutMs = 1_500
      const before = performance.now()
      const error = await failure(clientOf(server, { timeoutMs }).get('req_1'))
      expect(error).toMatchObject({ code: 'api-timeout', httpStatus: 200 })
      expect(performance.now() - before).toBeGreaterThan(timeoutMs - 10)
      await server.gone(0)
    })

    it('for a submission is its own, not that of a GET', async () => {
      const server = await misbehave((_, response) => void setTimeout(() => response.end(approved), 150))
      const client = clientOf(server, { timeoutMs: 50, submitTimeoutMs: 5_000 })
      expect(await client.inbound({ ...submission, maxWaitMs: 100 })).toMatchObject({ status: 'approved' })
      expect(await failure(client.get('req_1'))).toMatchObject({ code: 'api-timeout' })
    })

    it('bounds the wait for a connection, and a submission given up there is never sent', async () => {
      const server = await misbehave((_, response) => response.end(approved))
      const { pool, open } = poolThatConnectsLate(server)
      const client = clientOf(server, { dispatcher: pool, submitTimeoutMs: 50 })
      expect(await failure(client.request(submission))).toMatchObject({
        code: 'api-unreachable',
        httpStatus: undefined,
      })
      const late = open()
      await new Promise((resolve) => late.once('close', resolve))
      expect(late.bytesWritten).toBe(0)
      expect(server.requests).toHaveLength(0)
    })
  })

  describe('the size of a response', () => {
    const exact = approved.padEnd(2_048)

    for (const framing of ['with a length', 'without a length'] as const) {
      const send = (body: string) =>
        misbehave((_, response) => {
          if (framing === 'with a length') response.setHeader('content-length', body.length)
          response.write(body)
          response.end()
        })

      it(`may reach maxResponseBytes, ${framing}`, async () => {
        const client = clientOf(await send(exact), { maxResponseBytes: 2_048 })
        expect(await client.get('req_1')).toMatchObject({ status: 'approved' })
      })

      it(`may not pass maxResponseBytes, ${framing}`, async () => {
        const server = await send(`${exact} `)
        const error = await failure(clientOf(server, { maxResponseBytes: 2_048 }).get('req_1'))
        expect(error).toMatchObject({ code: 'api-unreadable', httpStatus: 200 })
        // All of it had arrived, so that fetch keeps the connection for a while.
        if (transport === 'undici') await server.gone(0)
      })
    }

    it('of 100 MB costs neither memory nor traffic', async () => {
      const block = Buffer.alloc(65_536, ' ')
      let sent = 0
      const server = await misbehave((_, response) => {
        const pump = () => {
          while (!response.destroyed && sent < 104_857_600) {
            sent += block.length
            if (!response.write(block)) return void response.once('drain', pump)
          }
          response.end()
        }
        pump()
      })
      const before = process.memoryUsage().rss
      expect(await failure(clientOf(server).get('req_1'))).toMatchObject({ code: 'api-unreadable' })
      await server.gone(0)
      expect(sent).toBeLessThan(20_000_000)
      expect(process.memoryUsage().rss - before).toBeLessThan(20_000_000)
    })

    it('that is announced too long is not waited for', async () => {
      const server = await misbehaveRaw(raw('', 'content-length: 2049'))
      const error = await failure(clientOf(server, { maxResponseBytes: 2_048, timeoutMs: 60_000 }).get('req_1'))
      expect(error).toMatchObject({ code: 'api-unreadable' })
      await server.gone(0)
    })

    for (const [status, code] of [
      [302, 'api-redirect'],
      [503, 'api-failed'],
    ] as const) {
      it(`does not matter for ${status}, which says enough, but is bounded there too`, async () => {
        const server = await misbehave((_, response) => {
          response.writeHead(status, { 'content-encoding': 'gzip' })
          const flood = setInterval(() => response.write(Buffer.alloc(4_096)), 1)
          response.on('close', () => clearInterval(flood))
        })
        const error = await failure(clientOf(server, { maxResponseBytes: 65_536 }).get('req_1'))
        expect(error).toMatchObject({ code, httpStatus: status })
        await server.gone(0)
      })
    }
  })

  it('a refusal whose body does not end is reported without it, and its connection ends', async () => {
    const server = await misbehave((_, response) => {
      response.writeHead(503).write('{')
    })
    const from = performance.now()
    expect(await failure(clientOf(server, { timeoutMs: 20_000 }).get('req_1'))).toMatchObject({ code: 'api-failed' })
    await server.gone(0)
    expect(performance.now() - from).toBeLessThan(10_000)
  })

  describe('a content coding', () => {
    const codings = ['gzip', 'br', 'deflate', 'zstd', 'x-gzip', 'GZIP', 'identity, gzip', ['identity', 'gzip'], '']

    for (const coding of codings) {
      it.each([
        ['as it says', gzipSync(approved)],
        ['plain all the same', approved],
      ])(`of '${coding}' is unreadable, its body %s`, async (_words, body) => {
        const server = await misbehave((_, response) => {
          response.setHeader('content-encoding', coding)
          response.end(body)
        })
        expect(await failure(clientOf(server).get('req_1'))).toMatchObject({ code: 'api-unreadable', httpStatus: 200 })
        expect(server.requests[0]?.headers['accept-encoding']).toBe('identity')
      })
    }

    for (const coding of ['identity', 'Identity']) {
      it(`of '${coding}' is none`, async () => {
        const server = await misbehave((_, response) => {
          response.setHeader('content-encoding', coding)
          response.end(approved)
        })
        expect(await clientOf(server).get('req_1')).toMatchObject({ status: 'approved' })
      })
    }
  })

  describe('Retry-After', () => {
    it('that was sent twice is ignored', async () => {
      const server = await misbehave((_, response) => {
        response.statusCode = 429
        response.setHeader('Retry-After', ['7', '9'])
        response.end()
      })
      const error = await failure(clientOf(server).get('req_1'))
      expect(error).toMatchObject({ code: 'api-throttled', retryAfterMs: undefined })
    })
  })

  describe('a connection', () => {
    it('that is refused is unreachable, and the reason is named', async () => {
      const client = clientOf({ url: `http://127.0.0.1:${await closedPort()}` })
      const error = await failure(client.get('req_1'))
      expect(error).toMatchObject({ code: 'api-unreachable', httpStatus: undefined })
      expect(error.cause).toBeUndefined()
      expect(error.message).toContain('ECONNREFUSED')
    })

    it('without TLS, where TLS is expected, gives no answer, and the key is not sent', async () => {
      const server = await misbehave((_, response) => response.end(approved))
      const client = clientOf({ url: server.url.replace('http:', 'https:') })
      // fetch does not tell whether something had been sent.
      const code = transport === 'fetch' ? 'api-broken-off' : 'api-unreachable'
      expect(await failure(client.get('req_1'))).toMatchObject({ code })
      expect(server.requests).toHaveLength(0)
    })

    it('to an untrusted certificate gets no key, whatever the environment', async () => {
      const server = await listenTls(selfSigned(), (_, response) => response.end(approved))
      vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
      onTestFinished(() => void vi.unstubAllEnvs())
      const error = await failure(clientOf(server).get('req_1'))
      expect(error).toMatchObject({ code: 'api-unreachable' })
      // fetch would heed the environment, so that nothing is sent.
      const reason = transport === 'fetch' ? 'NODE_TLS_REJECT_UNAUTHORIZED' : 'DEPTH_ZERO_SELF_SIGNED_CERT'
      expect(error.message).toContain(reason)
      expect(server.seen).toEqual([])
    })

    it('closed without a response rejects with api-broken-off, and nothing is sent again', async () => {
      const server = await misbehave((request) => void request.socket.destroy())
      const client = clientOf(server)
      expect(await failure(client.request(submission))).toMatchObject({ code: 'api-broken-off' })
      expect(server.requests).toHaveLength(1)
    })

    it('reset in the middle of a body broke off', async () => {
      const server = await misbehaveRaw(raw(approved.slice(0, 20), `content-length: ${approved.length}`), (socket) => {
        socket.resetAndDestroy()
      })
      expect(await failure(clientOf(server).get('req_1'))).toMatchObject({ code: 'api-broken-off' })
    })

    it('that ends before its declared length is no response, even where the bytes so far are JSON', async () => {
      const headers = ['connection: close', `content-length: ${approved.length + 1}`]
      const server = await misbehaveRaw(raw(approved, ...headers), (socket) => socket.end())
      expect(await failure(clientOf(server).get('req_1'))).toMatchObject({ code: 'api-unreadable' })
    })

    it('that ends inside a chunked body is no response, even where the bytes so far are JSON', async () => {
      const chunk = `${approved.length.toString(16)}\r\n${approved}\r\n`
      const headers = ['connection: close', 'transfer-encoding: chunked']
      const server = await misbehaveRaw(raw(chunk, ...headers), (socket) => socket.end())
      expect(await failure(clientOf(server).get('req_1'))).toMatchObject({ code: 'api-unreadable' })
    })

    it('that brings broken UTF-8 is unreadable, since a repaired text is another text', async () => {
      const broken = Buffer.concat([
        Buffer.from('{"id":"req_1","status":"APPROVED","decisionNote":"'),
        Buffer.of(0xc3, 0x28),
      ])
      const server = await misbehave((_, response) => response.end(Buffer.concat([broken, Buffer.from('"}')])))
      expect(await failure(clientOf(server).get('req_1'))).toMatchObject({ code: 'api-unreadable', httpStatus: 200 })
    })

    it('that cuts a character in two between packets is put together again', async () => {
      const bytes = Buffer.from(JSON.stringify({ id: 'req_1', status: 'APPROVED', decisionNote: 'für 5 €' }))
      const cut = bytes.indexOf(0xe2) + 1
      const server = await misbehave((_, response) => {
        response.write(bytes.subarray(0, cut))
        setTimeout(() => response.end(bytes.subarray(cut)), 20)
      })
      expect(await clientOf(server).get('req_1')).toMatchObject({ note: 'für 5 €' })
    })

    it('that speaks no HTTP is unreadable', async () => {
      const server = await misbehaveRaw('220 mail.example.com ESMTP\r\n')
      expect(await failure(clientOf(server).get('req_1'))).toMatchObject({ code: 'api-unreadable' })
    })

    it('is kept from one GET to the next, also past a refusal with a body', async () => {
      const server = await misbehave((request, response) => {
        response.statusCode = request.url?.endsWith('req_2') ? 404 : 200
        response.end(approved)
      })
      const client = clientOf(server)
      await client.get('req_1')
      await nextTurn()
      expect(await failure(client.get('req_2'))).toMatchObject({ code: 'api-not-found' })
      await nextTurn()
      await client.get('req_1')
      expect(server.requests).toHaveLength(3)
      expect(server.sockets).toHaveLength(1)
    })

    it('with early hints before the response is read past them', async () => {
      const hints = 'HTTP/1.1 103 Early Hints\r\ncontent-encoding: gzip\r\n\r\n'
      const server = await misbehaveRaw(hints + raw(approved, `content-length: ${approved.length}`))
      expect(await clientOf(server).get('req_1')).toMatchObject({ status: 'approved' })
    })
  })

  describe('giving up', () => {
    it('ends the current exchange and its connection', async () => {
      const given = new AbortController()
      const server = await misbehave(() => given.abort())
      const error = await failure(clientOf(server).get('req_1', { signal: given.signal }))
      expect(error).toMatchObject({ code: 'aborted' })
      await server.gone(0)
    })

    it('by close waits for the current exchange, and then closes its connections, which fetch keeps', async () => {
      const server = await misbehave((_, response) => void setTimeout(() => response.end(approved), 50))
      const client = clientOf(server)
      const answer = client.get('req_1')
      await client.close()
      expect(await answer).toMatchObject({ status: 'approved' })
      if (transport === 'undici') await server.gone(0)
    })

    it('by close leaves a dispatcher open that was given', async () => {
      const agent = new Agent()
      onTestFinished(() => agent.close())
      const client = createClient({ apiKey: key, dispatcher: agent })
      await client.close()
      await client.close()
      expect(agent.closed).toBe(false)
    })
  })

  describe('the path of a request', () => {
    it('is the base path, the endpoint and the id, byte for byte, for every id that is let through', async () => {
      const paths: (string | undefined)[] = []
      const server = createHttpServer((request, response) => {
        paths.push(request.url)
        response.end(JSON.stringify({ id: 'another', status: 'PENDING' }))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      onTestFinished(() => void server.close())
      const address = server.address()
      const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/base/path/`
      // Only the rules that no pattern can lift are left.
      const client = clientOf({ url }, { idPattern: /[\s\S]*/ })
      const text = fc.oneof(
        fc.stringMatching(/^[!-~]{1,12}$/),
        fc.string({ unit: 'binary', maxLength: 12 }),
        fc.constantFrom('....', 'ab/../', '..//..', '%2e%2e', 'id\r\nx:', 'a b c ', 'req\u0131d', 'id\u2028x'),
      )
      let accepted = 0
      await fc.assert(
        fc.asyncProperty(text, async (id) => {
          paths.length = 0
          const error = await failure(client.get(id))
          if (error.code === 'id-invalid') {
            expect(paths).toEqual([])
            return
          }
          accepted++
          expect(error.code).toBe('api-unreadable')
          // fetch writes some characters as codes, which name the same path.
          const asked = transport === 'fetch' ? paths.map((path) => decodeURIComponent(path ?? '')) : paths
          expect(asked).toEqual([`/base/path/api/approvals/${id}`])
          expect(id).not.toMatch(/[/\\%?#]|[^!-~]|^\.+$/)
        }),
        { numRuns: 300 },
      )
      expect(accepted).toBeGreaterThan(20)
    })
  })
})
