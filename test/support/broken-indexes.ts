import { setImmediate as turn } from 'node:timers/promises'
import type { Entry, Store } from '../../src/stores/store.js'
import { type BrokenStore, broken, day, force } from './broken-stores.js'

/** Bugs of indexes, time and retention. */
export const brokenIndexes: readonly BrokenStore[] = [
  broken('takeDue gives one key more than asked for', 'at most limit at a time', (store) => ({
    takeDue: (limit, hideMs) => store.takeDue(limit + 1, hideMs),
  })),
  broken('the newest due key comes first', 'oldest first', (store) => ({
    async takeDue(...args) {
      const due = await store.takeDue(...args)
      return { ...due, keys: due.keys.toReversed() }
    },
  })),
  broken('keys are due a second early', 'a key is taken once it is due, and not before', (store) => ({
    async takeDue(limit, hideMs) {
      const { items } = await store.list('due', { limit: 1 })
      const { now } = await store.read('a:none')
      for (const { key, entry } of items) {
        if (entry?.dueAt && entry.dueAt > now && entry.dueAt < now + 1_000)
          await force(store, key, { ...entry, dueAt: 1 })
      }
      return store.takeDue(limit, hideMs)
    },
  })),
  broken('nothing is hidden', 'is hidden from other takers', (store) => ({
    takeDue: (limit) => store.takeDue(limit, 0),
  })),
  broken('keys are hidden for half the time', 'hiding sets dueAt to now plus hideMs', (store) => ({
    takeDue: (limit, hideMs) => store.takeDue(limit, hideMs / 2),
  })),
  broken('hidden keys do not come back', 'a hidden key is due again', (store) => ({
    takeDue: (limit) => store.takeDue(limit, 365 * day),
  })),
  broken('hiding writes a new stamp', 'a write over the stamp of a hidden entry', (store) => ({
    async takeDue(...args) {
      const due = await store.takeDue(...args)
      for (const key of due.keys) {
        const { entry } = await store.read(key)
        if (entry !== null) await store.write(key, entry.stamp, { ...entry, stamp: `${entry.stamp}+` })
      }
      return due
    },
  })),
  broken('read shows the dueAt that was written', 'hiding sets dueAt to now plus hideMs', (store) => {
    const written = new Map<string, number | null>()
    return {
      async write(key, expected, entry, options) {
        const done = await store.write(key, expected, entry, options)
        if (done) written.set(key + entry.stamp, entry.dueAt)
        return done
      },
      async read(key) {
        const stored = await store.read(key)
        const { entry } = stored
        return { ...stored, entry: entry && { ...entry, dueAt: written.get(key + entry.stamp) ?? null } }
      },
    }
  }),
  broken('a write leaves the due index as it was', 'removes the key from the due index', (store) => ({
    async write(key, expected, entry, options) {
      const { entry: stored } = await store.read(key)
      return store.write(key, expected, { ...entry, dueAt: entry.dueAt ?? stored?.dueAt ?? null }, options)
    },
  })),
  broken('due keys are looked up, then hidden in a second step', 'parallel takers get different keys', (store) => ({
    async takeDue(limit, hideMs) {
      const [{ items }, { now }] = [await store.list('due', { limit }), await store.read('a:none')]
      await turn()
      const { nextDueInMs } = await store.takeDue(limit, hideMs)
      return { keys: items.filter(({ entry }) => Number(entry?.dueAt) <= now).map(({ key }) => key), nextDueInMs }
    },
  })),
  broken('nextDueInMs is always null', 'nextDueInMs is the time until the next key', (store) => ({
    takeDue: async (...args) => ({ ...(await store.takeDue(...args)), nextDueInMs: null }),
  })),
  broken('nextDueInMs is 0 where nothing is left', 'null, if the due index is empty', (store) => ({
    async takeDue(...args) {
      const due = await store.takeDue(...args)
      return { ...due, nextDueInMs: due.nextDueInMs ?? 0 }
    },
  })),
  broken('nextDueInMs ignores keys that are due already', 'nextDueInMs is 0 if limit left', (store) => ({
    async takeDue(limit, hideMs) {
      const due = await store.takeDue(limit, hideMs)
      return due.nextDueInMs === 0 ? { ...due, nextDueInMs: hideMs } : due
    },
  })),
  broken('nextDueInMs leaves out what was hidden', 'nextDueInMs includes the keys that this call hid', (store) => ({
    async takeDue(limit, hideMs) {
      const due = await store.takeDue(limit, hideMs)
      return due.nextDueInMs === hideMs ? { ...due, nextDueInMs: 2 * hideMs } : due
    },
  })),
  broken('a cursor of any list is accepted', 'a cursor of the other list', (store) => ({
    list: (index, { limit, cursor }) => store.list(index, { limit, cursor }).catch(() => store.list(index, { limit })),
  })),
  paging('cursors are counts of listed keys', 'stays in the due index is listed once', (entries, cursor) => ({
    rest: entries.slice(cursor),
    next: (page) => cursor + page.length,
  })),
  paging('cursors hold only a time', 'stays in the parked index is listed once', (entries, cursor) => ({
    rest: entries.filter(({ time }) => time > cursor || cursor === 0),
    next: (page) => page.at(-1)?.time ?? 0,
  })),
  broken('the first page repeats for ever', 'oldest first, page by page', (store) => ({
    list: (index, { limit }) => store.list(index, { limit }),
  })),
  broken('an entry has one index', 'moves an entry from one index to the other', (store) => ({
    write: (key, expected, entry, options) =>
      store.write(key, expected, { ...entry, dueAt: entry.parkedAt === null ? entry.dueAt : null }, options),
  })),
  broken('parked entries count as open', 'count returns the sizes of both indexes, which', (store) => ({
    async count() {
      const counts = await store.count()
      return { ...counts, open: counts.open + counts.parked }
    },
  })),
  broken('overdueMs is always 0', 'how long the oldest key is overdue', (store) => ({
    count: async () => ({ ...(await store.count()), overdueMs: 0 }),
  })),
  broken('keepMs is ignored', 'an entry expires after keepMs', (store) => ({
    write: (key, expected, entry) => store.write(key, expected, entry),
  })),
  broken('keepMs ends a millisecond early', 'an entry expires after keepMs', (store) => ({
    write: (key, expected, entry, options = {}) =>
      store.write(key, expected, entry, options.keepMs === undefined ? options : { keepMs: options.keepMs - 2 }),
  })),
  broken('keepMs outlives its entry', 'without keepMs over an entry with keepMs never expires', (store) => {
    const kept = new Map<string, number | undefined>()
    return {
      write(key, expected, entry, options = {}) {
        kept.set(key, options.keepMs ?? kept.get(key))
        return store.write(key, expected, entry, { ...options, keepMs: kept.get(key) })
      },
    }
  }),
  broken('expired entries stay in the index', 'leaves the indexes when it expires', (store) => {
    const kept = new Set<string>()
    return {
      write(key, expected, entry, options = {}) {
        if (options.keepMs !== undefined) kept.add(key)
        return store.write(key, expected, entry, options)
      },
      async list(...args) {
        const page = await store.list(...args)
        const items = [...page.items]
        for (const key of kept) if ((await store.read(key)).entry === null) items.push({ key, entry: null })
        return { ...page, items }
      },
    }
  }),
  broken('open entries expire after 30 days', 'open entries never expire', (store) => ({
    write: (key, expected, entry, options) => store.write(key, expected, entry, { keepMs: 30 * day, ...options }),
  })),
  broken('only 500 entries are kept', 'open entries never expire', (store) => {
    const keys = new Set<string>()
    return {
      write(key, ...rest) {
        keys.add(key)
        return store.write(key, ...rest)
      },
      async read(key) {
        const stored = await store.read(key)
        return [...keys].slice(0, -500).includes(key) ? { ...stored, entry: null } : stored
      },
    }
  }),
  broken('now has fractions', 'now is in whole milliseconds', (store) => ({
    async read(key) {
      const stored = await store.read(key)
      return { ...stored, now: stored.now + 0.5 }
    },
  })),
  broken('now runs backwards', 'never runs backwards', (store) => {
    let reads = 0
    return {
      async read(key) {
        const stored = await store.read(key)
        return { ...stored, now: stored.now - (reads++ % 3) }
      },
    }
  }),
  broken('readable entries are removed', 'remove is false for a readable', () => ({
    remove: async () => true,
  })),
  broken('remove takes any digest', 'remove deletes an unreadable entry', (store) => ({
    remove: async (key) => store.remove(key, (await store.read(key)).unreadable ?? ''),
  })),
  broken('a write replaces an unreadable entry', 'no write replaces the entry', (store) => ({
    async write(key, expected, entry, options) {
      const { unreadable } = await store.read(key)
      if (unreadable === undefined) return store.write(key, expected, entry, options)
      await store.remove(key, unreadable)
      return store.write(key, null, entry, options)
    },
  })),
  broken('a digest is random', 'the same digest of an unreadable entry', (store) => ({
    async read(key) {
      const stored = await store.read(key)
      return stored.unreadable === undefined ? stored : { ...stored, unreadable: String(Math.random()) }
    },
  })),
  broken('unreadable entries are not listed', 'list returns unreadable entries', (store) => ({
    async list(...args) {
      const page = await store.list(...args)
      return { ...page, items: page.items.filter(({ entry }) => entry !== null) }
    },
  })),
  broken('methods need their object', 'work without their object', (store) => ({
    read(this: Store | undefined, key) {
      return this === undefined ? Promise.reject(new TypeError('read of undefined')) : store.read(key)
    },
  })),
  broken('check resolves with a number', 'check, if present', () => ({
    // The wrong type on purpose.
    check: async () => 1 as unknown as readonly string[],
  })),
  broken('a second close rejects', 'close, if present', () => {
    let closed = false
    return {
      async close() {
        if (closed) throw new Error('closed already')
        closed = true
      },
    }
  }),
]

interface Timed {
  readonly key: string
  readonly entry: Entry | null
  readonly time: number
}

/** Pages with a number as cursor. */
function paging(
  bug: string,
  breaks: string,
  page: (entries: readonly Timed[], cursor: number) => { rest: readonly Timed[]; next(page: readonly Timed[]): number },
): BrokenStore {
  return broken(bug, breaks, (store) => ({
    async list(index, { limit, cursor }) {
      const { items } = await store.list(index, { limit: 10_000 })
      const time = (entry: Entry | null): number => (index === 'due' ? entry?.dueAt : entry?.parkedAt) ?? 0
      const entries = items.map((item) => ({ ...item, time: time(item.entry) }))
      const { rest, next } = page(entries, Number(cursor ?? 0))
      const shown = rest.slice(0, limit)
      return {
        items: shown.map(({ key, entry }) => ({ key, entry })),
        cursor: rest.length > limit ? String(next(shown)) : null,
      }
    },
  }))
}
