import type { IncomingMessage } from 'node:http'
import type { Http2Stream } from 'node:http2'
import { CheqpointError } from '../model/errors.js'
import { argumentGroup } from '../options/option-checks.js'
import type { CallbackBody } from './body.js'
import type { Callback } from './request-checks.js'
import type { CallbackResponse } from './responses.js'

/*
 * Translates between hosts and the core. No rules here: the core decides what a body or a header means.
 */

/** What a host knows of a request of `node:http` besides the request. */
export interface IncomingParts {
  /** The URL as requested, if a router has changed `request.url`. */
  readonly url?: string | undefined
  /** What a body parser or a platform left of the body. Default: `request.body`, or else `request.rawBody`. */
  readonly parsed?: unknown
}

/**
 * A request of `node:http` as a callback, with or without a body parser before it. Throws `argument-invalid` for anything
 * else, and for unknown parts.
 */
export function fromIncoming(request: IncomingMessage, parts: IncomingParts = {}): Callback {
  // Its headers are made on access, which is expensive.
  if (!Array.isArray(request?.rawHeaders)) throw argument('fromIncoming() takes a request of node:http')
  const { url, parsed }: IncomingParts = argumentGroup(parts, 'fromIncoming() as parts', ['url', 'parsed'])
  return {
    method: request.method ?? '',
    url: url ?? request.url ?? '',
    header: (name) => headerOf(request, name),
    body: bodyOf(request, parsed === undefined ? leftOf(request) : parsed),
    httpMajor: request.httpVersionMajor,
  }
}

/** Whether a value is a Web-standard request, of any realm or library. */
export function isRequest(value: unknown): value is Request {
  const { headers, method }: { readonly headers?: unknown; readonly method?: unknown } = Object(value)
  return typeof method === 'string' && typeof Object(headers).get === 'function'
}

/** What a host knows of a Web-standard request besides the request. */
export interface RequestParts {
  /** Reads the whole body through a framework that keeps it for other readers. */
  readonly whole?: (() => Promise<ArrayBuffer>) | undefined
  /** See {@link Callback.httpMajor}. */
  readonly httpMajor?: number | undefined
}

/** A Web-standard request as a callback. Throws `argument-invalid` for anything else, and for unknown parts. */
export function fromRequest(request: Request, parts: RequestParts = {}): Callback {
  if (typeof request?.arrayBuffer !== 'function') throw argument('fromRequest() takes a Web-standard Request')
  const known: RequestParts = argumentGroup(parts, 'fromRequest() as parts', ['whole', 'httpMajor'])
  const { whole = () => request.arrayBuffer(), httpMajor } = known
  return {
    method: request.method,
    url: request.url,
    header: (name) => {
      const value = request.headers.get(name)
      return value === null ? [] : [value]
    },
    body: request.bodyUsed ? { alreadyRead: true } : new UnreadBody(request, whole),
    httpMajor,
  }
}

/**
 * The unread body of a Web-standard request. A class, because V8 keeps what the getter of an object literal refers to
 * until a full collection: here the request, and all that refers to it.
 */
class UnreadBody {
  readonly whole: () => Promise<ArrayBuffer>
  readonly #request: Request

  constructor(request: Request, whole: () => Promise<ArrayBuffer>) {
    this.whole = whole
    this.#request = request
  }

  /** Some hosts create the stream on access, which is expensive. */
  get stream(): Request['body'] {
    return this.#request.body
  }
}

/** A response as a Web-standard one. Throws `argument-invalid` for anything else. */
export function toWebResponse(response: CallbackResponse): Response {
  const { status, headers, body } = response ?? {}
  // Without a status it would be 200.
  if (typeof status !== 'number')
    throw argument('toWebResponse() takes what toResponse() or receiver.handle() returned')
  return new Response(body, { status, headers })
}

function argument(message: string): CheqpointError {
  return new CheqpointError('argument-invalid', message)
}

/** Every value, as it was sent. Platforms that imitate a request fill in `headers` only. */
function headerOf({ rawHeaders, headers }: IncomingMessage, name: string): readonly string[] {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [given = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]]
    if (given.length === name.length && given.toLowerCase() === name) values.push(value)
  }
  return values.length > 0 || headers[name] === undefined ? values : [headers[name]].flat().map(String)
}

/** What a parser or a platform left in the request. Some platforms parse on access, which throws for what is not JSON. */
function leftOf(request: PossibleRequest): unknown {
  try {
    return request.body === undefined ? request.rawBody : request.body
  } catch {
    return ''
  }
}

/** What was left of the body, or else the stream; the core refuses one that was read. */
function bodyOf(request: PossibleRequest, left: unknown): CallbackBody {
  if (left !== undefined && (request.readableDidRead || !isEmpty(left))) return { parsed: left }
  const stream = request.httpVersionMajor < 2 ? undefined : request.stream
  return {
    stream: request,
    // Destroyed, not closed: closing a paused stream would keep its session open forever.
    drop: stream === undefined ? undefined : () => stream.once('finish', () => stream.destroy()),
  }
}

/** Parsers add `body`, platforms `rawBody`, and a request of `node:http2` has its stream. */
type PossibleRequest = IncomingMessage & {
  readonly body?: unknown
  readonly rawBody?: unknown
  readonly stream?: Http2Stream
}

/** Parsers that did not read the body may leave `null` or `{}`. */
function isEmpty(left: unknown): boolean {
  return left === null || (typeof left === 'object' && !ArrayBuffer.isView(left) && Object.keys(left).length === 0)
}
