import { Agent } from 'undici'
import { type Chance, oneOf } from './chance.js'
import type { Log } from './log.js'

export interface Delivery {
  readonly id: string
  readonly sort: 'genuine' | 'copy' | 'early' | 'spoof'
  /** Path and query of the callback URL. */
  readonly path: string
  readonly body: string
}

const headers = { 'user-agent': 'Cheqpoint-Callback/1.0', 'content-type': 'application/json' }
/** Sends each callback once, to the next running worker, a limited number at a time, and logs the responses. */
export class Callbacks {
  readonly #log: Log
  readonly #connections: number
  readonly #chance: Chance
  readonly #agent: Agent
  readonly #waiting: Delivery[] = []
  #ports: readonly number[] = []
  #active = 0
  #unanswered = 0
  #onIdle: () => void = () => {}

  /** Time-out of a response, longer than any worker stalls. */
  constructor(log: Log, connections: number, chance: Chance, answerTimeoutMs: number = 15_000) {
    this.#log = log
    this.#connections = connections
    this.#chance = chance
    this.#agent = new Agent({ connections, headersTimeout: answerTimeoutMs, bodyTimeout: answerTimeoutMs })
  }

  set ports(ports: readonly number[]) {
    this.#ports = ports
  }

  send(delivery: Delivery, inMs: number = 0): void {
    this.#unanswered++
    setTimeout(() => {
      this.#waiting.push(delivery)
      this.#next()
    }, inMs)
  }

  /** Resolves once all callbacks have a response or timed out. */
  async idle(): Promise<void> {
    while (this.#unanswered > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
  }

  #next(): void {
    while (this.#active < this.#connections) {
      const delivery = this.#waiting.shift()
      if (delivery === undefined) break
      this.#active++
      void this.#post(delivery).then(() => {
        this.#active--
        this.#unanswered--
        this.#next()
        if (this.#unanswered === 0) this.#onIdle()
      }) // it cannot reject
    }
  }

  async #post({ id, sort, path, body }: Delivery): Promise<void> {
    const sentAt = Date.now()
    const { status, word } = await this.#ask(path, body)
    this.#log.write('answer', id, sort, status, word, sentAt)
  }

  async #ask(path: string, body: string): Promise<{ readonly status: number; readonly word: string }> {
    const port = oneOf(this.#ports, this.#chance)
    if (port === undefined) return { status: 0, word: 'no-worker' }
    try {
      const origin = `http://127.0.0.1:${port}`
      const answer = await this.#agent.request({ origin, path, method: 'POST', headers, body })
      const { result, code } = (await answer.body.json()) as { readonly result?: string; readonly code?: string }
      return { status: answer.statusCode, word: result ?? code ?? '-' }
    } catch (error) {
      const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
      return { status: 0, word: typeof code === 'string' ? code : 'failed' }
    }
  }
}
