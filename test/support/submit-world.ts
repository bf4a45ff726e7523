import { Dispatcher } from 'undici'
import {
  type CheqpointEvent,
  createReceiver,
  type Decision,
  memoryStore,
  type Store,
  type TypedReceiver,
} from '../../src/index.js'
import type { Submission } from '../../src/submit/submission.js'
import { kept } from './kept.js'
import { webhook } from './submit-bench.js'

/** The events of one schedule; the scheduler chooses their order. */
export interface Story {
  /** Cheqpoint's response to the submission. `lost`: it accepted the request, but the response was lost. */
  readonly answer: 'pending' | 'approved' | 'rejected' | 'lost'
  /** The reviewer's decision on a pending request, if any. */
  readonly verdict: 'approved' | 'rejected' | 'nothing'
  /** Number of callbacks of each decision, to either process. */
  readonly callbacks: number
  readonly sweeps: number
  /** Whether callback URLs have tokens. */
  readonly secret: boolean
  readonly swept: boolean
  /** Whether the other process submits the same step, under the same key. */
  readonly twice: boolean
  /** Whether a callback has the id of the other request with the token of this one. */
  readonly leak: boolean
}

interface Request {
  readonly id: string
  readonly orderId: string
  readonly callbackUrl: string
  status: 'pending' | 'approved' | 'rejected'
  decidedAt: number | null
}

interface Ran {
  readonly id: string
  readonly status: string
  readonly orderId: unknown
}

const start = Date.parse('2026-11-20T10:00:00Z')

/** Two processes, one store and one Cheqpoint; the scheduler releases each step. */
export class World {
  readonly #story: Story
  readonly #schedule: (label: string) => Promise<unknown>
  readonly #requests: Request[] = []
  readonly #runs: Ran[] = []
  readonly #events: CheqpointEvent[] = []
  readonly #inner: Store
  readonly #processes: readonly TypedReceiver[]
  readonly #tasks: Promise<unknown>[] = []
  readonly #submissions: { readonly orderId: string; readonly id: string | null }[] = []
  #elapsed = 0
  #live = true
  /** A token was accepted for another approval. */
  #misled = false

  constructor(story: Story, schedule: (label: string) => Promise<unknown>) {
    this.#story = story
    this.#schedule = schedule
    const clock = { now: () => start + this.#elapsed, elapsed: () => this.#elapsed }
    this.#inner = memoryStore({ clock })
    const store = stepwise(this.#inner, (label) => this.#step(label))
    const dispatcher = new Cheqpoint((method, path, body) => this.#answer(method, path, body))
    const { secret, swept } = story
    this.#processes = [0, 1].map(() =>
      createReceiver({
        apiKey: 'cq_live_test',
        callbackUrl: webhook,
        ...(secret ? { callbackSecret: 'a secret of the schedules' } : { callbackTokens: 'off' }),
        sweep: swept ? 'elsewhere' : 'off',
        confirm: { minIntervalMs: 0, requestsPerSecond: Number.POSITIVE_INFINITY },
        polling: { firstMs: 1_000, requestsPerSecond: Number.POSITIVE_INFINITY },
        // Short, since a pending timer keeps its receiver in memory.
        runs: { timeoutMs: 5_000 },
        random: () => 0.5,
        onEvent: (event) => this.#events.push(event),
        onDecision: (decision) => this.#handle(decision),
        ...{ store, dispatcher, clock },
      }),
    )
  }

  /** Starts all events of the schedule; their steps wait for the scheduler. */
  begin(): void {
    const { sweeps, twice, leak } = this.#story
    this.#submit(0, 'A')
    if (twice) this.#submit(1, 'A')
    this.#submit(1, 'B')
    for (let at = 0; at < sweeps; at++) this.#do(() => this.#sweep(at % 2))
    if (leak) this.#do(() => this.#attack())
  }

  /** Runs the remaining steps in order: time passes, and both processes sweep. */
  async end(): Promise<void> {
    this.#live = false
    for (let seen = -1; seen < this.#tasks.length; ) {
      seen = this.#tasks.length
      await Promise.all(this.#tasks)
    }
    for (let at = 0; at < 8; at++) await this.#sweep(at % 2, 30_000)
  }

  /** Runs all timers, so that the world can be garbage-collected. */
  async leave(): Promise<void> {
    this.#elapsed = Number.POSITIVE_INFINITY
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** Describes every broken promise. */
  async violations(): Promise<readonly string[]> {
    const { answer } = this.#story
    const wrong: string[] = []
    for (const orderId of ['A', 'B']) {
      const posted = this.#requests.filter((request) => request.orderId === orderId)
      if (posted.length !== 1) wrong.push(`${orderId} was sent ${posted.length} times`)
    }
    for (const { id, status, orderId } of this.#runs) {
      const request = this.#requests.find((each) => each.id === id)
      if (request?.status !== status) wrong.push(`${id} ran as ${status}, and the API says ${request?.status}`)
      if (request?.orderId !== orderId) wrong.push(`${id} ran with the details of ${orderId}`)
    }
    for (const { id, orderId, status } of this.#requests) {
      const isLost = orderId === 'A' && answer === 'lost'
      // A submission that only its callback found is parked.
      const expected = status === 'pending' || isLost ? 0 : 1
      const runs = this.#runs.filter((ran) => ran.id === id).length
      if (runs !== expected) wrong.push(`${id} of ${orderId} ran ${runs} times, not ${expected}`)
      const done = this.#events.filter((event) => event.type === 'completed' && event.approvalId === id).length
      if (done !== expected) wrong.push(`${id} was completed ${done} times, not ${expected}`)
      const left = await kept(this.#inner, id)
      if (expected === 1 && left?.state !== 'completed') wrong.push(`${id} is left ${left?.state}`)
      const unconfirmed = await this.#processes[0]?.unconfirmed({ limit: 9 })
      const isListed = unconfirmed?.items.length === 1 || left?.state === 'parked'
      if (isLost && !isListed) wrong.push('the lost submission is nowhere')
      if (isLost && this.#mustBeFound && left?.state !== 'parked') wrong.push(`the lost ${id} was not found`)
    }
    for (const { orderId, id } of this.#submissions) {
      const request = this.#requests.find((each) => each.id === id)
      if (id !== null && request?.orderId !== orderId) wrong.push(`the submission of ${orderId} was told ${id}`)
      if (id === null && orderId === 'B') wrong.push('the submission of B was told unknown')
    }
    if (this.#misled) wrong.push('the token of A was good for B')
    for (const event of this.#events) if (event.type === 'store-failed') wrong.push(`store-failed: ${event.operation}`)
    return wrong
  }

  /** Whether a lost submission had callbacks for its own approval only. */
  get #mustBeFound(): boolean {
    const { verdict, callbacks, secret, leak } = this.#story
    return secret && callbacks > 0 && verdict !== 'nothing' && !leak
  }

  async #step(label: string): Promise<void> {
    if (this.#live) await this.#schedule(label)
  }

  #do(task: () => Promise<unknown>): void {
    this.#tasks.push(task())
  }

  #submit(process: number, orderId: string): void {
    const request = { action: 'process_refund', summary: `Refund ${orderId}`, details: { orderId } }
    const submission = this.#processes[process]?.submit(request, { idempotencyKey: orderId })
    this.#do(async () => {
      const id = await submission?.then(
        ({ approvalId }: Submission) => approvalId,
        () => null,
      )
      this.#submissions.push({ orderId, id: id ?? null })
    })
  }

  async #sweep(process: number, afterMs = 1_000): Promise<void> {
    await this.#step('sweep')
    this.#elapsed += afterMs
    await this.#processes[process]?.reconcile()
  }

  async #handle({ approvalId, status, originalDetails }: Decision): Promise<string> {
    await this.#step('handler')
    const orderId = Object(originalDetails).orderId
    this.#runs.push({ id: approvalId, status, orderId })
    await this.#step('handler ends')
    return orderId
  }

  async #attack(): Promise<void> {
    await this.#step('attack')
    const [a, b] = ['A', 'B'].map((orderId) => this.#requests.find((each) => each.orderId === orderId))
    if (a === undefined || b === undefined) return
    const status = await this.#callBack({ ...b, callbackUrl: a.callbackUrl }, 1)
    // Without tokens it is an ordinary callback.
    if (status === 200 && this.#story.secret) this.#misled = true
  }

  async #callBack({ id, callbackUrl, status }: Request, process: number): Promise<number | undefined> {
    await this.#step('callback')
    const answer = await this.#processes[process]?.handle({
      method: 'POST',
      url: callbackUrl,
      header: (name) => (name === 'user-agent' ? ['Cheqpoint-Callback/1.0'] : []),
      body: { parsed: { approvalId: id, status } },
    })
    return answer?.status
  }

  #decide(request: Request, status: Request['status']): void {
    request.status = status
    request.decidedAt = start + this.#elapsed
    for (let at = 0; at < this.#story.callbacks; at++) this.#do(() => this.#callBack(request, at % 2))
  }

  async #review(request: Request): Promise<void> {
    await this.#step('review')
    const { verdict } = this.#story
    if (verdict !== 'nothing') this.#decide(request, verdict)
  }

  async #answer(method: string, path: string, body: string): Promise<readonly [number, object]> {
    await this.#step(method)
    const answer = method === 'POST' ? this.#take(JSON.parse(body)) : this.#tell(path)
    await this.#step(`${method} answered`)
    return answer
  }

  /** Accepts a submission: the first request gets the response of the schedule, the other is pending. */
  #take({ details, callbackUrl }: { details: { orderId: string }; callbackUrl: string }): readonly [number, object] {
    const { orderId } = details
    const id = `req_${this.#requests.length + 1}`
    const request: Request = { id, orderId, callbackUrl, status: 'pending', decidedAt: null }
    this.#requests.push(request)
    const { answer } = this.#story
    if (orderId === 'B' || answer === 'pending' || answer === 'lost') {
      this.#do(() => this.#review(request))
      return orderId === 'A' && answer === 'lost' ? [502, {}] : [200, { status: 'pending', approvalId: id }]
    }
    this.#decide(request, answer)
    return [200, { status: answer, approvalId: id }]
  }

  #tell(path: string): readonly [number, object] {
    const id = path.split('/').at(-1)
    const request = this.#requests.find((each) => each.id === id)
    if (request === undefined) return [404, {}]
    const { status, decidedAt } = request
    const date = decidedAt === null ? null : new Date(decidedAt).toISOString()
    return [200, { id, status: status.toUpperCase(), modifiedDetails: null, decisionNote: null, decidedAt: date }]
  }
}

/** A store whose calls wait for the scheduler, before they are made and before their result is returned. */
function stepwise(store: Store, step: (label: string) => Promise<void>): Store {
  return new Proxy(store, {
    get(target, name) {
      // Users of a `Store` only access its methods.
      const method = name as keyof Store
      const call: unknown = target[method]
      if (typeof call !== 'function') return call
      return async (...args: unknown[]): Promise<unknown> => {
        await step(method)
        const answer: unknown = await Reflect.apply(call, target, args)
        await step(`${method} answered`)
        return answer
      }
    },
  })
}

type Answer = (method: string, path: string, body: string) => Promise<readonly [number, object]>

/** An API without sockets. */
class Cheqpoint extends Dispatcher {
  readonly #answer: Answer

  constructor(answer: Answer) {
    super()
    this.#answer = answer
  }

  override dispatch({ method, path, body }: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const controller = new Controller()
    handler.onRequestStart?.(controller, {})
    // It cannot reject.
    void this.#answer(method, path, String(body)).then(([status, answer]) => {
      handler.onResponseStart?.(controller, status, {})
      handler.onResponseData?.(controller, Buffer.from(JSON.stringify(answer)))
      handler.onResponseEnd?.(controller, {})
    })
    return true
  }

  override async close(): Promise<void> {}
  override async destroy(): Promise<void> {}
}

class Controller implements Dispatcher.DispatchController {
  readonly aborted = false
  readonly paused = false
  readonly reason = null
  abort(): void {}
  pause(): void {}
  resume(): void {}
}
