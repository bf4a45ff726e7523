import type { NewRecord } from '../../../src/stores/record.js'
import type { Store } from '../../../src/stores/store.js'
import { overlayStore } from '../overlay-store.js'
import type { Policy } from './world.js'

/** A mistake, in the store or in how workers behave, and the invariant that it breaks first. */
export interface Bug {
  readonly bug: string
  readonly breaks: string
  readonly policy: Policy
  readonly store?: (store: Store) => Store
}

const atLeastOnce: Policy = { guarantee: 'at-least-once' }

export const bugs: readonly Bug[] = [
  {
    bug: 'completion without token check',
    breaks: 'no write by a worker that lost its claim',
    policy: atLeastOnce,
    store: (store) =>
      forHolders(store, (holders) => ({
        complete: (id, token, ...rest) => store.complete(id, holders.get(id) ?? token, ...rest),
      })),
  },
  {
    bug: 'claim ignoring a live lease',
    breaks: 'a claim is taken over only after its lease ran out',
    policy: atLeastOnce,
    store: (store) =>
      forHolders(store, (holders) => ({
        async claim(id, token, leaseMs, options) {
          const answer = await store.claim(id, token, leaseMs, options)
          if (answer.kind !== 'held') return answer
          await store.release(id, holders.get(id) ?? '', { dueInMs: 0, notBeforeMs: 0 })
          return store.claim(id, token, leaseMs, options)
        },
      })),
  },
  {
    bug: 'claim ignoring that a record is done',
    breaks: 'one completion an id',
    policy: atLeastOnce,
    store: (store) => {
      const done = new Map<string, NewRecord>()
      return overlayStore(store, {
        async complete(id, token, end) {
          const snapshot = await store.get(id)
          const answer = await store.complete(id, token, end, 0)
          if (answer === 'done' && snapshot?.state === 'claimed') done.set(id, snapshot.record)
          return answer
        },
        async claim(id, token, leaseMs, options) {
          const record = done.get(id)
          if (record !== undefined) await store.add(record, { dueInMs: 0, sealed: '{"status":"approved"}' })
          return store.claim(id, token, leaseMs, options)
        },
      })
    },
  },
  {
    bug: 'an expired lease that is not in the due index',
    breaks: 'every open record is in the due index',
    policy: atLeastOnce,
    store: (store) =>
      forHolders(store, (holders) => ({
        async takeDue(limit, leaseMs) {
          const keys = await store.takeDue(limit, leaseMs)
          return keys.filter((key) => key.kind === 'reservation' || !holders.has(key.id))
        },
        async release(id, token, options) {
          const answer = await store.release(id, token, options)
          if (answer === 'released') holders.delete(id)
          return answer
        },
        async retry(id) {
          holders.delete(id)
          return store.retry(id)
        },
      })),
  },
  {
    bug: 'seal without token check',
    breaks: 'no write by a worker that lost its claim',
    policy: atLeastOnce,
    store: (store) =>
      forHolders(store, (holders) => ({
        seal: (id, token, sealed) => store.seal(id, holders.get(id) ?? token, sealed),
      })),
  },
  {
    bug: 'release without token check',
    breaks: 'no write by a worker that lost its claim',
    policy: atLeastOnce,
    store: (store) =>
      forHolders(store, (holders) => ({
        release: (id, token, options) => store.release(id, holders.get(id) ?? token, options),
      })),
  },
  {
    bug: 'no parking in at-most-once mode',
    breaks: 'at most one start where that is the guarantee',
    policy: { guarantee: 'at-most-once', neverParksStarted: true },
  },
  {
    bug: 'trusting the word of a callback',
    breaks: 'no run without confirmation',
    policy: { guarantee: 'at-least-once', trustsCallbacks: true },
  },
  {
    bug: 'completing before the handler ran',
    breaks: 'done only after a finished run or a cancel',
    policy: { guarantee: 'at-least-once', completesBeforeRunning: true },
  },
  {
    bug: 'forgetting a callback that meets a live lease',
    breaks: 'a knock is never lost',
    policy: atLeastOnce,
    store: (store) =>
      overlayStore(store, {
        async claim(id, token, leaseMs, options) {
          const state = (await store.get(id))?.state
          return store.claim(id, token, leaseMs, { ...options, knock: options.knock === true && state !== 'claimed' })
        },
      }),
  },
]

/** A store some of whose methods know who claimed what last. */
function forHolders(store: Store, replace: (holders: Map<string, string>) => Partial<Store>): Store {
  const holders = new Map<string, string>()
  const replaced = replace(holders)
  return overlayStore(store, {
    ...replaced,
    async claim(id, token, ...rest) {
      const answer = await (replaced.claim ?? store.claim.bind(store))(id, token, ...rest)
      if (answer.kind === 'claimed') holders.set(id, token)
      return answer
    },
  })
}
