import { createHash } from 'node:crypto'
import { memoryStore } from '../../src/stores/memory/memory-store.js'
import type { Store } from '../../src/stores/store.js'
import { overlayStore } from './overlay-store.js'

/** A memory store whose clock only its test moves, and whose entries can be damaged. */
export interface TimedStore {
  readonly store: Store
  readonly advance: (ms: number) => Promise<void>
  readonly damage: (key: string) => Promise<void>
}

export function timedStore(options: { readonly maxPending?: number } = {}): TimedStore {
  let now = 1_767_225_600_000
  const sound = memoryStore({ ...options, clock: { now: () => now, elapsed: () => now } })
  const damaged = new Set<string>()
  const digest = (key: string): string => createHash('sha256').update(key).digest('hex')
  const store = overlayStore(sound, {
    async read(key) {
      const stored = await sound.read(key)
      return damaged.has(key) ? { now: stored.now, entry: null, unreadable: digest(key) } : stored
    },
    write: async (key, ...rest) => !damaged.has(key) && sound.write(key, ...rest),
    async list(...args) {
      const page = await sound.list(...args)
      return {
        ...page,
        items: page.items.map((item) => (damaged.has(item.key) ? { key: item.key, entry: null } : item)),
      }
    },
    async remove(key, unreadable) {
      const { entry } = await sound.read(key)
      if (!damaged.has(key) || unreadable !== digest(key) || entry === null) return false
      damaged.delete(key)
      const last = { stamp: 'removed', dueAt: null, parkedAt: null, state: {} }
      await sound.write(key, entry.stamp, last, { keepMs: 1 })
      now += 2
      return true
    },
  })
  return {
    store,
    async advance(ms) {
      now += ms
    },
    async damage(key) {
      damaged.add(key)
    },
  }
}
