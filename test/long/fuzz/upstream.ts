import type { IncomingHttpHeaders } from 'node:http'
import { Dispatcher } from 'undici'

/** A response of the API on the wire. */
export interface UpstreamAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The chunks of the body. */
  readonly chunks: readonly Uint8Array[]
  /** How the exchange ends after them. Default: normally. */
  readonly end?: 'whole' | 'broken' | 'never' | undefined
}

/** The API without sockets: sends the given response, and records every request. */
export class Upstream extends Dispatcher {
  /** Method, origin and path of each request. */
  readonly asked: string[] = []
  /** Called for each request. */
  answer: (path: string) => UpstreamAnswer = () => json({}, 404)

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.asked.push(`${options.method} ${String(options.origin)}${options.path}`)
    const controller = new Exchange(handler)
    handler.onRequestStart?.(controller, {})
    queueMicrotask(() => controller.reply(this.answer(options.path)))
    return true
  }

  override async close(): Promise<void> {}
  override async destroy(): Promise<void> {}
}

class Exchange implements Dispatcher.DispatchController {
  readonly paused = false
  readonly #handler: Dispatcher.DispatchHandler
  #reason: Error | null = null

  constructor(handler: Dispatcher.DispatchHandler) {
    this.#handler = handler
  }

  get aborted(): boolean {
    return this.#reason !== null
  }
  get reason(): Error | null {
    return this.#reason
  }

  abort(reason: Error): void {
    if (this.#reason !== null) return
    this.#reason = reason
    this.#handler.onResponseError?.(this, reason)
  }
  pause(): void {}
  resume(): void {}

  reply({ status, headers, chunks, end = 'whole' }: UpstreamAnswer): void {
    if (this.aborted) return
    this.#handler.onResponseStart?.(this, status, headers)
    for (const chunk of chunks) if (!this.aborted) this.#handler.onResponseData?.(this, Buffer.from(chunk))
    if (this.aborted || end === 'never') return
    if (end === 'whole') this.#handler.onResponseEnd?.(this, {})
    else this.abort(Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }))
  }
}

export function json(body: unknown, status = 200): UpstreamAnswer {
  return bytes(JSON.stringify(body), status)
}

export function bytes(body: string | Uint8Array, status = 200): UpstreamAnswer {
  return { status, headers: { 'content-type': 'application/json' }, chunks: [Buffer.from(body)] }
}
