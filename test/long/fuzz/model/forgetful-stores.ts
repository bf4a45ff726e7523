import type { Entry, Store } from '../../../../src/index.js'
import { overlayStore } from '../../../support/overlay-store.js'

/*
 * Bugs of the state machine, simulated by a store that drops or invents parts of its entries: its reader then takes the
 * step of a broken transition.
 */

export interface ForgetfulStore {
  readonly bug: string
  readonly wrap: (store: Store) => Store
}

export const forgetfulStores: readonly ForgetfulStore[] = [
  showing('a live lease looks as if it were over', ({ leaseEnd, ...state }) =>
    leaseEnd === undefined ? state : { ...state, leaseEnd: 1 },
  ),
  showing('a parked approval looks as if it were pending', ({ parked: _, ...state }) => state),
  showing('a recorded decision is forgotten', ({ decision, ...state }) =>
    state['kind'] !== 'completed' || decision === undefined ? state : { ...state, decision },
  ),
  showing('attempts are forgotten', ({ attempts: _, ...state }) => state),
  showing('the minimum interval is forgotten', (state) => ('notBefore' in state ? { ...state, notBefore: 0 } : state)),
  {
    bug: 'the fence does not rise',
    wrap: (store) =>
      overlayStore(store, {
        write(key, expected, entry, options) {
          const { fence: _, ...state } = entry.state
          return store.write(key, expected, { ...entry, state }, options)
        },
      }),
  },
  {
    bug: 'a completed approval leaves no tombstone',
    wrap: (store) =>
      overlayStore(store, {
        write: (key, expected, entry, options) =>
          entry.state['kind'] === 'completed'
            ? store.write(key, expected, entry, { ...options, keepMs: 1 })
            : store.write(key, expected, entry, options),
      }),
  },
]

/** A store that keeps everything, but returns changed entries to its readers. */
function showing(bug: string, change: (state: Entry['state']) => Entry['state']): ForgetfulStore {
  return {
    bug,
    wrap: (store) =>
      overlayStore(store, {
        async read(key) {
          const stored = await store.read(key)
          const { entry } = stored
          return entry === null ? stored : { ...stored, entry: { ...entry, state: change(entry.state) } }
        },
      }),
  }
}
