import { type Dispatcher, Pool } from 'undici'
import { CheqpointError } from '../model/errors.js'
import { type ApiRequest, type ApiResponse, Exchange, StaleConnection } from './exchange.js'

/*
 * Where questions go, and one exchange at a time: what is sent, what is accepted as an answer, when we stop listening.
 * Nothing here follows a redirect or undoes a content coding. Nothing is sent twice, a GET aside that failed on a reused
 * connection before any byte of its response: servers close idle connections at any time.
 */

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
  /** Responses so far: without one no connection is a reused one. */
  let answered = 0

  function open(): Dispatcher {
    if (dispatcher !== undefined) return dispatcher
    // Set here, NODE_TLS_REJECT_UNAUTHORIZED cannot change it: a server that poses as the API could approve anything.
    pool ??= new Pool(origin, { connect: { timeout: connectTimeoutMs, rejectUnauthorized: true }, pipelining: 1 })
    return pool
  }

  return {
    async send(request, key, signal) {
      try {
        const response = await exchange(request, key, signal)
        answered++
        return response
      } catch (error) {
        if (request.method !== 'GET' || !(error instanceof StaleConnection)) throw error
        return exchange(request, key, signal)
      }
    },
    async close() {
      await pool?.close()
    },
  }

  function exchange(
    { method, path, headers: others, body, timeoutMs }: ApiRequest,
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<ApiResponse> {
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(maxResponseBytes, () => answered > 0, resolve, reject)
      if (signal?.aborted) return exchange.stop('aborted', 'the signal was aborted')
      exchange.listen(timeoutMs, signal)
      // This time-out bounds the sum of all parts, so the parts need no time-outs of their own.
      const headers = ['x-api-key', key, ...others]
      const request = { origin, path: prefix + path, method, headers, body, headersTimeout: 0, bodyTimeout: 0 }
      try {
        open().dispatch(request, exchange)
      } catch (error) {
        exchange.fail(error)
      }
    })
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
  // The paths of the API begin with /api themselves.
  if (/(^|\/)api\/*$/.test(url.pathname)) {
    const fix = `leave out /api at the end, which is part of every path`
    throw new CheqpointError('option-invalid', `option baseUrl must be where Cheqpoint is; ${fix}`)
  }
  return { origin: url.origin, prefix: url.pathname.replace(/\/+$/, '') }
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/
