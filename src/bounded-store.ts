import { CheqpointError } from './errors.js'
import type { Alarm } from './runtime.js'
import type { Store } from './store.js'
import { isMemoryStore } from './stores/memory.js'

/** How long a store may take for one call. */
export const storeTimeoutMs = 5_000

/**
 * The same store, each of whose calls ends: one that does not answer in time rejects with `store-unavailable`, and so
 * takes the way that every outage takes. That the call may still be carried out is within the contract of a store,
 * whose calls can all be sent again. The memory store answers before it returns, so there is nothing to bound.
 */
export function boundedStore(store: Store, alarm: Alarm): Store {
  if (isMemoryStore(store)) return store
  const bounded = <Value>(ask: () => Promise<Value>): Promise<Value> =>
    new Promise((resolve, reject) => {
      const disarm = alarm.arm(() => {
        reject(new CheqpointError('store-unavailable', `the store did not answer within ${storeTimeoutMs} ms`))
      })
      const end =
        <Result>(settle: (result: Result) => void) =>
        (result: Result): void => {
          disarm()
          settle(result)
        }
      try {
        ask().then(end(resolve), end(reject))
      } catch (error) {
        end(reject)(error)
      }
    })
  return {
    add: (...given) => bounded(() => store.add(...given)),
    reserve: (...given) => bounded(() => store.reserve(...given)),
    bind: (...given) => bounded(() => store.bind(...given)),
    hold: (...given) => bounded(() => store.hold(...given)),
    discard: (...given) => bounded(() => store.discard(...given)),
    postpone: (...given) => bounded(() => store.postpone(...given)),
    reservation: (...given) => bounded(() => store.reservation(...given)),
    claim: (...given) => bounded(() => store.claim(...given)),
    knock: (...given) => bounded(() => store.knock(...given)),
    takeDue: (...given) => bounded(() => store.takeDue(...given)),
    extend: (...given) => bounded(() => store.extend(...given)),
    seal: (...given) => bounded(() => store.seal(...given)),
    release: (...given) => bounded(() => store.release(...given)),
    complete: (...given) => bounded(() => store.complete(...given)),
    park: (...given) => bounded(() => store.park(...given)),
    retry: (...given) => bounded(() => store.retry(...given)),
    cancel: (...given) => bounded(() => store.cancel(...given)),
    get: (...given) => bounded(() => store.get(...given)),
    list: (...given) => bounded(() => store.list(...given)),
    reservations: (...given) => bounded(() => store.reservations(...given)),
    stats: () => bounded(() => store.stats()),
    nextDueInMs: () => bounded(() => store.nextDueInMs()),
    check: () => bounded(() => store.check()),
    close: () => bounded(() => store.close()),
  }
}
