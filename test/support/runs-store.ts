import { CheqpointError, memoryStore, type Store } from '../../src/index.js'
import { type Gate, gate } from './runs-time.js'
import { type StoreStep, stepOf } from './store-steps.js'

/** A method of the store, or what a write does. */
type Method = keyof Store | StoreStep
type Fault =
  | 'fail'
  | 'hang'
  | { readonly error: unknown }
  | { readonly answer: unknown }
  | { readonly until: Promise<void> }

/**
 * A memory store that can be made to fail, to hang or to answer otherwise, by method or by what a write does. Every call
 * is noted.
 */
export class FaultyStore {
  readonly store: Store
  readonly calls: { readonly method: keyof Store; readonly step: Method; readonly at: number }[] = []
  readonly #faults = new Map<Method | '*', Fault>()
  #crash: { left: number; readonly written: boolean } | undefined

  constructor(inner: Store = memoryStore()) {
    this.store = {
      read: (key) => this.#call('read', () => inner.read(key)),
      write: async (key, expected, entry, options) => {
        const { entry: before } = await inner.read(key)
        return this.#call('write', () => inner.write(key, expected, entry, options), stepOf(key, before, entry))
      },
      takeDue: (limit, hideMs) => this.#call('takeDue', () => inner.takeDue(limit, hideMs)),
      list: (index, page) => this.#call('list', () => inner.list(index, page)),
      count: () => this.#call('count', () => inner.count()),
      remove: (key, unreadable) => this.#call('remove', () => inner.remove(key, unreadable)),
      check: () => this.#call('check', async () => (await inner.check?.()) ?? []),
      close: () => this.#call('close', async () => inner.close?.()),
    }
  }

  #call<Value>(method: keyof Store, call: () => Promise<Value>, step: Method = method): Promise<Value> {
    this.calls.push({ method, step, at: performance.now() })
    if (this.#crash !== undefined && this.#crash.left-- <= 1) {
      // Of a process that dies as it calls, the store may have the call or not.
      if (this.#crash.left === 0 && this.#crash.written) void call()
      return new Promise(() => {})
    }
    const fault = this.#faults.get(step) ?? this.#faults.get(method) ?? this.#faults.get('*')
    if (fault === 'hang') return new Promise(() => {})
    if (fault === 'fail') return Promise.reject(new CheqpointError('store-unavailable', 'the store is down'))
    if (fault === undefined) return call()
    if ('error' in fault) return Promise.reject(fault.error)
    // A test may say anything, for stores may.
    return 'until' in fault ? fault.until.then(call) : Promise.resolve(fault.answer as Value)
  }

  /** These methods, or all of them, reject from now on. Nothing reaches the store. */
  fail(...methods: readonly Method[]): void {
    this.#set('fail', methods)
  }

  /** These methods, or all of them, reject with this from now on. */
  failWith(error: unknown, ...methods: readonly Method[]): void {
    this.#set({ error }, methods)
  }

  /** These methods, or all of them, never answer from now on. Nothing reaches the store. */
  hang(...methods: readonly Method[]): void {
    this.#set('hang', methods)
  }

  answer(method: Method, answer: unknown): void {
    this.#faults.set(method, { answer })
  }

  /** This method answers once the gate is open. */
  hold(method: Method): Gate {
    const held = gate()
    this.#faults.set(method, { until: held.promise })
    return held
  }

  mend(): void {
    this.#faults.clear()
  }

  /** The process that holds this store dies at its nth call from now: no call is ever answered again. */
  crashAt(nth: number, { written }: { readonly written: boolean }): void {
    this.#crash = { left: nth, written }
  }

  /** Whether it has come to that. */
  get crashed(): boolean {
    return this.#crash !== undefined && this.#crash.left <= 0
  }

  /** When a method was called, in order, as `performance.now()`. */
  timesOf(method: Method): readonly number[] {
    return this.calls.filter((call) => call.method === method || call.step === method).map(({ at }) => at)
  }

  #set(fault: Fault, methods: readonly Method[]): void {
    for (const method of methods.length === 0 ? (['*'] as const) : methods) this.#faults.set(method, fault)
  }
}
