import { type Clock, memoryStore } from '../../src/index.js'
import type { Store } from '../../src/stores/store.js'

/** `store` with some of its methods replaced. */
export function overlayStore(store: Store, replaced: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      const replacement: unknown = Reflect.get(replaced, name)
      if (replacement !== undefined) return replacement
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** A memory store in the role of one that several processes share. */
export function sharedStore(store?: Store, clock?: Clock): Store {
  return overlayStore(store ?? memoryStore({ clock }), {})
}
