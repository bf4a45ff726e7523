import type { IncomingMessage } from 'node:http'
import type { Http2Stream } from 'node:http2'
import type { CallbackBody } from './body.js'
import type { Callback } from './request-checks.js'
import type { CallbackResponse } from './responses.js'

/*
 * Translations between hosts and the core. No rule lives here: what a body or a header means is for the core to say.
 */

/** What a host knows of a request of `node:http` beside the request. */
export interface IncomingParts {
  /** The URL as it was asked for, where a router has changed `request.url`. */
  readonly url?: string | undefined
  /** What a body parser or a platform left of the body. Where nothing is given, `request.rawBody` stands for it. */
  readonly parsed?: unknown
}

/** A request of `node:http` as a callback, whether or not a parser came first. */
export function fromIncoming(request: IncomingMessage, { url, parsed }: IncomingParts = {}): Callback {
  return {
    method: request.method ?? '',
    url: url ?? request.url ?? '',
    header: (name) => headerOf(request, name),
    body: bodyOf(request, parsed),
    httpMajor: request.httpVersionMajor,
  }
}

/** Whether a value is a Web-standard request, of whichever realm or library. */
export function isRequest(value: unknown): value is Request {
  const { headers, method }: { readonly headers?: unknown; readonly method?: unknown } = Object(value)
  return typeof method === 'string' && typeof Object(headers).get === 'function'
}

/** What a host knows of a Web-standard request beside the request. */
export interface RequestParts {
  /** Reads the whole body through a framework that keeps it for others. */
  readonly whole?: (() => Promise<ArrayBuffer>) | undefined
}

/** A Web-standard request as a callback. */
export function fromRequest(request: Request, parts: RequestParts = {}): Callback {
  const { whole = () => request.arrayBuffer() } = parts
  // Some hosts make the stream only when it is asked for, at a price.
  const unread = {
    whole,
    get stream() {
      return request.body
    },
  }
  return {
    method: request.method,
    url: request.url,
    header: (name) => {
      const value = request.headers.get(name)
      return value === null ? [] : [value]
    },
    body: request.bodyUsed ? { alreadyRead: true } : unread,
  }
}

/** An answer as a Web-standard response. */
export function toWebResponse({ status, headers, body }: CallbackResponse): Response {
  return new Response(body, { status, headers })
}

/** Every value, as it was sent. Platforms that make up a request fill in `headers` only. */
function headerOf({ rawHeaders, headers }: IncomingMessage, name: string): readonly string[] {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [given = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]]
    if (given.length === name.length && given.toLowerCase() === name) values.push(value)
  }
  return values.length > 0 || headers[name] === undefined ? values : [headers[name]].flat()
}

/** What was left of the body, or the stream: unread it is as good, and read by something else it is for the core to refuse. */
function bodyOf(request: PossibleRequest, parsed: unknown): CallbackBody {
  const left = parsed === undefined ? request.rawBody : parsed
  if (left !== undefined && (request.readableDidRead || !isEmpty(left))) return { parsed: left }
  const stream = request.httpVersionMajor < 2 ? undefined : request.stream
  return {
    stream: request,
    // Destroyed, not closed: a paused stream that is closed keeps its session open for good.
    drop: stream === undefined ? undefined : () => stream.once('finish', () => stream.destroy()),
  }
}

/** Platforms leave `rawBody`, and a request of `node:http2` shows its stream. */
type PossibleRequest = IncomingMessage & { readonly rawBody?: unknown; readonly stream?: Http2Stream }

/** Parsers that did not read may leave `null` or `{}` all the same. */
function isEmpty(left: unknown): boolean {
  return left === null || (typeof left === 'object' && !ArrayBuffer.isView(left) && Object.keys(left).length === 0)
}
