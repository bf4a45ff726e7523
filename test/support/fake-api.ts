import { Dispatcher } from 'undici'

/** The API's next response for one approval. */
export interface FakeAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/**
 * An API that responds from a table, without sockets or timers, so that tests can control the clock. `gets` has the
 * requested paths, in order.
 */
export class FakeApi extends Dispatcher {
  readonly gets: string[] = []
  readonly keys: string[] = []
  /** Every call, as received. */
  readonly requests: Dispatcher.DispatchOptions[] = []
  readonly #answers = new Map<string, FakeAnswer | ((key: string) => FakeAnswer | 'hang')>()
  readonly #hanging: (() => void)[] = []

  /** Sets the answer for an approval; a function is asked each time, with the API key that was sent. */
  answer(id: string, answer: FakeAnswer | ((key: string) => FakeAnswer | 'hang')): void {
    this.#answers.set(id, answer)
  }

  approve(id: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.answer(id, { body: decided(id, 'APPROVED', fields) })
  }

  reject(id: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.answer(id, { body: decided(id, 'REJECTED', fields) })
  }

  pend(id: string): void {
    this.answer(id, { body: { ...decided(id, 'PENDING', {}), decidedAt: null } })
  }

  /** Ends all hanging calls with the present responses of the table. */
  resume(): void {
    for (const go of this.#hanging.splice(0)) go()
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.gets.push(options.path)
    const key = keyOf(options.headers)
    this.keys.push(key)
    this.requests.push(options)
    const id = options.path.split('/').at(-1) ?? ''
    const controller = new FakeController(handler)
    handler.onRequestStart?.(controller, {})
    const reply = (): void => {
      const answer = this.#answers.get(id)
      const found = typeof answer === 'function' ? answer(key) : (answer ?? { status: 404, body: {} })
      if (found === 'hang') this.#hanging.push(reply)
      else controller.reply(found)
    }
    queueMicrotask(reply)
    return true
  }

  override async close(): Promise<void> {}
  override async destroy(): Promise<void> {}
}

class FakeController implements Dispatcher.DispatchController {
  readonly #handler: Dispatcher.DispatchHandler
  #reason: Error | null = null
  readonly paused = false
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
  reply({ status = 200, headers = {}, body }: FakeAnswer): void {
    if (this.aborted) return
    this.#handler.onResponseStart?.(this, status, { 'content-type': 'application/json', ...headers })
    if (!this.aborted)
      this.#handler.onResponseData?.(this, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body ?? {})))
    if (!this.aborted) this.#handler.onResponseEnd?.(this, {})
  }
}

function decided(id: string, status: string, fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { id, status, modifiedDetails: null, decisionNote: null, decidedAt: '2026-11-20T09:00:00.000Z', ...fields }
}

function keyOf(headers: Dispatcher.DispatchOptions['headers']): string {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers ?? {}).flat()
  const at = pairs.findIndex((each) => typeof each === 'string' && each.toLowerCase() === 'x-api-key')
  const key = pairs[at + 1]
  return at >= 0 && typeof key === 'string' ? key : ''
}
