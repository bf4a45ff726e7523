import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { headOf, wireOf } from '../../support/raw-http.js'
import type { BodiesAttackerPlan } from './bodies-messages.js'
import { bodyFor } from './junk.js'
import { pendingId } from './messages.js'
import { onOrder, readPlan, say } from './process.js'

/*
 * An attacker with the agent header and without a token. Sends heads without bodies on sockets or HTTP/2 streams, or
 * copies of one callback on one socket as fast as possible.
 */

const { way, port, path, seconds, count, againMs } = readPlan<BodiesAttackerPlan>()
const headers = [
  ['User-Agent', 'Cheqpoint-Callback/1.0'],
  ['Content-Type', 'application/json'],
] as const
let over = false
const onEnd: (() => void)[] = []

/** Keeps `count` open, and reopens each a while after its end. Resolves with the number opened. */
async function keepOpen(open: (at: number) => Promise<void>): Promise<number> {
  let opened = 0
  const keep = async (at: number): Promise<void> => {
    while (!over) {
      opened++
      await open(at)
      if (!over) await sleep(againMs)
    }
  }
  await Promise.all(Array.from({ length: count }, (_, at) => keep(at)))
  return opened
}

/** Resolves once the socket has a response, or has ended. */
function holdSocket(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const stop = (): void => void socket.destroy()
    onEnd.push(stop)
    socket.once('close', () => resolve()).on('error', () => {})
    socket.once('data', stop)
    socket.write(headOf({ method: 'POST', path, headers }, ['Content-Length: 100']))
  })
}

const sessions: ClientHttp2Session[] = []
const streamsOfSession = 100

function sessionOf(at: number): ClientHttp2Session {
  const nth = Math.floor(at / streamsOfSession)
  const known = sessions[nth]
  if (known !== undefined && !known.destroyed && !known.closed) return known
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  onEnd.push(() => session.destroy())
  sessions[nth] = session
  return session
}

function holdStream(at: number): Promise<void> {
  return new Promise((resolve) => {
    const fields = { 'user-agent': headers[0][1], 'content-type': headers[1][1], 'content-length': '100' }
    const stream = sessionOf(at).request({ ':method': 'POST', ':path': path, ...fields }, { endStream: false })
    stream.once('close', () => resolve()).on('error', () => {})
    // The client keeps its half open after the response.
    stream.resume()
  })
}

/** Resolves with the number of copies written. */
async function sendCopies(): Promise<number> {
  const one = wireOf({ method: 'POST', path, headers, body: bodyFor(pendingId(0)) })
  const some = Buffer.concat(Array.from({ length: 100 }, () => one))
  const socket = connect({ port, host: '127.0.0.1' })
  onEnd.push(() => socket.destroy())
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {}).resume()
  let sent = 0
  while (!over && !socket.destroyed) {
    sent += 100
    if (!socket.write(some)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed])
  }
  return sent
}

onOrder(async ({ kind }) => {
  if (kind !== 'go') return
  setTimeout(() => {
    over = true
    for (const end of onEnd) end()
  }, seconds * 1_000)
  const ways = { sockets: () => keepOpen(holdSocket), streams: () => keepOpen(holdStream), pipelined: sendCopies }
  say({ kind: 'done', sent: await ways[way](), seconds, answers: [] })
})
say({ kind: 'ready' })
