import assert from 'node:assert/strict'
import {
  type CheqpointEvent,
  createReceiver,
  type Decision,
  type Run,
  type Store,
  type TypedReceiver,
} from '../../../../src/index.js'
import { agent } from '../bench.js'
import type { FakeTime } from '../time.js'
import { json, Upstream, type UpstreamAnswer } from '../upstream.js'
import { SeverableStore } from './severable-store.js'

/*
 * The environment of one store: an API with decisions, processes that may die, their handlers, and a ledger of all
 * events.
 */

export const minIntervalMs = 2_000
export const leaseMs = 30_000
export const maxAttempts = 3
export const retentionMs = 3_600_000
/** No open entry is due later than this: the longest Retry-After of an API, with jitter. */
export const longestDueMs = 1_080_000

export const original = { orderId: '8842', amount: 120 }

export interface Verdict {
  readonly status: string
  readonly modifiedDetails: object | null
  readonly decisionNote: string | null
}

export type ApiMode = 'answers' | 'fails' | 'hangs' | 'throttles' | 'refuses the key'
export type HandlerMode = 'returns' | 'throws' | 'hangs' | 'is slow'

/** An event that really happened. */
export interface Start {
  readonly id: string
  readonly process: Process
  readonly decision: Decision
  readonly run: Run
  readonly at: number
  ended: 'returned' | 'threw' | null
}

export class World {
  readonly time: FakeTime
  readonly store: Store
  readonly guarantee: 'at-least-once' | 'at-most-once'
  readonly verdicts: Map<string, Verdict> = new Map()
  api: ApiMode = 'answers'
  /** The API's responses, by approval and time. */
  readonly said: { readonly id: string; readonly verdict: Verdict; readonly at: number }[] = []
  readonly questions: { readonly id: string; readonly at: number }[] = []
  readonly starts: Start[] = []
  readonly done: { readonly id: string; readonly at: number }[] = []
  readonly processes: [Process, Process]
  /** Errors without a code. */
  readonly strays: unknown[] = []
  /** Removes the tombstone of a completed approval, if any. */
  readonly loseTombstone: (id: string) => Promise<void>
  /** The process that registers, cancels and retries; it has no faults. */
  readonly operator: TypedReceiver

  constructor({
    time,
    store,
    guarantee,
    loseTombstone,
  }: Pick<World, 'time' | 'store' | 'guarantee' | 'loseTombstone'>) {
    this.time = time
    this.store = store
    this.guarantee = guarantee
    this.loseTombstone = loseTombstone
    this.processes = [new Process(this), new Process(this)]
    this.operator = this.#receiver(
      store,
      new Upstream(),
      () => {},
      () => {},
    )
  }

  /** Kills a process and starts a replacement. */
  replace(index: 0 | 1): void {
    this.processes[index].way.sever()
    this.processes[index] = new Process(this)
  }

  verdictOn(id: string): Verdict {
    return this.verdicts.get(id) ?? { status: 'PENDING', modifiedDetails: null, decisionNote: null }
  }

  answer(path: string): UpstreamAnswer {
    const id = path.split('/').at(-1) ?? ''
    const at = this.time.elapsed()
    this.questions.push({ id, at })
    if (this.api === 'fails') return json({}, 503)
    if (this.api === 'hangs') return { status: 200, headers: {}, chunks: [], end: 'never' }
    if (this.api === 'throttles') return { ...json({}, 429), headers: { 'retry-after': '20' } }
    if (this.api === 'refuses the key') return json({}, 401)
    const verdict = this.verdictOn(id)
    this.said.push({ id, verdict, at })
    return json({ id, decidedAt: null, ...verdict })
  }

  openProcess(way: SeverableStore, process: Process): TypedReceiver {
    const upstream = new Upstream()
    upstream.answer = (path) => this.answer(path)
    const onEvent = (event: CheqpointEvent): void => {
      if (event.type === 'completed' && !way.severed) this.done.push({ id: event.approvalId, at: this.time.elapsed() })
    }
    return this.#receiver(way.store, upstream, onEvent, (decision, run) => process.handle(decision, run))
  }

  #receiver(
    store: Store,
    upstream: Upstream,
    onEvent: (event: CheqpointEvent) => void,
    onDecision: (decision: Decision, run: Run) => unknown,
  ): TypedReceiver {
    return createReceiver({
      ...{ apiKey: 'cq_live_model', dispatcher: upstream, clock: this.time, store, onEvent, onDecision, retentionMs },
      ...{ guarantee: this.guarantee, sweep: 'elsewhere', confirm: { minIntervalMs, requestsPerSecond: 1_000 } },
      polling: { requestsPerSecond: 1_000 },
      runs: { leaseMs, maxAttempts, timeoutMs: 100_000, backoffMs: [1_000, 60_000] },
    })
  }
}

/** One process: a receiver, its connection to the store, and the behaviour of its handler. */
export class Process {
  readonly way: SeverableStore
  readonly receiver: TypedReceiver
  mode: HandlerMode = 'returns'
  readonly #world: World
  readonly #hanging = new Set<(how: 'returns' | 'throws') => void>()

  constructor(world: World) {
    this.#world = world
    this.way = new SeverableStore(world.store)
    this.receiver = world.openProcess(this.way, this)
  }

  async handle(decision: Decision, run: Run): Promise<void> {
    const { starts, time } = this.#world
    assert.ok(!this.way.severed, 'a dead process runs nothing')
    const start: Start = {
      id: decision.approvalId,
      process: this,
      decision: structuredClone(decision),
      run,
      at: time.elapsed(),
      ended: null,
    }
    starts.push(start)
    // A change of the mode does not affect running handlers.
    const { mode } = this
    const how = mode === 'hangs' ? await this.#hang() : mode
    if (mode === 'is slow') await new Promise((resolve) => setTimeout(resolve, 45_000))
    if (this.way.severed) return new Promise(() => {})
    start.ended = how === 'throws' ? 'threw' : 'returned'
    if (how === 'throws') throw new Error('the handler fails')
  }

  /** Ends every hanging handler. */
  letGo(how: 'returns' | 'throws'): void {
    for (const go of this.#hanging) go(how)
    this.#hanging.clear()
  }

  callback(
    id: string,
    claims: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string }> {
    return this.receiver.handle({
      method: 'POST',
      url: '/webhooks/cheqpoint',
      header: (name) => (name === 'user-agent' ? [agent] : []),
      body: { parsed: { ...claims, approvalId: id } },
    })
  }

  #hang(): Promise<'returns' | 'throws'> {
    return new Promise((resolve) => this.#hanging.add(resolve))
  }
}
