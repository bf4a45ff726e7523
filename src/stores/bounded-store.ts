import { CheqpointError, isCheqpointError } from '../model/errors.js'
import type { SharedTimer } from '../util/shared-timer.js'
import { isMemoryStore } from './memory/memory-store.js'
import type { Store } from './store.js'
import { isAnswer } from './store-answers.js'

/** How long a store may take for one call. */
export const storeTimeoutMs = 5_000

/**
 * The same store, each of whose calls ends as its contract says, or rejects with a code: `store-unavailable` where it
 * does not answer in time or fails without a code, and so takes the way that every outage takes; `store-answer` where it
 * answers what its contract does not allow. That the call may still be carried out is within the contract of a store,
 * whose calls can all be sent again. The memory store answers before it returns, and as its contract says: there is
 * nothing to bound.
 */
export function boundedStore(store: Store, alarm: SharedTimer): Store {
  if (isMemoryStore(store)) return store
  const bounded = <Value>(method: keyof Store, ask: () => Promise<Value>): Promise<Value> =>
    new Promise((resolve, reject) => {
      const disarm = alarm.start(() => {
        reject(new CheqpointError('store-unavailable', `the store did not answer within ${storeTimeoutMs} ms`))
      })
      const fail = (error: unknown): void => {
        disarm()
        reject(codedError(error))
      }
      const end = (answer: Value): void => {
        disarm()
        if (isAnswer[method](answer)) resolve(answer)
        else
          reject(new CheqpointError('store-answer', `${method} of the store answered what its contract does not allow`))
      }
      try {
        ask().then(end, fail)
      } catch (error) {
        fail(error)
      }
    })
  return {
    add: (...given) => bounded('add', () => store.add(...given)),
    reserve: (...given) => bounded('reserve', () => store.reserve(...given)),
    bind: (...given) => bounded('bind', () => store.bind(...given)),
    hold: (...given) => bounded('hold', () => store.hold(...given)),
    discard: (...given) => bounded('discard', () => store.discard(...given)),
    postpone: (...given) => bounded('postpone', () => store.postpone(...given)),
    reservation: (...given) => bounded('reservation', () => store.reservation(...given)),
    claim: (...given) => bounded('claim', () => store.claim(...given)),
    knock: (...given) => bounded('knock', () => store.knock(...given)),
    takeDue: (...given) => bounded('takeDue', () => store.takeDue(...given)),
    extend: (...given) => bounded('extend', () => store.extend(...given)),
    seal: (...given) => bounded('seal', () => store.seal(...given)),
    release: (...given) => bounded('release', () => store.release(...given)),
    complete: (...given) => bounded('complete', () => store.complete(...given)),
    park: (...given) => bounded('park', () => store.park(...given)),
    retry: (...given) => bounded('retry', () => store.retry(...given)),
    cancel: (...given) => bounded('cancel', () => store.cancel(...given)),
    get: (...given) => bounded('get', () => store.get(...given)),
    list: (...given) => bounded('list', () => store.list(...given)),
    reservations: (...given) => bounded('reservations', () => store.reservations(...given)),
    stats: () => bounded('stats', () => store.stats()),
    nextDueInMs: () => bounded('nextDueInMs', () => store.nextDueInMs()),
    check: () => bounded('check', () => store.check()),
    close: () => bounded('close', () => store.close()),
  }
}

/** The error of a store that somebody else wrote is the cause, never the error. */
function codedError(error: unknown): CheqpointError {
  return isCheqpointError(error) ? error : new CheqpointError('store-unavailable', 'the store failed', { cause: error })
}
