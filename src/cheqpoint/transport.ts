import type { IncomingHttpHeaders } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import { CheqpointError, type ErrorCode } from '../model/errors.js'
import { readUtf8 } from '../util/json.js'
import type { SharedTimer } from '../util/shared-timer.js'

/*
 * Where questions go, and one exchange at a time: what is sent, what is accepted as an answer, when we stop listening.
 * Nothing here follows a redirect, undoes a content coding or sends anything twice.
 */

export interface ApiRequest {
  readonly method: 'GET' | 'POST'
  /** Appended to the base URL as it is. */
  readonly path: string
  /** Names and values in turn, the key aside. */
  readonly headers: readonly string[]
  readonly body: string | null
  /** Bounds the whole exchange, from waiting for a connection to the last byte. */
  readonly alarm: SharedTimer
}

export interface ApiResponse {
  readonly status: number
  /** The body of a 2xx; of no other status is it read. */
  readonly text: string
  readonly retryAfter: string | undefined
  /** The host that a redirect names, never its path or query. */
  readonly redirectHost: string | undefined
}

export interface Transport {
  /**
   * Resolves with any status of 200 and above. Rejects with `api-unreachable` (nothing was sent), `api-broken-off`,
   * `api-timeout`, `api-unreadable` or `aborted`; the error carries no header, no body and no cause.
   */
  send(question: ApiRequest, key: string, signal: AbortSignal | undefined): Promise<ApiResponse>
  /** Closes what was opened here, once its exchanges are over. */
  close(): Promise<void>
}

export interface TransportOptions {
  readonly baseUrl: string
  /** Left open by `close`. Without one a pool is made at the first question. */
  readonly dispatcher: Dispatcher | undefined
  readonly connectTimeoutMs: number
  readonly maxResponseBytes: number
}

/** Throws `option-invalid` for a base URL that a key must not be sent to. */
export function createTransport(options: TransportOptions): Transport {
  const { origin, prefix } = readBaseUrl(options.baseUrl)
  const { dispatcher, connectTimeoutMs, maxResponseBytes } = options
  let pool: Pool | undefined

  function open(): Dispatcher {
    if (dispatcher !== undefined) return dispatcher
    // Said here, NODE_TLS_REJECT_UNAUTHORIZED cannot unsay it: whoever could answer for the API could approve anything.
    pool ??= new Pool(origin, { connect: { timeout: connectTimeoutMs, rejectUnauthorized: true }, pipelining: 1 })
    return pool
  }

  return {
    send({ method, path, headers: others, body, alarm }, key, signal) {
      return new Promise((resolve, reject) => {
        const exchange = new Exchange(maxResponseBytes, resolve, reject)
        if (signal?.aborted) return exchange.stop('aborted', 'the signal was aborted')
        exchange.listen(alarm, signal)
        // The alarm bounds the sum of all parts, so the parts need no time-outs of their own.
        const headers = ['x-api-key', key, ...others]
        const request = { origin, path: prefix + path, method, headers, body, headersTimeout: 0, bodyTimeout: 0 }
        try {
          open().dispatch(request, exchange)
        } catch (error) {
          exchange.fail(error)
        }
      })
    },
    async close() {
      await pool?.close()
    },
  }
}

/** Where the API is. The value is not shown in the error: it may hold credentials. */
function readBaseUrl(value: unknown): { readonly origin: string; readonly prefix: string } {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null
  const encrypted = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback.test(url.hostname))
  if (url === null || !encrypted || `${url.username}${url.password}${url.search}${url.hash}` !== '') {
    throw new CheqpointError(
      'option-invalid',
      'option baseUrl must be an https URL, or http on a loopback host, without credentials, query and fragment',
    )
  }
  return { origin: url.origin, prefix: url.pathname.replace(/\/+$/, '') }
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

const empty = Buffer.alloc(0)

const nothing = (): void => {}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #maxBytes: number
  readonly #resolve: (reply: ApiResponse) => void
  readonly #reject: (error: CheqpointError) => void
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #head: Omit<ApiResponse, 'text'> | undefined
  #controller: Dispatcher.DispatchController | undefined
  #unlisten = nothing
  #over = false

  constructor(maxBytes: number, resolve: (reply: ApiResponse) => void, reject: (error: CheqpointError) => void) {
    this.#maxBytes = maxBytes
    this.#resolve = resolve
    this.#reject = reject
  }

  listen(alarm: SharedTimer, signal: AbortSignal | undefined): void {
    const disarm = alarm.start(() => {
      if (this.#controller === undefined) this.stop('api-unreachable', 'there was no connection to the API in time')
      else this.stop('api-timeout', 'the API did not answer in time')
    })
    this.#unlisten = disarm
    if (signal === undefined) return
    const onAbort = () => this.stop('aborted', 'the signal was aborted')
    signal.addEventListener('abort', onAbort)
    this.#unlisten = () => {
      disarm()
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Ends the exchange and its connection. Where the head was answer enough already, that answer stands. */
  stop(code: ErrorCode, message: string): void {
    if (this.#over) return
    this.#end()
    const error = new CheqpointError(code, message, { httpStatus: this.#head?.status })
    this.#reject(error)
    this.#controller?.abort(error)
  }

  fail(error: unknown): void {
    const words = errorWords(error)
    const known = words.find((word) => failureCodes.has(word)) ?? ''
    const code = failureCodes.get(known) ?? (this.#controller === undefined ? 'api-unreachable' : 'api-broken-off')
    this.stop(code, `the exchange with the API failed (${words[0] ?? 'no code'})`)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Given up while it waited for a connection: a submission must not go out after that.
    if (this.#over) controller.abort(new CheqpointError('aborted', 'given up before it was sent'))
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return
    const { location, 'retry-after': retryAfter } = headers
    this.#head = { status, retryAfter: single(retryAfter), redirectHost: hostOf(single(location)) }
    if (status >= 300) {
      // Its body says nothing that we act on. It still flows, within the same bounds, so that the connection can be kept.
      this.#resolve({ text: '', ...this.#head })
    } else if (String(headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') {
      this.stop('api-unreadable', 'the answer is encoded, and identity was asked for')
    } else if (Number(headers['content-length']) > this.#maxBytes) {
      this.#stopTooLarge()
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#maxBytes) this.#stopTooLarge()
    else if (this.#head !== undefined && this.#head.status < 300) this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    if (this.#head === undefined) return
    const [first = empty, ...more] = this.#chunks
    const text = readUtf8(more.length === 0 ? first : Buffer.concat(this.#chunks))
    if (text === null) {
      this.stop('api-unreadable', 'the answer is not UTF-8')
      return
    }
    this.#end()
    this.#resolve({ text, ...this.#head })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error)
  }

  #stopTooLarge(): void {
    this.stop('api-unreadable', `the answer is larger than ${this.#maxBytes} bytes`)
  }

  #end(): void {
    this.#over = true
    this.#unlisten()
  }
}

/** Failures below HTTP that are no mere lack of a connection. */
const failureCodes: ReadonlyMap<string, ErrorCode> = new Map([
  ['HTTPParserError', 'api-unreadable'],
  ['UND_ERR_HEADERS_TIMEOUT', 'api-timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'api-timeout'],
  ['UND_ERR_HEADERS_OVERFLOW', 'api-unreadable'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'api-unreadable'],
  ['UND_ERR_RES_EXCEEDED_MAX_SIZE', 'api-unreadable'],
])

/** Code and name of an error. All that is kept of it, because such errors may hold headers and bodies. */
function errorWords(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return []
  const words = ['code' in error ? error.code : undefined, error.name]
  return words.filter((word): word is string => typeof word === 'string' && /^\w{1,64}$/.test(word))
}

/** The value of a header; one that was sent several times is none. */
function single(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}

function hostOf(location: string | undefined): string | undefined {
  return location !== undefined && URL.canParse(location) ? new URL(location).host : undefined
}
