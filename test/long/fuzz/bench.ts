import assert from 'node:assert/strict'
import {
  type Callback,
  type CallbackResponse,
  type CheqpointEvent,
  createReceiver,
  type Decision,
  memoryStore,
  type ReceiverOptions,
  type Run,
  type Store,
  type TypedReceiver,
} from '../../../src/index.js'
import { FakeTime } from './time.js'
import { Upstream } from './upstream.js'

export const agent = 'Cheqpoint-Callback/1.0'
export const origin = 'https://app.cheqpoint.co'

/** Longer than all effects of a case: pauses of an assistant, budgets, early callbacks. */
const betweenCasesMs = 1_000_000

/**
 * One receiver for many cases, since creating one costs more than most cases. Each case starts with an empty store,
 * after all time-limited state of the receiver has expired.
 */
export class FuzzBench {
  readonly time: FakeTime
  readonly upstream: Upstream = new Upstream()
  readonly receiver: TypedReceiver
  readonly runs: { readonly decision: Decision; readonly run: Run }[] = []
  readonly events: CheqpointEvent[] = []
  /** The store of the case, behind the counter. */
  inner: Store
  storeCalls = 0
  /** The behaviour of the handler; its calls are recorded. */
  onDecision: (decision: Decision, run: Run) => unknown = () => {}

  /** Shared by all benches of one property. */
  constructor(options: Partial<ReceiverOptions> = {}, time: FakeTime = new FakeTime()) {
    time.install()
    this.time = time
    this.inner = this.#emptyStore()
    this.receiver = createReceiver({
      apiKey: 'cq_live_fuzz',
      dispatcher: this.upstream,
      sweep: 'elsewhere',
      clock: this.time,
      store: this.#switchedStore(),
      onEvent: (event) => this.events.push(event),
      onDecision: (decision, run) => this.record(decision, run),
      ...options,
    })
  }

  /** Starts a case. */
  begin(inner: Store = this.#emptyStore()): this {
    this.time.pass(betweenCasesMs)
    this.inner = inner
    this.forget()
    return this
  }

  /** Resets the records of calls, runs and events. */
  forget(): void {
    this.storeCalls = 0
    this.runs.length = 0
    this.events.length = 0
    this.upstream.asked.length = 0
  }

  /** The handler of all actions. */
  record(decision: Decision, run: Run): unknown {
    this.runs.push({ decision, run })
    return this.onDecision(decision, run)
  }

  /** Throws if there were more API calls, runs or store reads than given. */
  expectRefused({ storeCalls = 0 }: { readonly storeCalls?: number } = {}): void {
    assert.equal(this.upstream.asked.length, 0, 'questions to the API')
    assert.equal(this.runs.length, 0, 'runs')
    assert.equal(this.storeCalls, storeCalls, 'calls to the store')
  }

  handle(callback: Partial<Callback>): Promise<CallbackResponse> {
    return this.time.end(
      this.receiver.handle({
        method: 'POST',
        url: '/webhooks/cheqpoint',
        header: (name) => (name === 'user-agent' ? [agent] : []),
        body: { stream: null },
        ...callback,
      }),
    )
  }

  async close(): Promise<void> {
    await this.time.end(this.receiver.close())
    this.time.uninstall()
  }

  #emptyStore(): Store {
    return memoryStore({ clock: this.time })
  }

  #switchedStore(): Store {
    return new Proxy(this.inner, {
      get: (_, name) => {
        // Users of a `Store` only access its methods.
        const method = name as keyof Store
        // Optional methods of a store may be missing in every case.
        if (name === 'check' || name === 'close') return undefined
        return (...given: never[]): unknown => {
          this.storeCalls++
          const call: unknown = this.inner[method]
          return Reflect.apply(call as (...all: never[]) => unknown, this.inner, given)
        }
      },
    })
  }
}
