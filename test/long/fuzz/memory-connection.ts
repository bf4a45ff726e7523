import type { Server } from 'node:http'
import { Duplex } from 'node:stream'
import type { Received } from '../../support/raw-http.js'

/** A connection without a socket: the Node.js server reads and writes bytes as on any other. */
class MemoryConnection extends Duplex {
  #bytes = ''
  readonly #onBytes: (bytes: string) => void

  constructor(onBytes: (bytes: string) => void) {
    super()
    this.#onBytes = onBytes
  }

  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    // One character per byte, so that lengths are correct.
    this.#bytes += chunk.toString('latin1')
    done()
    this.#onBytes(this.#bytes)
  }
}

/** Sends a complete request to a server that does not listen. Resolves with its first final response. */
export async function exchange(server: Server, request: Uint8Array, headOnly: boolean): Promise<Received> {
  let received: Received | null = null
  const connection = new MemoryConnection((bytes) => {
    received ??= readAnswer(bytes, headOnly)
  })
  connection.on('error', () => {})
  server.emit('connection', connection)
  connection.push(request)
  for (let turn = 0; received === null; turn++) {
    if (turn > 5_000) throw new Error('a request without an answer')
    await new Promise((resolve) => setImmediate(resolve))
  }
  connection.destroy()
  return received
}

/** The response in these bytes, or `null` if it is not complete. */
function readAnswer(bytes: string, headOnly: boolean): Received | null {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return null
  const [start = '', ...lines] = bytes.slice(0, end).split('\r\n')
  const rest = bytes.slice(end + 4)
  const status = Number(start.split(' ')[1])
  if (status < 200) return readAnswer(rest, headOnly)
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  if (headOnly) return { status, headers, body: '' }
  const body =
    headers['transfer-encoding'] === 'chunked' ? unchunked(rest) : rest.slice(0, Number(headers['content-length']))
  const isWhole =
    body !== null && (headers['content-length'] === undefined || body.length === Number(headers['content-length']))
  return isWhole ? { status, headers, body: Buffer.from(body, 'latin1').toString() } : null
}

function unchunked(bytes: string): string | null {
  let body = ''
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.slice(at, lineEnd), 16)
    if (lineEnd < 0 || bytes.length < lineEnd + size + 4) return null
    if (size === 0) return body
    body += bytes.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + size + 4
  }
}
