import type { IncomingMessage } from 'node:http'
import type { Callback } from './intake.js'
import type { Answer } from './outcome.js'

/*
 * Translations between hosts and the core. No rule lives here: what a body or a header means is for the core to say.
 */

export interface IncomingParts {
  /** The URL as it was asked for, where a router has changed `request.url`. */
  readonly url?: string | undefined
  /** What a body parser left. It counts only where the stream was read. */
  readonly parsed?: unknown
}

/** A request of `node:http` as a callback, whether or not a parser came first. */
export function fromIncoming(request: IncomingMessage, { url, parsed }: IncomingParts = {}): Callback {
  return {
    method: request.method ?? '',
    url: url ?? request.url ?? '',
    header: (name) => request.headersDistinct[name] ?? [],
    body: parsed !== undefined && request.readableDidRead ? { parsed } : { stream: request },
  }
}

/** A Web-standard request as a callback. */
export function fromRequest(request: Request): Callback {
  return {
    method: request.method,
    url: request.url,
    header: (name) => {
      const value = request.headers.get(name)
      return value === null ? [] : [value]
    },
    body: request.bodyUsed ? { drained: true } : { stream: request.body },
  }
}

/** An answer as a Web-standard response. */
export function toResponse({ status, headers, body }: Answer): Response {
  return new Response(body, { status, headers })
}
