import http from 'node:http'
import https from 'node:https'
import type { Clock } from '../util/clock.js'
import type { JsonObject } from '../util/json.js'
import type { Faults } from './faults.js'
import { pause } from './pause.js'

/** The `User-Agent` of Cheqpoint's callbacks. Any sender can forge it. */
export const callbackAgent = 'Cheqpoint-Callback/1.0'

/** Time-out of a callback's response. Cheqpoint documents none. */
export const callbackTimeoutMs = 10_000

/** Maximum bytes of a response that are kept. */
const maxAnswerBytes = 65_536

/** A callback, genuine or not. */
export interface Callback {
  readonly to: string
  readonly approvalId: string
  readonly status?: string | undefined
  readonly modifiedDetails?: JsonObject | null | undefined
  readonly decisionNote?: string | null | undefined
  /** The `User-Agent`. Default `Cheqpoint-Callback/1.0`. */
  readonly agent?: string | undefined
}

/** The response to a callback. */
export interface CallbackAnswer {
  /** `null` if there was no response. */
  readonly status: number | null
  readonly body: string
  /** Why there was no response, or `null`. */
  readonly error: string | null
}

/** One attempt to deliver a callback. An immutable snapshot. */
export interface Delivery {
  readonly id: string
  readonly approvalId: string
  /** May contain the receiver's token. */
  readonly url: string
  readonly cause: 'decision' | 'duplicate' | 'retry' | 'redelivery' | 'by-hand'
  readonly headers: Readonly<Record<string, string>>
  /** As it was sent. */
  readonly body: string
  /** `ended` has an answer or an error; `dropped` was never sent. */
  readonly state: 'waiting' | 'sending' | 'ended' | 'dropped'
  readonly answer: CallbackAnswer | null
  /** ISO 8601, as are the other times. */
  readonly createdAt: string
  readonly sentAt: string | null
  readonly endedAt: string | null
}

export interface DeliveriesDeps {
  readonly clock: Clock
  readonly closing: AbortSignal
  readonly onChange: (delivery: Delivery) => void
}

/** Sends callbacks and keeps a log of them. */
export class Deliveries {
  readonly #log = new Map<string, Delivery>()
  readonly #underWay = new Set<Promise<unknown>>()
  // Own agents, so that destroying them ends only these deliveries.
  readonly #plain = new http.Agent({ keepAlive: true })
  readonly #secure = new https.Agent({ keepAlive: true })
  readonly #clock: Clock
  readonly #closing: AbortSignal
  readonly #onChange: (delivery: Delivery) => void

  constructor({ clock, closing, onChange }: DeliveriesDeps) {
    this.#clock = clock
    this.#closing = closing
    this.#onChange = onChange
  }

  list(): readonly Delivery[] {
    return [...this.#log.values()]
  }

  /** Sends the callback of a decision and applies the faults. Resolves after the last attempt. */
  async decided(callback: Callback, { drop, duplicate, delayMs, retries, retryDelayMs }: Faults): Promise<void> {
    if (drop) {
      this.#write({ ...this.#create(callback, 'decision'), state: 'dropped' })
      return
    }
    const deliver = async (cause: Delivery['cause']): Promise<void> => {
      let answer = await this.send(callback, cause, delayMs)
      for (let left = retries; left > 0 && !isSuccess(answer) && !this.#closing.aborted; left--) {
        answer = await this.send(callback, 'retry', retryDelayMs)
      }
    }
    const causes: Delivery['cause'][] = ['decision']
    for (let left = duplicate; left > 0; left--) causes.push('duplicate')
    await this.#track(Promise.all(causes.map(deliver)))
  }

  /** Sends one callback once, after `delayMs`. Never rejects: without a response, the result says why. */
  send(callback: Callback, cause: Delivery['cause'], delayMs = 0): Promise<CallbackAnswer> {
    return this.#track(this.#attempt(this.#create(callback, cause), delayMs))
  }

  /** Resolves when no callback is in progress. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  async close(): Promise<void> {
    this.#plain.destroy()
    this.#secure.destroy()
    await this.settled()
  }

  async #attempt(delivery: Delivery, delayMs: number): Promise<CallbackAnswer> {
    await pause(delayMs, [this.#closing])
    const sending = this.#write({ ...delivery, state: 'sending', sentAt: this.#date() })
    const answer = await this.#exchange(sending)
    this.#write({ ...sending, state: 'ended', answer, endedAt: this.#date() })
    return answer
  }

  async #exchange({ url, headers, body }: Delivery): Promise<CallbackAnswer> {
    const timeout = new AbortController()
    const timer = setTimeout(() => timeout.abort(), callbackTimeoutMs).unref()
    try {
      if (this.#closing.aborted) throw new Error('closed')
      const incoming = await this.#post(url, headers, body, timeout.signal)
      // A response always has a status.
      return { status: incoming.statusCode ?? null, body: await readStart(incoming), error: null }
    } catch (error) {
      return { status: null, body: '', error: this.#reason(error, timeout.signal.aborted) }
    } finally {
      clearTimeout(timer)
    }
  }

  #post(url: string, own: Delivery['headers'], body: string, signal: AbortSignal): Promise<http.IncomingMessage> {
    const headers = { ...own, 'Content-Length': Buffer.byteLength(body) }
    const options = { method: 'POST', headers, signal }
    return new Promise((resolve, reject) => {
      const request =
        new URL(url).protocol === 'https:'
          ? https.request(url, { ...options, agent: this.#secure }, resolve)
          : http.request(url, { ...options, agent: this.#plain }, resolve)
      request.on('error', reject).end(body)
    })
  }

  #reason(error: unknown, timedOut: boolean): string {
    if (this.#closing.aborted) return 'the simulator was closed'
    if (timedOut) return `no complete answer within ${callbackTimeoutMs} ms`
    if (!(error instanceof Error)) return 'unknown error'
    return error.message || ('code' in error ? String(error.code) : error.name)
  }

  #create(callback: Callback, cause: Delivery['cause']): Delivery {
    const { to, approvalId, status = 'approved', modifiedDetails = null, decisionNote = null } = callback
    return this.#write({
      id: `callback_${this.#log.size + 1}`,
      approvalId,
      url: to,
      cause,
      headers: { 'Content-Type': 'application/json', 'User-Agent': callback.agent ?? callbackAgent },
      body: JSON.stringify({ approvalId, status, modifiedDetails, decisionNote }),
      state: 'waiting',
      answer: null,
      createdAt: this.#date(),
      sentAt: null,
      endedAt: null,
    })
  }

  #write(delivery: Delivery): Delivery {
    this.#log.set(delivery.id, delivery)
    this.#onChange(delivery)
    return delivery
  }

  #date(): string {
    return new Date(this.#clock.now()).toISOString()
  }

  async #track<Result>(work: Promise<Result>): Promise<Result> {
    this.#underWay.add(work)
    try {
      return await work
    } finally {
      this.#underWay.delete(work)
    }
  }
}

/** Reads the first 64 KiB of a body as text, and ignores the rest. */
async function readStart(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop ends the response.
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes >= maxAnswerBytes) break
  }
  return Buffer.concat(chunks).subarray(0, maxAnswerBytes).toString()
}

function isSuccess({ status }: CallbackAnswer): boolean {
  return status !== null && status >= 200 && status < 300
}
