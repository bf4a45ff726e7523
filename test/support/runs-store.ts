import { CheqpointError, memoryStore, type Store } from '../../src/index.js'
import { type Gate, gate } from './runs-time.js'
import { type StoreStep, stepOf } from './store-steps.js'

/** A method of the store, or the kind of a write. */
type Method = keyof Store | StoreStep
type Fault =
  | 'fail'
  | 'hang'
  | { readonly error: unknown }
  | { readonly answer: unknown }
  | { readonly until: Promise<void> }

/**
 * A memory store that can fail, hang or return other results, by method or by kind of write. Records every call.
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
      // If a process dies during a call, the store may or may not execute it.
      if (this.#crash.left === 0 && this.#crash.written) void call()
      return new Promise(() => {})
    }
    const fault = this.#faults.get(step) ?? this.#faults.get(method) ?? this.#faults.get('*')
    if (fault === 'hang') return new Promise(() => {})
    if (fault === 'fail') return Promise.reject(new CheqpointError('store-unavailable', 'the store is down'))
    if (fault === undefined) return call()
    if ('error' in fault) return Promise.reject(fault.error)
    // A test can return anything, as a store can.
    return 'until' in fault ? fault.until.then(call) : Promise.resolve(fault.answer as Value)
  }

  /** Makes these methods, or all, reject from now on. No call reaches the store. */
  fail(...methods: readonly Method[]): void {
    this.#set('fail', methods)
  }

  /** Makes these methods, or all, reject with this error from now on. */
  failWith(error: unknown, ...methods: readonly Method[]): void {
    this.#set({ error }, methods)
  }

  /** Makes these methods, or all, hang from now on. No call reaches the store. */
  hang(...methods: readonly Method[]): void {
    this.#set('hang', methods)
  }

  answer(method: Method, answer: unknown): void {
    this.#faults.set(method, { answer })
  }

  /** Makes this method wait for the gate. */
  hold(method: Method): Gate {
    const held = gate()
    this.#faults.set(method, { until: held.promise })
    return held
  }

  mend(): void {
    this.#faults.clear()
  }

  /** Simulates the death of the process at its nth call from now: no later call settles. */
  crashAt(nth: number, { written }: { readonly written: boolean }): void {
    this.#crash = { left: nth, written }
  }

  /** Whether the process has died. */
  get crashed(): boolean {
    return this.#crash !== undefined && this.#crash.left <= 0
  }

  /** Times of a method's calls, in order, as `performance.now()`. */
  timesOf(method: Method): readonly number[] {
    return this.calls.filter((call) => call.method === method || call.step === method).map(({ at }) => at)
  }

  #set(fault: Fault, methods: readonly Method[]): void {
    for (const method of methods.length === 0 ? (['*'] as const) : methods) this.#faults.set(method, fault)
  }
}
