import { CheqpointError, type ErrorCode } from '../model/errors.js'
import { readUtf8 } from '../util/json.js'

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

export interface ExchangeOptions {
  /** Bounds the whole exchange, from waiting for a connection to the last byte. */
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
  /** Whether its connection may be one that was used before. */
  readonly mayBeReused: () => boolean
}

/** What is sent. The time-outs are none: the exchange ends in time by itself. */
export interface Sending {
  readonly origin: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  /** Names and values in turn. */
  readonly headers: string[]
  readonly body: string | null
  readonly headersTimeout: 0
  readonly bodyTimeout: 0
}

/** Receives the response: the part of an undici handler that is used here. */
export interface Listener {
  onRequestStart(controller: Controller): void
  onResponseStart(controller: Controller, status: number, headers: Headers): void
  onResponseData(controller: Controller, chunk: Buffer): void
  onResponseEnd(): void
  onResponseError(controller: Controller, error: unknown): void
}

/** A dispatcher of undici, or what does as much. */
export interface Sender {
  dispatch(request: Sending, listener: Listener): unknown
  /** Resolves once the exchanges under way are over. */
  close(): Promise<void>
  /** Set where a failure does not tell whether its connection was used before. */
  readonly hidesReuse?: true
}

type Controller = { abort(reason: Error): void }
type Headers = Readonly<Record<string, string | string[] | undefined>>

/** A connection that was open before, and gone when it was used again. */
export class StaleConnection extends CheqpointError {}

/** How much of the body of a refusal is read, and how long it is waited for. */
const maxErrorBytes = 4_096
const errorBodyMs = 1_000

/** One exchange with the API, from its dispatch to its end. */
export function exchange(
  dispatch: (listener: Listener) => unknown,
  { timeoutMs, maxBytes, signal, mayBeReused }: ExchangeOptions,
): Promise<ApiResponse> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new CheqpointError('aborted', 'the signal was aborted'))
    const tooLarge = `the answer is larger than ${maxBytes} bytes`
    const chunks: Buffer[] = []
    let bytes = 0
    let head: Omit<ApiResponse, 'text'> | undefined
    let controller: Controller | undefined
    let isOver = false
    let errorBody: NodeJS.Timeout | undefined
    const timer = setTimeout(() => {
      if (controller === undefined) stop('api-unreachable', 'there was no connection to the API in time')
      else stop('api-timeout', 'the API did not answer in time')
    }, timeoutMs).unref()
    const onAbort = (): void => stop('aborted', 'the signal was aborted')
    signal?.addEventListener('abort', onAbort)

    /** The head of a refusal is answer enough, whatever becomes of its body. */
    function resolveRefusal(): void {
      if (head !== undefined && head.status >= 400) resolve({ text: readUtf8(Buffer.concat(chunks)) ?? '', ...head })
    }

    function end(): void {
      isOver = true
      resolveRefusal()
      clearTimeout(timer)
      clearTimeout(errorBody)
      signal?.removeEventListener('abort', onAbort)
    }

    /** Ends the exchange and its connection. */
    function stop(code: ErrorCode, message: string): void {
      if (isOver) return
      end()
      const error = new CheqpointError(code, message, { httpStatus: head?.status })
      reject(error)
      controller?.abort(error)
    }

    function fail(error: unknown): void {
      const words = errorWords(error)
      const known = words.find((word) => failureCodes.has(word)) ?? ''
      const code = failureCodes.get(known) ?? (controller === undefined ? 'api-unreachable' : 'api-broken-off')
      const message = `the exchange with the API failed (${words[0] ?? 'no code'})`
      const isUnanswered = controller !== undefined && bytes === 0 && head === undefined
      if (isUnanswered && !isOver && isReused(error, mayBeReused())) {
        end()
        reject(new StaleConnection(code, message))
      } else stop(code, message)
    }

    const listener: Listener = {
      onRequestStart(started) {
        controller = started
        // Given up while it waited for a connection: a submission must not go out after that.
        if (isOver) started.abort(new CheqpointError('aborted', 'given up before it was sent'))
      },
      onResponseStart(_, status, headers) {
        if (status < 200) return
        const { location, date, 'retry-after': retryAfter } = headers
        head = { status, date: single(date), retryAfter: single(retryAfter), redirectHost: hostOf(single(location)) }
        // Its body is for people: what is there at once is shown, and nothing waits for more.
        if (status >= 400)
          errorBody = setTimeout(() => stop('api-timeout', 'the body took too long'), errorBodyMs).unref()
        // Its body says nothing that is acted on. It still flows, within the same bounds, so that the connection can be kept.
        else if (status >= 300) resolve({ text: '', ...head })
        else if (String(headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity')
          stop('api-unreadable', 'the answer is encoded, and identity was asked for')
        else if (Number(headers['content-length']) > maxBytes) stop('api-unreadable', tooLarge)
      },
      onResponseData(_, chunk) {
        bytes += chunk.length
        if (bytes > maxBytes) stop('api-unreadable', tooLarge)
        else if (head !== undefined && (head.status < 300 || bytes <= maxErrorBytes)) chunks.push(chunk)
      },
      onResponseEnd() {
        if (head === undefined) return
        const text = readUtf8(Buffer.concat(chunks))
        if (text === null && head.status < 400) return stop('api-unreadable', 'the answer is not UTF-8')
        end()
        resolve({ text: text ?? '', ...head })
      },
      onResponseError(_, error) {
        fail(error)
      },
    }
    try {
      dispatch(listener)
    } catch (error) {
      fail(error)
    }
  })
}

/** Whether an exchange failed because its connection, open from before, was closed meanwhile. */
function isReused(error: unknown, mayBeReused: boolean): boolean {
  if (!mayBeReused) return false
  const { socket, code }: { readonly socket?: unknown; readonly code?: unknown } = Object(error)
  const { bytesRead }: { readonly bytesRead?: unknown } = Object(socket)
  if (typeof bytesRead === 'number') return bytesRead > 0
  return code === 'ECONNRESET' || code === 'EPIPE'
}

/** What failed without a connection, even where a request was said to have begun: `fetch` begins before it connects. */
const unsent = [
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'],
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ...['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID'],
] as const

/** What failures below HTTP mean, where they tell more than that a connection broke off. */
const failureCodes: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ...unsent.map((code) => [code, 'api-unreachable'] as const),
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
