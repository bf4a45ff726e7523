import { expect, it } from 'vitest'
import { agent, bodyFor, callback, comparable, json, problem, taken } from '../support/adapters-bench.js'
import { path } from '../support/hosts.js'
import { chunk, headOf, type Sent, wireOf } from '../support/raw-http.js'
import { behind, connectTo, effects, none, servers } from '../support/threats-bench.js'

/*
 * Where one request ends and the next begins. Whatever comes, a connection is either in step with its client or closed.
 */

const body = bodyFor('req_1')
const length = `Content-Length: ${body.length}`
const chunks = 'Transfer-Encoding: chunked'
const post = { method: 'POST', path, headers: [agent, json] } as const
const genuine = wireOf(callback())
/** Known to nobody: its 404 tells that the connection is in step, and costs nothing. */
const stranger = wireOf(callback({ body: bodyFor('req_9') }))
const unknown = problem(404, 'unknown-approval', 'Unknown approval')
const methodRefused = problem(405, 'method-not-allowed', 'Method not allowed', { allow: 'POST' })
const handled = taken(200, 'handled')
const size = body.length.toString(16)

const withHead = (...lines: readonly string[]): string => headOf(post, lines) + body
const withLine = (line: string): string => withHead().replace(/^.*/, line).replace('\r\n\r\n', `\r\n${length}\r\n\r\n`)
const inChunks = (bytes: string): string => headOf(post, [chunks]) + bytes

const broken: readonly (readonly [name: string, bytes: string, status: number])[] = [
  ['a blank before the colon of a length', withHead(`Content-Length : ${body.length}`), 400],
  ['a header that goes on in the next line', withHead(length, 'X-More: a', ' b'), 400],
  ['an agent that begins in the next line', withHead(length, 'User-Agent:', '\tCheqpoint-Callback/1.0'), 400],
  ['the coding identity', withHead('Transfer-Encoding: identity'), 400],
  ['the coding identity beside a length', withHead('Transfer-Encoding: identity', length), 400],
  ['a coding that nobody knows', withHead('Transfer-Encoding: xchunked'), 400],
  ['a coding after a vertical tab', withHead('Transfer-Encoding: \x0bchunked'), 400],
  ['chunks declared twice', headOf(post, [chunks, chunks]) + chunk(body) + chunk(''), 400],
  ['the same length twice', withHead(length, length), 400],
  ['a list of lengths', withHead(`Content-Length: ${body.length}, ${body.length}`), 400],
  ['a length with a sign', withHead(`Content-Length: +${body.length}`), 400],
  ['a length in hexadecimal', withHead('Content-Length: 0x10'), 400],
  ['a length that is no number', withHead('Content-Length: NaN'), 400],
  ['a NUL in a header', withHead(length, 'X-More: a\0b'), 400],
  ['a lone CR in a header', withHead(length, 'X-More: a\rb'), 400],
  ['lines that end in LF alone', withHead(length).replaceAll('\r\n', '\n'), 400],
  ['a method in small letters', withLine(`post ${path} HTTP/1.1`), 400],
  ['a body without a length in HTTP/1.0', withHead('').replace('HTTP/1.1', 'HTTP/1.0'), 400],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['a chunk of more bytes than numbers go', inChunks(`FFFFFFFFFFFFFFFFF\r\n${body}`), 400],
  ['a chunk of a negative size', inChunks(`-1\r\n${body}\r\n0\r\n\r\n`), 400],
  ['a chunk whose size is written 0x', inChunks(`0x${size}\r\n${body}\r\n0\r\n\r\n`), 400],
  ['chunks that end in LF alone', inChunks(`${size}\n${body}\n0\n\n`), 400],
  ['a chunk that is longer than it says', inChunks(`${size}\r\n${body}XX\r\n0\r\n\r\n`), 400],
  ['a chunk with an extension of 20 kB', inChunks(`${size};${'a'.repeat(20_000)}\r\n${body}\r\n0\r\n\r\n`), 413],
  ['trailers of 20 kB', inChunks(`${size}\r\n${body}\r\n0\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`), 431],
]

const sound: readonly (readonly [name: string, bytes: string])[] = [
  ['a coding in capitals', headOf(post, ['Transfer-Encoding: CHUNKED']) + chunk(body) + chunk('')],
  ['chunks with extensions', inChunks(`${size};a=b;c="d"\r\n${body}\r\n0;e\r\n\r\n`)],
  ['a length with zeros before it and blanks after it', withHead(`Content-Length: 000${body.length}  `)],
  ['empty lines before it', `\r\n\r\n${genuine}`],
  ['an absolute URL', withLine(`POST http://other.test${path} HTTP/1.1`)],
  ['names of headers that objects inherit', withHead(length, '__proto__: a', 'constructor: b', 'toString: c')],
  ['names of headers with an underscore', withHead(length, 'User_Agent: curl', 'Content_Length: 1')],
  ['headers declared hop by hop', withHead(length, 'Connection: User-Agent, Content-Type')],
  [
    'trailers that contradict its head',
    inChunks(
      `${size}\r\n${body}\r\n0\r\nUser-Agent: curl\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n`,
    ),
  ],
]

const upgrades: readonly (readonly [protocol: string, lines: readonly string[]])[] = [
  ['WebSocket', ['Connection: Upgrade', 'Upgrade: websocket']],
  ['HTTP/2', ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA']],
]

/** Refused for another reason than their body, which is a request of its own. */
const carriers: readonly (readonly [name: string, parts: Partial<Sent>, status: number])[] = [
  ['another agent', { headers: [json] }, 403],
  ['a type that is not JSON', { headers: [agent, ['Content-Type', 'text/plain']] }, 415],
  ['a coded body', { headers: [agent, json, ['Content-Encoding', 'gzip']] }, 415],
  ['no JSON', {}, 400],
]

behind(servers, ({ bench, host }) => {
  it.each(broken)('T42: %s ends the connection, and what comes behind it is no request', async (_, bytes, status) => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(Buffer.concat([Buffer.from(bytes, 'latin1'), genuine]))
    // Fastify answers errors of the parser itself, this one with 400.
    const statuses = status === 413 ? [413, 400] : [status]
    expect(statuses).toContain((await connection.answer({ headOnly: true })).status)
    await connection.closed
    expect(effects(current)).toEqual(none)
    expect((await current.receiver.stats()).inFlight).toBe(0)
    await bench()
    expect(comparable(await host().send(callback()))).toEqual(handled)
  })

  it.each(sound)('T42: %s leaves it a callback like any other, and the connection in step', async (_, bytes) => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(Buffer.concat([Buffer.from(bytes, 'latin1'), stranger]))
    expect(comparable(await connection.answer())).toEqual(handled)
    expect(comparable(await connection.answer())).toEqual(unknown)
    expect(effects(current)).toMatchObject({ gets: 1, runs: 1 })
  })

  it.each(
    carriers.flatMap(([name, parts, status]) =>
      (['length', 'chunked'] as const).map((framing) => [name, framing, parts, status] as const),
    ),
  )('T42: a request hidden in the body of one with %s (%s) is not answered', async (_, framing, parts, status) => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(Buffer.concat([wireOf(callback({ ...parts, framing, body: genuine })), stranger]))
    expect((await connection.answer()).status).toBe(status)
    expect(comparable(await connection.answer())).toEqual(unknown)
    expect(effects(current)).toMatchObject({ gets: 0, runs: 0 })
  })

  it.each(['length', 'chunked'] as const)(
    'T42: a request hidden in a body that is too long (%s) is not answered, and the connection ends',
    async (framing) => {
      const current = await bench({ callbacks: { maxBodyBytes: 100 } })
      const connection = await connectTo(host())
      connection.write(wireOf(callback({ framing, body: `${genuine}${genuine}` })))
      expect((await connection.answer()).status).toBe(413)
      connection.write(genuine)
      await connection.closed
      expect(effects(current)).toEqual(none)
    },
  )

  it('T42: a connection is in step again after a receiver that is overloaded has refused a body unread', async () => {
    const current = await bench({ callbacks: { maxInFlight: 1 } })
    const asked = current.hang()
    const first = host().send(callback())
    await asked
    const connection = await connectTo(host())
    for (const framing of ['length', 'chunked'] as const) {
      connection.write(wireOf(callback({ framing, body: genuine })))
      expect((await connection.answer()).status).toBe(503)
    }
    current.letGo()
    await first
    connection.write(stranger)
    expect(comparable(await connection.answer())).toEqual(unknown)
    expect(effects(current)).toMatchObject({ gets: 1, runs: 1 })
  })

  it('T42: a request that names no host is refused by the server, and the connection ends', async () => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(withHead(length).replace('Host: app.test\r\n', ''))
    expect(await connection.answer({ headOnly: true })).toMatchObject({ status: 400 })
    await connection.closed
    expect(effects(current)).toEqual(none)
  })

  it('T42: a header that is sent as a trailer is none', async () => {
    const current = await bench()
    const connection = await connectTo(host())
    const head = headOf({ ...post, headers: [json] }, [chunks])
    connection.write(`${head}${chunk(body)}0\r\n${agent.join(': ')}\r\n\r\n`)
    connection.write(stranger)
    expect((await connection.answer()).status).toBe(403)
    expect(comparable(await connection.answer())).toEqual(unknown)
    expect(effects(current)).toMatchObject({ gets: 0, runs: 0 })
  })

  it.each(['GET', 'HEAD', 'PUT', 'TRACE', 'PROPFIND'])(
    'T43: %s with the body of a callback is refused, and the connection in step',
    async (method) => {
      const current = await bench()
      const connection = await connectTo(host())
      const headers = [agent, json, ['X-HTTP-Method-Override', 'POST'], ['X-Method-Override', 'POST']] as const
      connection.write(Buffer.concat([wireOf(callback({ method, headers })), stranger]))
      const answer = await connection.answer({ headOnly: method === 'HEAD' })
      expect(comparable(answer)).toEqual(method === 'HEAD' ? { ...methodRefused, body: '' } : methodRefused)
      expect(comparable(await connection.answer())).toEqual(unknown)
      expect(effects(current)).toMatchObject({ gets: 0, runs: 0 })
    },
  )

  it.each(upgrades)('T43: a callback that offers %s is answered as if it did not', async (_, lines) => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(withHead(length, ...lines))
    expect(comparable(await connection.answer())).toEqual(handled)
    connection.write(stranger)
    expect(comparable(await connection.answer())).toEqual(unknown)
    expect(effects(current)).toMatchObject({ gets: 1, runs: 1 })
  })

  it('T43: an upgrade with GET is refused like any GET', async () => {
    const current = await bench()
    const connection = await connectTo(host())
    const upgrade = [['Connection', 'Upgrade'] as const, ['Upgrade', 'websocket'] as const]
    connection.write(wireOf(callback({ method: 'GET', headers: [agent, ...upgrade], body: '' })))
    expect((await connection.answer()).status).toBe(405)
    connection.write(stranger)
    expect(comparable(await connection.answer())).toEqual(unknown)
    expect(effects(current)).toMatchObject({ gets: 0, runs: 0 })
  })

  it('T43: CONNECT opens no tunnel', async () => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(Buffer.concat([Buffer.from('CONNECT app.test:80 HTTP/1.1\r\nHost: app.test\r\n\r\n'), genuine]))
    await connection.closed
    expect(effects(current)).toEqual(none)
  })

  it('T46: a client that waits for 100 Continue gets it, even where its body is refused unread', async () => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(headOf({ ...post, headers: [json] }, [length, 'Expect: 100-continue']))
    expect(await connection.answer({ headOnly: true })).toMatchObject({ status: 100 })
    expect((await connection.answer()).status).toBe(403)
    connection.write(Buffer.concat([Buffer.from(body), stranger]))
    expect(comparable(await connection.answer())).toEqual(unknown)
    expect(effects(current)).toMatchObject({ gets: 0, runs: 0 })
  })

  it('T46: another expectation is refused by the server, and the connection in step', async () => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(Buffer.concat([Buffer.from(withHead(length, 'Expect: 200-ok')), stranger]))
    expect((await connection.answer()).status).toBe(417)
    expect(comparable(await connection.answer())).toEqual(unknown)
    expect(effects(current)).toMatchObject({ gets: 0, runs: 0 })
  })

  it('T47: a client that closes its side after its body still gets its response', async () => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.socket.end(genuine)
    expect((await connection.answer()).status).toBe(200)
    await connection.closed
    expect(effects(current)).toMatchObject({ gets: 1, runs: 1 })
  })

  it('T47: a client that closes its side in the middle of its body runs nothing, and its connection ends', async () => {
    const current = await bench({ callbacks: { bodyTimeoutMs: 60_000 } })
    const connection = await connectTo(host())
    connection.socket.end(genuine.subarray(0, -1))
    await connection.closed
    await current.seen('refused')
    expect(effects(current)).toEqual(none)
    expect((await current.receiver.stats()).inFlight).toBe(0)
  })

  it('T47: of ten requests on one connection that breaks off, those that came whole are acted on once', async () => {
    const current = await bench()
    const connection = await connectTo(host())
    connection.write(Buffer.concat([...Array.from({ length: 9 }, () => genuine), genuine.subarray(0, -1)]))
    for (let each = 0; each < 9; each++) expect(comparable(await connection.answer())).toEqual(handled)
    await connection.destroy()
    await current.seen('refused')
    expect(effects(current)).toMatchObject({ gets: 1, runs: 1 })
  })

  it('T50: conditional, range and origin headers change nothing in a response', async () => {
    await bench()
    const headers = [
      ...[agent, json],
      ...[['If-None-Match', '*'] as const, ['If-Modified-Since', 'Fri, 20 Nov 2099 10:00:00 GMT'] as const],
      ...[['Range', 'bytes=0-1'] as const, ['Accept-Encoding', 'gzip'] as const, ['Origin', 'null'] as const],
      ...[['Cookie', 'a=b'] as const, ['Accept', 'text/html'] as const],
    ]
    expect(comparable(await host().send(callback({ headers })))).toEqual(handled)
  })
})
