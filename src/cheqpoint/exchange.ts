import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { CheqpointError, type ErrorCode } from '../model/errors.js'
import { readUtf8 } from '../util/json.js'

export interface ApiRequest {
  readonly method: 'GET' | 'POST'
  /** Appended to the base URL as it is. */
  readonly path: string
  /** Names and values in turn, the key aside. */
  readonly headers: readonly string[]
  readonly body: string | null
  /** Bounds the whole exchange, from waiting for a connection to the last byte. */
  readonly timeoutMs: number
}

export interface ApiResponse {
  readonly status: number
  /** The body of a 2xx, and what was sent at once of the body of a refusal (4xx, 5xx): at most 4 KiB. */
  readonly text: string
  readonly retryAfter: string | undefined
  /** The `Date` header. */
  readonly date: string | undefined
  /** The host that a redirect names, never its path or query. */
  readonly redirectHost: string | undefined
}

/** A connection that was open before, and gone when it was used again. */
export class StaleConnection extends CheqpointError {}

const empty = Buffer.alloc(0)

const nothing = (): void => {}

/** One exchange with the API, from its dispatch to its end. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #maxBytes: number
  readonly #resolve: (reply: ApiResponse) => void
  readonly #reject: (error: CheqpointError) => void
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #head: Omit<ApiResponse, 'text'> | undefined
  #controller: Dispatcher.DispatchController | undefined
  #unlisten = nothing
  #over = false
  readonly #mayBeReused: () => boolean
  #errorBody: NodeJS.Timeout | undefined

  constructor(
    maxBytes: number,
    mayBeReused: () => boolean,
    resolve: (reply: ApiResponse) => void,
    reject: (error: CheqpointError) => void,
  ) {
    this.#maxBytes = maxBytes
    this.#mayBeReused = mayBeReused
    this.#resolve = resolve
    this.#reject = reject
  }

  listen(timeoutMs: number, signal: AbortSignal | undefined): void {
    const timer = setTimeout(() => {
      if (this.#controller === undefined) this.stop('api-unreachable', 'there was no connection to the API in time')
      else this.stop('api-timeout', 'the API did not answer in time')
    }, timeoutMs).unref()
    this.#unlisten = () => clearTimeout(timer)
    if (signal === undefined) return
    const onAbort = () => this.stop('aborted', 'the signal was aborted')
    signal.addEventListener('abort', onAbort)
    this.#unlisten = () => {
      clearTimeout(timer)
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
    const message = `the exchange with the API failed (${words[0] ?? 'no code'})`
    const isStale = this.#bytes === 0 && this.#head === undefined && isReused(error, this.#mayBeReused())
    if (isStale && !this.#over && this.#controller !== undefined) {
      this.#end()
      this.#reject(new StaleConnection(code, message))
    } else this.stop(code, message)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Given up while it waited for a connection: a submission must not go out after that.
    if (this.#over) controller.abort(new CheqpointError('aborted', 'given up before it was sent'))
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return
    const { location, date, 'retry-after': retryAfter } = headers
    this.#head = { status, date, retryAfter: single(retryAfter), redirectHost: hostOf(single(location)) }
    if (status >= 400) {
      // Its body is for people: what is there at once is shown, and nothing waits for more.
      this.#errorBody = setTimeout(() => this.#resolveRefusal(), errorBodyMs).unref()
    } else if (status >= 300) {
      // Its body says nothing that is acted on. It still flows, within the same bounds, so that the connection can be kept.
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
    else if (this.#head !== undefined && (this.#head.status < 300 || this.#bytes <= maxErrorBytes))
      this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    if (this.#head === undefined) return
    if (this.#head.status >= 400) {
      this.#resolveRefusal()
      this.#end()
      return
    }
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

  #resolveRefusal(): void {
    if (this.#head !== undefined) this.#resolve({ text: readUtf8(Buffer.concat(this.#chunks)) ?? '', ...this.#head })
  }

  #stopTooLarge(): void {
    this.stop('api-unreadable', `the answer is larger than ${this.#maxBytes} bytes`)
  }

  #end(): void {
    this.#over = true
    // The head was enough, whatever becomes of the body.
    if (this.#head !== undefined && this.#head.status >= 400) this.#resolveRefusal()
    clearTimeout(this.#errorBody)
    this.#unlisten()
  }
}

/** How much of the body of a refusal is read, and how long it is waited for. */
const maxErrorBytes = 4_096
const errorBodyMs = 1_000

/** Whether an exchange failed because its connection, open from before, was closed meanwhile. */
function isReused(error: unknown, mayBeReused: boolean): boolean {
  if (!mayBeReused) return false
  const { socket, code }: { readonly socket?: unknown; readonly code?: unknown } = Object(error)
  const { bytesRead }: { readonly bytesRead?: unknown } = Object(socket)
  if (typeof bytesRead === 'number') return bytesRead > 0
  return code === 'ECONNRESET' || code === 'EPIPE'
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
