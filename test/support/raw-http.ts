import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** A request, down to how its bytes are framed. */
export interface Sent {
  readonly method: string
  readonly path: string
  /** Sent unchanged, in this order; names may repeat. `host` and the framing are added. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string | Uint8Array
  /**
   * `length` (default): Content-Length. `chunked`: in two chunks. `unfinished`: a chunk, and no end. `declared`: a
   * Content-Length, and no body.
   */
  readonly framing?: 'length' | 'chunked' | 'unfinished' | { readonly declared: number } | undefined
}

export interface Received {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The head of a request as it goes over the wire. */
export function headOf(
  { method, path, headers }: Pick<Sent, 'method' | 'path' | 'headers'>,
  framing: readonly string[] = [],
): string {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: app.test', ...headers.map(([name, value]) => `${name}: ${value}`)]
  return [...lines, ...framing, '', ''].join('\r\n')
}

/** One chunk of a chunked body; an empty one ends it. */
export function chunk(bytes: string | Uint8Array): Buffer {
  const data = Buffer.from(bytes)
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')])
}

/** A whole request as it goes over the wire. */
export function wireOf(sent: Sent): Buffer {
  const body = Buffer.from(sent.body)
  if (typeof sent.framing === 'object') return Buffer.from(headOf(sent, [`Content-Length: ${sent.framing.declared}`]))
  if (sent.framing !== 'chunked' && sent.framing !== 'unfinished') {
    const length = body.length === 0 && sent.method !== 'POST' ? [] : [`Content-Length: ${body.length}`]
    return Buffer.concat([Buffer.from(headOf(sent, length)), body])
  }
  const head = Buffer.from(headOf(sent, ['Transfer-Encoding: chunked']))
  if (sent.framing === 'unfinished') return Buffer.concat([head, chunk(body)])
  const middle = Math.floor(body.length / 2)
  const chunks = [body.subarray(0, middle), body.subarray(middle)].filter(({ length }) => length > 0)
  return Buffer.concat([head, ...chunks.map(chunk), chunk('')])
}

/** A connection on which a test controls every byte. A reset counts as the end of the connection. */
export class RawConnection {
  readonly socket: Socket
  /** Resolves when either side ended the connection. */
  readonly closed: Promise<void>
  #bytes = Buffer.alloc(0)
  #over = false
  #wake = (): void => {}

  private constructor(socket: Socket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.on('data', (data) => {
      this.#bytes = Buffer.concat([this.#bytes, data])
      this.#wake()
    })
    socket.on('error', () => {})
    void this.closed.then(() => {
      this.#over = true
      this.#wake()
    })
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new RawConnection(socket)
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes)
  }

  /** Writes an endless body until the other side ends the connection. */
  async pump(bytes: Uint8Array): Promise<void> {
    while (!this.#over) {
      if (this.socket.write(bytes)) await new Promise(setImmediate)
      else await Promise.race([new Promise((resolve) => this.socket.once('drain', resolve)), this.closed])
    }
  }

  /** The next answer. Rejects where the connection ends before it is whole. `headOnly`: it comes without a body. */
  async answer({ headOnly = false }: { readonly headOnly?: boolean } = {}): Promise<Received> {
    const head = await this.#until(
      () => this.#bytes.indexOf('\r\n\r\n') + 4,
      (end) => end > 3,
    )
    const [start = '', ...lines] = this.#take(head).toString('latin1').trimEnd().split('\r\n')
    const status = Number(start.split(' ')[1])
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(':')
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
      }),
    )
    if (headOnly) return { status, headers, body: '' }
    const body = headers['transfer-encoding'] === 'chunked' ? await this.#chunks() : await this.#bytesOf(headers)
    return { status, headers, body: body.toString() }
  }

  /** Ends the connection silently. */
  async destroy(): Promise<void> {
    this.socket.destroy()
    await this.closed
  }

  async #bytesOf(headers: Received['headers']): Promise<Buffer> {
    if (headers['content-length'] === undefined) throw new Error('an answer without a length')
    return this.#takeOnceThere(Number(headers['content-length']))
  }

  async #chunks(): Promise<Buffer> {
    const chunks: Buffer[] = []
    for (;;) {
      const lineEnd = await this.#until(
        () => this.#bytes.indexOf('\r\n'),
        (at) => at >= 0,
      )
      const size = Number.parseInt(this.#take(lineEnd + 2).toString(), 16)
      chunks.push((await this.#takeOnceThere(size + 2)).subarray(0, size))
      if (size === 0) return Buffer.concat(chunks)
    }
  }

  async #takeOnceThere(size: number): Promise<Buffer> {
    await this.#until(
      () => this.#bytes.length,
      (length) => length >= size,
    )
    return this.#take(size)
  }

  #take(size: number): Buffer {
    const taken = this.#bytes.subarray(0, size)
    this.#bytes = this.#bytes.subarray(size)
    return taken
  }

  async #until(measure: () => number, enough: (value: number) => boolean): Promise<number> {
    for (;;) {
      const value = measure()
      if (enough(value)) return value
      if (this.#over) throw new Error(`the connection ended; what had come: ${this.#bytes.toString()}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
