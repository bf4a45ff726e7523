import { CheqpointError, type ErrorCode } from '../model/errors.js'
import { readUtf8 } from '../util/json.js'
import { onAbort } from '../util/on-abort.js'

export interface ApiResponse {
  readonly status: number
  /** The body of a 2xx. Of a refusal (4xx, 5xx), what arrives within a second, at most 4 KiB. */
  readonly text: string
  readonly retryAfter: string | undefined
  /** The `Date` header. */
  readonly date: string | undefined
  /** The target host of a redirect, never its path or query. */
  readonly redirectHost: string | undefined
}

export interface ExchangeOptions {
  /** Bounds the whole exchange, from waiting for a connection to the last byte. */
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
}

/** What is sent. Time-outs of undici are off, since the exchange has its own. */
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

/** A dispatcher of undici, or a substitute. */
export interface Sender {
  dispatch(request: Sending, listener: Listener): unknown
  /** Resolves once the exchanges in progress have ended. */
  close(): Promise<void>
  /** Set if a failure does not show whether its connection was used before. */
  readonly hidesReuse?: true
}

type Controller = { abort(reason: Error): void }
type Headers = Readonly<Record<string, string | string[] | undefined>>

/** The server may have closed the connection before the request arrived. */
export class StaleConnection extends CheqpointError {}

/** Limits of what is read of the body of a refusal. */
const maxErrorBytes = 4_096
const errorBodyMs = 1_000

/** One exchange with the API, from its dispatch to its end. */
export function exchange(
  dispatch: (listener: Listener) => unknown,
  { timeoutMs, maxBytes, signal }: ExchangeOptions,
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
    const stopListening = signal && onAbort(signal, () => stop('aborted', 'the signal was aborted'))

    /** The head of a refusal suffices, even if its body fails. */
    function resolveRefusal(): void {
      if (head !== undefined && head.status >= 400) resolve({ text: readUtf8(Buffer.concat(chunks)) ?? '', ...head })
    }

    function end(): void {
      isOver = true
      resolveRefusal()
      clearTimeout(timer)
      clearTimeout(errorBody)
      stopListening?.()
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
      // Dispatchers of other versions of undici refuse the handler.
      const fix = words[0] === 'UND_ERR_INVALID_ARG' ? '; the option dispatcher must be of undici 7' : ''
      const message = `the exchange with the API failed (${words[0] ?? 'no code'})${fix}`
      const isUnanswered = controller !== undefined && bytes === 0 && head === undefined
      if (isUnanswered && !isOver && isStale(error)) {
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
        // The body only explains the refusal to people, so its wait is short.
        if (status >= 400)
          errorBody = setTimeout(() => stop('api-timeout', 'the body took too long'), errorBodyMs).unref()
        // The body is ignored, but read within the same bounds, so that the connection can be reused.
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

/** Whether an exchange may have failed because the server had closed the idle connection. */
function isStale(error: unknown): boolean {
  const { socket, code }: { readonly socket?: unknown; readonly code?: unknown } = Object(error)
  const { bytesRead }: { readonly bytesRead?: unknown } = Object(socket)
  if (typeof bytesRead === 'number') return bytesRead > 0
  return code === 'ECONNRESET' || code === 'EPIPE'
}

/** Codes of failures before a connection, although `fetch` reports the start of a request before it connects. */
const unsent = [
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'],
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ...['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID'],
] as const

/** Meaning of failures below HTTP; any other failure means that the connection broke off. */
const failureCodes: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ...unsent.map((code) => [code, 'api-unreachable'] as const),
  ['HTTPParserError', 'api-unreadable'],
  ['UND_ERR_HEADERS_TIMEOUT', 'api-timeout'],
  ['UND_ERR_BODY_TIMEOUT', 'api-timeout'],
  ['UND_ERR_HEADERS_OVERFLOW', 'api-unreadable'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'api-unreadable'],
  ['UND_ERR_RES_EXCEEDED_MAX_SIZE', 'api-unreadable'],
])

/** Code and name of an error. Nothing else is kept, because such errors may contain headers and bodies. */
function errorWords(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return []
  const words = ['code' in error ? error.code : undefined, error.name]
  return words.filter((word): word is string => typeof word === 'string' && /^\w{1,64}$/.test(word))
}

/** The value of a header; `undefined` if it was sent several times. */
function single(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}

function hostOf(location: string | undefined): string | undefined {
  return location !== undefined && URL.canParse(location) ? new URL(location).host : undefined
}
