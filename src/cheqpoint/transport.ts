import type { Dispatcher } from 'undici'
import { CheqpointError } from '../model/errors.js'
import { type ApiResponse, exchange, type Listener, type Sender, StaleConnection } from './exchange.js'
import { createFetchSender } from './fetch-sender.js'

/*
 * Sends requests to the API. Follows no redirect and decodes no content coding. Sends nothing twice, except a GET that
 * failed on a reused connection before any byte of its response: servers close idle connections at any time.
 */

export interface ApiRequest {
  readonly method: 'GET' | 'POST'
  /** Appended to the base URL as it is. */
  readonly path: string
  /** Names and values in turn, without the key. */
  readonly headers: readonly string[]
  readonly body: string | null
  readonly timeoutMs: number
}

export interface Transport {
  /**
   * Resolves with any status of 200 and above. Rejects with `api-unreachable` (nothing was sent), `api-broken-off`,
   * `api-timeout`, `api-unreadable` or `aborted`; the error carries no header, no body and no cause.
   */
  send(request: ApiRequest, key: string, signal: AbortSignal | undefined): Promise<ApiResponse>
  /** Closes what was opened here, once its exchanges are over. */
  close(): Promise<void>
}

/** A given dispatcher stays open. Without one, the first request opens connections. */
export function createTransport(
  { origin, prefix }: BaseUrl,
  dispatcher: Dispatcher | undefined,
  connectTimeoutMs: number,
  maxBytes: number,
): Transport {
  let own: Promise<Sender> | undefined
  /** Before the first response no connection is a reused one. */
  let hasAnswered = false
  const connect = (): Promise<Sender> => {
    own ??= open(origin, connectTimeoutMs)
    return own
  }
  return {
    async send({ method, path, headers: others, body, timeoutMs }, key, signal) {
      const sender: Sender = dispatcher ?? (await connect())
      const headers = ['x-api-key', key, ...others]
      // The time-out of the exchange bounds all its phases.
      const options = { origin, path: prefix + path, method, headers, body, headersTimeout: 0, bodyTimeout: 0 } as const
      const dispatch = (listener: Listener): unknown => sender.dispatch(options, listener)
      try {
        const response = await exchange(dispatch, { timeoutMs, signal, maxBytes })
        hasAnswered = true
        return response
      } catch (error) {
        const mayRepeat = method === 'GET' && hasAnswered && !sender.hidesReuse
        if (!mayRepeat || !(error instanceof StaleConnection)) throw error
        return exchange(dispatch, { timeoutMs, signal, maxBytes })
      }
    },
    async close() {
      await (await own)?.close()
    },
  }
}

/**
 * A pool of undici, which is loaded at the first call. If it cannot be loaded or cannot dispatch, `fetch` takes its
 * place: Bun has a stand-in without `dispatch`, and workerd may not compile its parser.
 */
async function open(origin: string, connectTimeoutMs: number): Promise<Sender> {
  // Not every runtime has a navigator.
  const { navigator } = globalThis as { readonly navigator?: { readonly userAgent?: string } }
  const undici = navigator?.userAgent === 'Cloudflare-Workers' ? null : await import('undici').catch(() => null)
  if (typeof undici?.Pool?.prototype.dispatch !== 'function') return createFetchSender()
  // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED cannot change it: an impostor of the API could approve anything.
  const connect = { timeout: connectTimeoutMs, rejectUnauthorized: true }
  return new undici.Pool(origin, { connect, pipelining: 1 })
}

type BaseUrl = Readonly<{ origin: string; prefix: string }>

/**
 * The base URL. Throws `option-invalid` for a URL that a key must not be sent to. The error does not show the value,
 * which may contain credentials.
 */
export function readBaseUrl(value: unknown = 'https://app.cheqpoint.co'): BaseUrl {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null
  const encrypted = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopback.test(url.hostname))
  if (url === null || !encrypted || `${url.username}${url.password}${url.search}${url.hash}` !== '') {
    throw new CheqpointError(
      'option-invalid',
      'option baseUrl must be an https URL, or http on a loopback host, without credentials, query and fragment',
    )
  }
  // Every path of the API begins with /api.
  if (/(^|\/)api\/*$/.test(url.pathname)) {
    const fix = 'leave out /api at the end, which is part of every path'
    throw new CheqpointError('option-invalid', `option baseUrl must be where Cheqpoint is; ${fix}`)
  }
  return { origin: url.origin, prefix: url.pathname.replace(/\/+$/, '') }
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/
