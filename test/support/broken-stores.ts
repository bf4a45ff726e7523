import { setImmediate as turn } from 'node:timers/promises'
import type { Entry, Store } from '../../src/stores/store.js'
import { overlayStore } from './overlay-store.js'

/** A correct store with one bug. */
export interface BrokenStore {
  readonly bug: string
  /** Part of the name of the rule that the bug breaks. */
  readonly breaks: string
  wrap(store: Store): Store
}

export const day = 86_400_000
let writes = 0

/** Writes unconditionally, which no correct store does. */
export async function force(
  store: Store,
  key: string,
  entry: Entry,
  options?: Parameters<Store['write']>[3],
): Promise<true> {
  for (;;) {
    const stored = (await store.read(key)).entry
    // With the stored stamp, the write would be a repeat.
    const step = stored?.stamp === entry.stamp ? { ...entry, stamp: `forced-${++writes}` } : entry
    if ((await store.write(key, stored?.stamp ?? null, step, options)) && step === entry) return true
  }
}

async function storedStamp(store: Store, key: string): Promise<string | null> {
  return (await store.read(key)).entry?.stamp ?? null
}

/** Kinds of bugs that a custom store might have. */
export const brokenStores: readonly BrokenStore[] = [
  broken('a first write replaces a stored entry', 'expected null is false if an entry', (store) => ({
    write: (key, expected, ...rest) =>
      expected === null ? force(store, key, ...rest) : store.write(key, expected, ...rest),
  })),
  broken('the expected stamp is ignored', 'write over another stamp is false', (store) => ({
    async write(key, expected, ...rest) {
      return store.write(key, expected === null ? null : await storedStamp(store, key), ...rest)
    },
  })),
  broken('a missing entry is created', 'false if nothing is stored', (store) => ({
    write: async (key, expected, ...rest) =>
      store.write(key, (await storedStamp(store, key)) === null ? null : expected, ...rest),
  })),
  broken('a refused write moves the due time', 'write over another stamp is false', (store) => ({
    async write(key, expected, entry, options) {
      const { entry: stored } = await store.read(key)
      const written = await store.write(key, expected, entry, options)
      if (!written && stored !== null) await force(store, key, { ...stored, dueAt: entry.dueAt })
      return written
    },
  })),
  broken('a repeated first write is false', 'a repeated write is true each time', (store) => ({
    async write(key, expected, ...rest) {
      return (expected !== null || (await storedStamp(store, key)) === null) && store.write(key, expected, ...rest)
    },
  })),
  broken('a repeated later write is false', 'a repeated write is true each time', (store) => ({
    async write(key, expected, ...rest) {
      return (expected === null || (await storedStamp(store, key)) === expected) && store.write(key, expected, ...rest)
    },
  })),
  broken('a repeated write is written again', 'a repeated write changes nothing', (store) => ({
    async write(key, expected, entry, options) {
      if ((await storedStamp(store, key)) !== entry.stamp) return store.write(key, expected, entry, options)
      return force(store, key, entry, options)
    },
  })),
  broken('a repeated write restarts keepMs', 'a repeated write does not extend keepMs', (store) => ({
    async write(key, expected, entry, options) {
      const repeated = options?.keepMs !== undefined && (await storedStamp(store, key)) === entry.stamp
      return repeated ? force(store, key, entry, options) : store.write(key, expected, entry, options)
    },
  })),
  broken('a repeated write is true after any later write', 'false after a later write', (store) => {
    const stamps = new Set<string>()
    return {
      async write(key, expected, entry, options) {
        if (stamps.has(key + entry.stamp)) return true
        const written = await store.write(key, expected, entry, options)
        if (written) stamps.add(key + entry.stamp)
        return written
      },
    }
  }),
  broken('stamps are compared, then written in a second step', 'parallel writes over one stamp', (store) => ({
    async write(key, expected, ...rest) {
      if ((await storedStamp(store, key)) !== expected) return store.write(key, expected, ...rest)
      await turn()
      return force(store, key, ...rest)
    },
  })),
  broken('new keys are checked, then inserted in a second step', 'parallel writes of a new key', (store) => ({
    async write(key, expected, ...rest) {
      if (expected !== null || (await storedStamp(store, key)) !== null) return store.write(key, expected, ...rest)
      await turn()
      return force(store, key, ...rest)
    },
  })),
  broken('stamps are compared without case', 'stamps are compared in full', (store) => ({
    async write(key, expected, ...rest) {
      const stored = await storedStamp(store, key)
      const same = stored?.toLowerCase() === expected?.toLowerCase()
      return store.write(key, same ? stored : expected, ...rest)
    },
  })),
  broken('new work is always refused', 'a store with room accepts intake', (store) => ({
    write: async (...args) => {
      if (args[3]?.intake === true) throw new Error('full')
      return store.write(...args)
    },
  })),
  altering('keys of objects are sorted', 'the order of keys', (text) =>
    JSON.stringify(JSON.parse(text), (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    ),
  ),
  altering('NUL ends a text', 'control characters and NUL', (text) => text.replaceAll('\\u0000', '')),
  altering('lone surrogates are replaced', 'lone surrogates', (text) => text.replaceAll(/\\ud[89a-f]../g, '\ufffd')),
  altering('texts are normalized', 'text beyond ASCII', (text) => text.normalize()),
  altering('__proto__ is dropped', 'names of the prototype', (text) =>
    JSON.stringify(JSON.parse(text), (key: string, value: unknown) => (key === '__proto__' ? undefined : value)),
  ),
  altering('numbers have 15 digits', 'big and small numbers', (text) =>
    JSON.stringify(JSON.parse(text), (_, value: unknown) =>
      typeof value === 'number' ? Number(value.toPrecision(15)) : value,
    ),
  ),
  altering('long texts are cut off', '256 KiB of text', (text) => (text.length > 65_536 ? '{"cut":true}' : text)),
  altering('empty objects become lists', 'empty', (text) => text.replaceAll('{}', '[]')),
  renaming('keys are compared without case', (key) => key.toLowerCase()),
  renaming('keys are trimmed', (key) => key.trim()),
  renaming('keys are normalized', (key) => key.normalize()),
  renaming('keys are cut off', (key) => key.slice(0, 255)),
  broken('times are rounded to seconds', 'dueAt and parkedAt are returned exactly', (store) => ({
    write: (key, expected, entry, options) =>
      store.write(key, expected, { ...entry, dueAt: entry.dueAt && Math.floor(entry.dueAt / 1_000) * 1_000 }, options),
  })),
  broken('the caller’s object is kept', 'changing an object after its write', (store) => {
    const objects = new Map<string, Entry>()
    return {
      async write(key, expected, entry, options) {
        const written = await store.write(key, expected, entry, options)
        if (written) objects.set(key, entry)
        return written
      },
      read: async (key) => {
        const stored = await store.read(key)
        return { ...stored, entry: stored.entry && { ...stored.entry, state: objects.get(key)?.state ?? {} } }
      },
    }
  }),
  broken('readers share an object', 'changing a result of read or list', (store) => {
    const objects = new Map<string, Entry>()
    return {
      async read(key) {
        const stored = await store.read(key)
        const { entry } = stored
        if (entry !== null && objects.get(key)?.stamp !== entry.stamp) objects.set(key, structuredClone(entry))
        return { ...stored, entry: entry && { ...entry, state: objects.get(key)?.state ?? {} } }
      },
    }
  }),
]

/** Creates a broken store: some methods of a correct store are replaced. */
export function broken(bug: string, breaks: string, replace: (store: Store) => Partial<Store>): BrokenStore {
  return { bug, breaks, wrap: (store) => overlayStore(store, replace(store)) }
}

/** Breaks the stored text. */
function altering(bug: string, what: string, change: (text: string) => string): BrokenStore {
  return broken(bug, `an entry is returned exactly: ${what}`, (store) => ({
    write: (key, expected, entry, options) =>
      store.write(key, expected, { ...entry, state: JSON.parse(change(JSON.stringify(entry.state))) }, options),
  }))
}

/** Confuses keys. */
function renaming(bug: string, change: (key: string) => string): BrokenStore {
  return broken(bug, 'keys are opaque text', (store) => ({
    read: (key) => store.read(change(key)),
    write: (key, ...rest) => store.write(change(key), ...rest),
  }))
}
