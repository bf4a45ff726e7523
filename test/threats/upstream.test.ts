import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LookupFunction } from 'node:net'
import { gzipSync } from 'node:zlib'
import { Agent } from 'undici'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { snapshotOf } from '../support/approval-snapshot.js'
import { closedPort, misbehave } from '../support/misbehaving-server.js'
import { bench, refund } from '../support/receiver.js'
import { eventsOf } from '../support/runs-events.js'
import { gate } from '../support/runs-time.js'
import { listenTls, selfSigned } from '../support/tls-server.js'
import { answerBody, upstreamBench } from '../support/upstream-bench.js'

/*
 * An API, or something in front of it, that misbehaves on a real connection, and what a callback then costs and gets.
 */

type Fault = (request: IncomingMessage, response: ServerResponse) => void

/** Where something sweeps, and where nothing does; with what the callback is answered if the API fails. */
const columns = [
  ['elsewhere', 202],
  ['off', 502],
] as const

afterEach(() => {
  vi.useRealTimers()
})

/** Writes these bytes past the HTTP server, and then ends the connection as told. */
function raw(bytes: string, end: 'reset' | 'end' | 'stay'): Fault {
  return ({ socket }) => {
    socket.write(bytes, () => {
      if (end === 'reset') socket.resetAndDestroy()
      if (end === 'end') socket.end()
    })
  }
}

function head(...lines: readonly string[]): string {
  return ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n')
}

function body(text: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Fault {
  return (_, response) => void response.writeHead(200, headers).end(text)
}

const approval = answerBody()
const chunk = `${approval.length.toString(16)}\r\n${approval}\r\n`

/** For the callback, and once more when the API is well again: the decision arrives, and nothing was started before. */
async function expectFailureAndRecovery(fault: Fault): Promise<void> {
  for (const [sweep, answered] of columns) {
    let broken = true
    const server = await misbehave((request, response) => {
      if (broken) fault(request, response)
      else response.end(approval)
    })
    const { send, runs, calls, events } = await upstreamBench(server.url, { sweep, confirm: { minIntervalMs: 0 } })
    const answer = await send()
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([answered, answered === 502 ? '10' : null])
    expect(runs).toEqual([])
    expect(calls()).toEqual(['read', 'write', 'write'])
    expect(eventsOf(events, 'released')).toMatchObject([{ reason: 'api-failed' }])
    expect(server.requests).toHaveLength(1)
    broken = false
    expect((await send()).status).toBe(200)
    expect(runs).toMatchObject([{ decision: { status: 'approved' }, run: { attempt: 1 } }])
  }
}

describe('an API that fails', () => {
  it.each([500, 502, 503, 504, 599, 999])(
    'T61: with %i runs nothing and counts no attempt, until its next valid response',
    (status) => expectFailureAndRecovery((_, response) => response.writeHead(status).end(approval)),
  )
})

describe('a connection to the API', () => {
  it.each<[string, Fault]>([
    ['is closed without a word', ({ socket }) => socket.destroy()],
    ['is reset without a word', ({ socket }) => socket.resetAndDestroy()],
    ['is reset within the head', raw('HTTP/1.1 200 OK\r\ncontent-ty', 'reset')],
    ['is reset after the head', raw(head(`content-length: ${approval.length}`), 'reset')],
    ['is reset within the body', raw(head(`content-length: ${approval.length}`) + approval.slice(0, 30), 'reset')],
    ['ends a byte before the announced length', raw(head(`content-length: ${approval.length + 1}`) + approval, 'end')],
    ['ends before the last chunk', raw(head('transfer-encoding: chunked') + chunk, 'end')],
    ['has two lengths', raw(head('content-length: 5', `content-length: ${approval.length}`) + approval, 'stay')],
    ['speaks another protocol', raw('220 mail.example.com ESMTP\r\n', 'stay')],
    [
      'turns to another protocol',
      raw('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n', 'stay'),
    ],
    ['brings a header of 20 kB', (_, response) => response.setHeader('x-long', 'x'.repeat(20_000)).end(approval)],
    [
      'brings the page of a proxy',
      body('<html>Sign in to the airport network</html>', { 'content-type': 'text/html' }),
    ],
    ['brings half a document', body(approval.slice(0, -1))],
    ['brings two documents', body(approval + approval)],
    ['brings UTF-16', body(Buffer.from(approval, 'utf16le'))],
    ['brings the decision on another request', body(answerBody({ id: 'req_2' }))],
    [
      'brings 200 kB that unpack to 200 MB',
      body(gzipSync(Buffer.alloc(200_000_000, ' ')), { 'content-encoding': 'gzip' }),
    ],
    ['brings 2 MB', body(approval.padEnd(2_000_000))],
  ])('T62: that %s runs nothing and counts no attempt, and the next one is well again', (_, fault) =>
    expectFailureAndRecovery(fault),
  )

  it.each(columns)('T62: that is refused runs nothing (sweep: %s)', async (sweep, answered) => {
    const { send, runs, events } = await upstreamBench(`http://127.0.0.1:${await closedPort()}`, { sweep })
    expect((await send()).status).toBe(answered)
    expect(eventsOf(events, 'released')).toMatchObject([{ code: 'api-unreachable' }])
    expect(runs).toEqual([])
  })

  it.each([
    ['does not exist', (callback) => callback(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), '', 0)],
    ['cannot be looked up now', (callback) => callback(Object.assign(new Error('no'), { code: 'EAI_AGAIN' }), '', 0)],
    ['has no address', (callback) => callback(null, [])],
    ['has an address that is none', (callback) => callback(null, '256.1.1.1', 4)],
  ] satisfies [string, (callback: Parameters<LookupFunction>[2]) => void][])(
    'T62: to a name that %s runs nothing, and is well again once the name is',
    async (_, fail) => {
      const server = await misbehave((_request, response) => response.end(approval))
      const { port } = new URL(server.url)
      let broken = true
      const lookup: LookupFunction = (_name, _options, callback) => {
        if (broken) fail(callback)
        else callback(null, [{ address: '127.0.0.1', family: 4 }])
      }
      const dispatcher = new Agent({ connect: { lookup } })
      onTestFinished(() => dispatcher.close())
      // Plain http needs a loopback name; which one it is only the lookup above knows.
      const options = { dispatcher, sweep: 'off', confirm: { minIntervalMs: 0 } } as const
      const { send, runs, events } = await upstreamBench(`http://localhost:${port}`, options)
      expect((await send()).status).toBe(502)
      expect(eventsOf(events, 'released')).toMatchObject([{ code: 'api-unreachable' }])
      expect([runs, server.sockets]).toEqual([[], []])
      broken = false
      expect((await send()).status).toBe(200)
    },
  )

  it('T62: to a certificate that is past its time runs nothing, and its server learns no key', async () => {
    const expired = selfSigned({ notAfter: new Date(Date.now() - 60_000) })
    const server = await listenTls(expired, (_, response) => response.end(approval))
    const dispatcher = new Agent({ connect: { ca: expired.cert } })
    onTestFinished(() => dispatcher.close())
    const { send, runs } = await upstreamBench(server.url, { dispatcher, sweep: 'off' })
    expect((await send()).status).toBe(502)
    expect([runs, server.seen]).toEqual([[], []])
  })

  it('T62: that brings an unrequested response does not give it to a later request', async () => {
    const answers = [
      `${head(`content-length: ${approval.length}`)}${approval}${head(`content-length: ${approval.length}`)}${approval.replace('req_1', 'req_2')}`,
    ]
    const server = await misbehave((request, response) => {
      const bytes = answers.shift()
      if (bytes === undefined) response.end(answerBody({ id: 'req_2', status: 'PENDING' }))
      else request.socket.write(bytes)
    })
    const { send, receiver, runs } = await upstreamBench(server.url)
    await receiver.track('req_2', refund)
    expect((await send()).status).toBe(200)
    expect(await receiver.resolve('req_2')).toMatchObject({ kind: 'undecided' })
    expect(runs).toHaveLength(1)
    expect(server.requests).toHaveLength(2)
  })
})

describe('a slow API', () => {
  it.each<[string, string, string]>([
    ['nothing at all', '', ''],
    ['a byte of the head', 'HTTP/1.1 200 OK\r\nx-slow: ', 'x'],
    ['early hints', '', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'],
    ['a byte of the body', head('content-length: 1000'), ' '],
  ])(
    'T63: and sends %s every second is given up after five of them, and its connection ends',
    async (_, first, each) => {
      // The sockets are real; only the time is ours.
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
      for (const [sweep, answered] of columns) {
        const asked = gate<IncomingMessage>()
        const server = await misbehave((request) => asked.open(request))
        const { send, runs, faulty } = await upstreamBench(server.url, { sweep })
        let answer: Response | undefined
        const sent = send().then((response) => {
          answer = response
        })
        const { socket } = await asked.promise
        socket.write(first)
        for (let second = 1; second < 5; second++) {
          await vi.advanceTimersByTimeAsync(1_000)
          socket.write(each)
          await new Promise(setImmediate)
        }
        await vi.advanceTimersByTimeAsync(900)
        expect(answer).toBeUndefined()
        await vi.advanceTimersByTimeAsync(100)
        await sent
        expect(answer?.status).toBe(answered)
        await server.gone(0)
        expect(runs).toEqual([])
        expect(await snapshotOf(faulty.store, 'req_1')).toMatchObject({ state: 'pending', attempts: 0 })
      }
    },
  )
})

describe('an API that throttles', () => {
  const now = Date.parse('2026-11-20T10:00:00Z')

  it.each<[string, string | readonly string[] | undefined, number]>([
    ['two minutes', '120', 120_000],
    ['nothing', '0', 1_000],
    ['ten years', '315360000', 900_000],
    ['more digits than a number has', '9'.repeat(400), 30_000],
    ['less than nothing', '-5', 30_000],
    ['a fraction', '1.5', 30_000],
    ['an exponent', '1e9', 30_000],
    ['no text', '', 30_000],
    ['words', 'when it suits you', 30_000],
    ['a list', '120, 1', 30_000],
    ['two headers', ['120', '1'], 30_000],
    ['no header', undefined, 30_000],
    ['a date in two minutes', 'Fri, 20 Nov 2026 10:02:00 GMT', 120_000],
    ['the same in the old form', 'Friday, 20-Nov-26 10:02:00 GMT', 120_000],
    ['a date in ten years', 'Thu, 20 Nov 2036 10:02:00 GMT', 900_000],
    ['a date that is over', 'Fri, 20 Nov 2026 09:00:00 GMT', 1_000],
    ['no date of any calendar', 'Fri, 32 Nov 2026 10:02:00 GMT', 30_000],
  ])(
    'T60: with a Retry-After of %s is left alone for its time, between a second and a quarter of an hour',
    async (_, value, forMs) => {
      for (const [sweep, answered] of [
        ['elsewhere', 202],
        ['off', 503],
      ] as const) {
        const server = await misbehave((_request, response) => {
          if (value !== undefined) response.setHeader('retry-after', value)
          response.writeHead(429).end(approval)
        })
        const clock = { now: () => now, elapsed: () => performance.now() }
        const { send, runs, events } = await upstreamBench(server.url, { sweep, clock, confirm: { minIntervalMs: 0 } })
        const answer = await send()
        expect([answer.status, answer.headers.get('retry-after')]).toEqual([
          answered,
          answered === 503 ? String(forMs / 1000) : null,
        ])
        expect(eventsOf(events, 'paused')).toEqual([{ type: 'paused', assistant: null, forMs }])
        // Every further callback costs nothing as long as the pause lasts.
        expect((await send()).status).toBe(answered)
        expect([runs, server.requests.length]).toEqual([[], 1])
      }
    },
  )
})

describe('a key that is rotated', () => {
  it('T58: while a thousand requests are open costs one GET more for each in progress, and no decision', async () => {
    const open = 1_000
    const good = new Set(['cq_old'])
    const server = await misbehave((request, response) => {
      const id = request.url?.split('/').at(-1) ?? ''
      const key = String(request.headers['x-api-key'])
      if (good.has(key)) response.end(answerBody({ id }))
      else response.writeHead(401).end()
    })
    const done = gate()
    const { receiver, runs, events } = bench({
      apiKey: ['cq_old', 'cq_new'],
      baseUrl: server.url,
      dispatcher: undefined,
      polling: { firstMs: 1, requestsPerSecond: Number.POSITIVE_INFINITY },
      onDecision: () => {
        if (runs.length === open / 2) {
          good.delete('cq_old')
          good.add('cq_new')
        }
        if (runs.length === open) done.open()
      },
    })
    onTestFinished(() => receiver.close())
    for (let each = 0; each < open; each++) await receiver.track(`req_${each}`, refund)
    await receiver.start()
    await done.promise
    expect(new Set(runs.map(({ decision }) => decision.approvalId)).size).toBe(open)
    expect(runs.every(({ run }) => run.attempt === 1)).toBe(true)
    // Sixteen at most were under way with the old key.
    expect(server.requests.length).toBeLessThanOrEqual(open + 16)
    expect(eventsOf(events, 'api-key-refused')).toEqual([])
  })
})
