import { CheqpointError, memoryStore, type Store } from '../../src/index.js'
import { type Gate, gate } from './runs-time.js'

type Method = keyof Store
type Fault =
  | 'fail'
  | 'hang'
  | { readonly error: unknown }
  | { readonly answer: unknown }
  | { readonly until: Promise<void> }

/** A memory store that can be made to fail, to hang or to answer otherwise, method by method. Every call is noted. */
export class FaultyStore {
  readonly store: Store
  readonly calls: { readonly method: Method; readonly at: number }[] = []
  readonly #faults = new Map<Method | '*', Fault>()
  #crash: { left: number; readonly written: boolean } | undefined

  constructor(inner: Store = memoryStore()) {
    this.store = new Proxy(inner, {
      get: (target, name) => {
        // Whoever holds the store as a `Store` asks for nothing but its methods.
        const method = name as Method
        const call = target[method].bind(target) as (...args: unknown[]) => Promise<unknown>
        return (...args: unknown[]): Promise<unknown> => {
          this.calls.push({ method, at: performance.now() })
          if (this.#crash !== undefined && this.#crash.left-- <= 1) {
            // Of a process that dies as it calls, the store may have the call or not.
            if (this.#crash.left === 0 && this.#crash.written) void call(...args)
            return new Promise(() => {})
          }
          const fault = this.#faults.get(method) ?? this.#faults.get('*')
          if (fault === 'hang') return new Promise(() => {})
          if (fault === 'fail') return Promise.reject(new CheqpointError('store-unavailable', 'the store is down'))
          if (fault === undefined) return call(...args)
          if ('error' in fault) return Promise.reject(fault.error)
          return 'until' in fault ? fault.until.then(() => call(...args)) : Promise.resolve(fault.answer)
        }
      },
    })
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
    return this.calls.filter((call) => call.method === method).map(({ at }) => at)
  }

  #set(fault: Fault, methods: readonly Method[]): void {
    for (const method of methods.length === 0 ? (['*'] as const) : methods) this.#faults.set(method, fault)
  }
}
