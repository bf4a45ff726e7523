import { createServer, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createClient, createReceiver, memoryStore } from '../../src/index.js'
import { failure } from '../support/submit-bench.js'
import { sendOver, transports } from '../support/transports.js'

/*
 * Over real sockets: a server that closes idle connections, as servers do, in the moment at which one is used again.
 */

/** What the server does with the nth request of all, after it arrived. */
type Act = (socket: Socket, path: string) => void

function answer(socket: Socket, path: string): void {
  const id = path.split('/').at(-1)
  const body = JSON.stringify({ id, approvalId: id, status: 'PENDING' })
  socket.write(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
}

const reset: Act = (socket) => socket.resetAndDestroy()
// Ended in order, so that what was written arrives.
const half: Act = (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 80\r\n\r\n{"id":')

async function server(acts: readonly Act[]) {
  const requests: string[] = []
  const tcp = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => {
      const [method = '', path = ''] = data.toString().split(' ')
      // A body that comes in a packet of its own begins no request.
      if (!/^(GET|POST)$/.test(method)) return
      requests.push(method)
      const act = acts[requests.length - 1] ?? answer
      act(socket, path)
    })
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => tcp.once('listening', resolve))
  const address = tcp.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const baseUrl = `http://127.0.0.1:${port}`
  const client = createClient({ apiKey: 'cq_live_test', baseUrl })
  onTestFinished(async () => {
    await client.close()
    tcp.close()
  })
  return { client, requests, baseUrl }
}

const request = { action: 'a', summary: 's', details: {} }

describe('a connection that was used before, and is gone when it is used again', () => {
  it('costs a GET nothing: it is sent once more', async () => {
    const { client, requests } = await server([answer, reset])
    await client.get('req_1')
    expect(await client.get('req_2')).toMatchObject({ id: 'req_2', status: 'pending' })
    expect(requests).toEqual(['GET', 'GET', 'GET'])
  })

  it('fails a GET that fails again', async () => {
    const { client, requests } = await server([answer, reset, reset])
    await client.get('req_1')
    expect(await failure(client.get('req_2'))).toMatchObject({ code: 'api-broken-off' })
    expect(requests).toEqual(['GET', 'GET', 'GET'])
  })

  it('fails a GET over fetch, which does not tell that it was used before', async () => {
    sendOver('fetch')
    const { client, requests } = await server([answer, reset])
    await client.get('req_1')
    expect(await failure(client.get('req_2'))).toMatchObject({ code: 'api-broken-off' })
    expect(requests).toEqual(['GET', 'GET'])
  })

  it.each(
    transports.flatMap((transport) => (['inbound', 'request'] as const).map((method) => [method, transport] as const)),
  )('fails a POST of %s over %s, which is never sent twice', async (method, transport) => {
    sendOver(transport)
    const { client, requests } = await server([answer, reset])
    await client.get('req_1')
    expect(await failure(client[method](request))).toMatchObject({ code: 'api-broken-off' })
    expect(requests).toEqual(['GET', 'POST'])
  })

  it('fails a GET of whose response the head had arrived', async () => {
    const { client, requests } = await server([answer, half])
    await client.get('req_1')
    expect(await failure(client.get('req_2'))).toMatchObject({ code: 'api-broken-off' })
    expect(requests).toEqual(['GET', 'GET'])
  })
})

describe('a connection that is new', () => {
  it('and breaks off fails a GET, which is not sent again', async () => {
    const { client, requests } = await server([reset])
    expect(await failure(client.get('req_1'))).toMatchObject({ code: 'api-broken-off' })
    expect(requests).toEqual(['GET'])
  })

  it('and is closed fails a GET, which is not sent again, though another connection was used before', async () => {
    const last: Act = (socket) => {
      const body = JSON.stringify({ id: 'req_1', status: 'PENDING' })
      socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    }
    const { client, requests } = await server([last, (socket) => socket.end()])
    await client.get('req_1')
    expect(await failure(client.get('req_2'))).toMatchObject({ code: 'api-broken-off' })
    expect(requests).toEqual(['GET', 'GET'])
  })
})

describe('a receiver without a dispatcher', () => {
  it('ends its connections when it closes', async () => {
    const open = new Set<Socket>()
    const kept: Act = (socket) => {
      open.add(socket.once('close', () => open.delete(socket)))
      const body = JSON.stringify({ id: 'req_1', status: 'PENDING' })
      // Longer than the test takes: nothing but close() ends the connection.
      const head = `HTTP/1.1 200 OK\r\nkeep-alive: timeout=600\r\ncontent-length: ${body.length}`
      socket.write(`${head}\r\n\r\n${body}`)
    }
    const { baseUrl } = await server([kept])
    const options = { apiKey: 'cq_live_test', baseUrl, store: memoryStore(), log: false } as const
    const receiver = createReceiver({ ...options, onDecision: () => undefined })
    await receiver.track('req_1', { action: 'refund', details: {} })
    expect(await receiver.resolve('req_1')).toMatchObject({ kind: 'undecided' })
    expect(open.size).toBe(1)
    await receiver.close()
    await vi.waitFor(() => expect(open.size).toBe(0), { timeout: 15_000 })
  })
})
