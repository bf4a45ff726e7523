import type { Snapshot, Store } from '../../src/stores/store.js'
import { overlayStore } from './overlay-store.js'

/** What a bug replaces; `store` is the sound one underneath, `holders` who claimed what last. */
type Bug = (store: Store, holders: Map<string, string>) => Partial<Store>

export interface BrokenStore {
  readonly bug: string
  /** Words from a rule of the contract that the bug breaks. */
  readonly breaks: string
  wrap(store: Store): Store
}

const far = 3_600_000
const atOnce = { dueInMs: 0, notBeforeMs: 0 }

/** Stores that are sound but for one bug each. */
export const brokenStores: readonly BrokenStore[] = [
  broken('claim ignores a live lease', 'of many that claim a record one gets it', (store, holders) => ({
    async claim(id, token, leaseMs, options) {
      const answer = await store.claim(id, token, leaseMs, options)
      if (answer.kind !== 'held') return answer
      await store.release(id, holders.get(id) ?? '', atOnce)
      return store.claim(id, token, leaseMs, options)
    },
  })),
  broken('force passes a live lease', 'force does not shorten a lease', (store, holders) => ({
    async claim(id, token, leaseMs, options) {
      const answer = await store.claim(id, token, leaseMs, options)
      if (answer.kind !== 'held' || options.force !== true) return answer
      await store.release(id, holders.get(id) ?? '', atOnce)
      return store.claim(id, token, leaseMs, options)
    },
  })),
  broken('a lease ends a millisecond early', 'a lease is taken over when it has run out', (store) => ({
    claim: (id, token, leaseMs, options) => store.claim(id, token, leaseMs - 1, options),
  })),
  broken('a lease ends a millisecond late', 'a lease is taken over when it has run out', (store) => ({
    claim: (id, token, leaseMs, options) => store.claim(id, token, leaseMs + 1, options),
  })),
  broken('the fence stands still', 'the fence rises', (store) => ({
    async claim(...args) {
      const answer = await store.claim(...args)
      return answer.kind === 'claimed' ? { ...answer, fence: 1 } : answer
    },
  })),
  broken('claim takes no notice of the reference', 'another one is foreign', (store) => ({
    claim: (id, token, leaseMs, { ref, ...options }) => store.claim(id, token, leaseMs, options),
  })),
  broken('claim revives parked records', 'a parked record is not claimed', (store) => ({
    async claim(...args) {
      const answer = await store.claim(...args)
      if (answer.kind !== 'parked') return answer
      await store.retry(args[0])
      return store.claim(...args)
    },
  })),
  broken('a claim that comes too soon is put off', 'too soon never makes the record due later', (store) => ({
    async claim(id, token, leaseMs, options) {
      const answer = await store.claim(id, token, leaseMs, options)
      if (answer.kind !== 'too-soon') return answer
      await store.claim(id, 'bug', 1, { ...options, force: true })
      await store.release(id, 'bug', { dueInMs: answer.inMs, notBeforeMs: answer.inMs })
      return answer
    },
  })),
  broken('a callback’s claim is not remembered', 'a callback that met a live lease is owed', (store) => ({
    claim: (id, token, leaseMs, options) => store.claim(id, token, leaseMs, { ...options, knock: false }),
  })),
  broken('a knock does not hurry', 'a knock makes a record due earlier', (store) => ({
    knock: (id, options) => store.knock(id, { ...options, withinMs: far }),
  })),
  broken('a release does not tell of a callback', 'a release that tells of a callback', (store) => ({
    release: (id, token, options) => store.release(id, token, { ...options, knocked: false }),
  })),
  broken('quick looks have no end', 'without a knock a release', (store) => ({
    release: (id, token, options) => store.release(id, token, { ...options, knocked: true }),
  })),
  broken('seal takes any token', 'only the holder succeeds', (store, holders) => ({
    seal: (id, token, sealed) => store.seal(id, holders.get(id) ?? token, sealed),
  })),
  broken('seal counts each call', 'a seal keeps the decision and counts the start, once', (store) => {
    let calls = 0
    return {
      async seal(...args) {
        const answer = await store.seal(...args)
        return answer.kind === 'sealed' ? { ...answer, starts: ++calls } : answer
      },
    }
  }),
  broken('the last sealed decision stands', 'the first sealed decision stands', (store) => ({
    async seal(id, token, sealed) {
      const answer = await store.seal(id, token, sealed)
      return answer.kind === 'sealed' ? { ...answer, sealed } : answer
    },
  })),
  broken('release takes any token', 'whoever was taken over is refused', (store, holders) => ({
    release: (id, token, options) => store.release(id, holders.get(id) ?? token, options),
  })),
  broken('a release sent twice is carried out twice', 'undoes nothing that came between', (store) => ({
    async release(id, token, options) {
      const before = await store.get(id)
      const answer = await store.release(id, token, options)
      if (answer === 'lost' || before?.state !== 'pending') return answer
      await store.claim(id, token, 1, { force: true })
      return store.release(id, token, options)
    },
  })),
  broken('a start cannot be given back', 'a release may give back the start', (store) => ({
    release: (id, token, options) => store.release(id, token, { ...options, giveAttemptBack: false }),
  })),
  broken('complete takes any token', 'whoever was taken over is refused', (store, holders) => ({
    complete: (id, token, ...rest) => store.complete(id, holders.get(id) ?? token, ...rest),
  })),
  broken('complete loses the result', 'a done record keeps outcome', (store) => ({
    complete: (id, token, end, retentionMs) => store.complete(id, token, { ...end, result: null }, retentionMs),
  })),
  broken('tombstones go too early', 'a tombstone stays for its retention', (store) => ({
    complete: (id, token, end, retentionMs) => store.complete(id, token, end, retentionMs / 2),
  })),
  broken('tombstones stay too long', 'a tombstone stays for its retention', (store) => ({
    complete: (id, token, end, retentionMs) => store.complete(id, token, end, retentionMs + 1),
  })),
  broken('park takes any token', 'only the holder succeeds', (store, holders) => ({
    park: (id, token, reason, note) => store.park(id, holders.get(id) ?? token, reason, note),
  })),
  broken('parked records come due', 'a parked record keeps why, is never due', (store) => ({
    async takeDue(limit, leaseMs) {
      const { items } = await store.list({ state: 'parked', limit })
      return [...(await store.takeDue(limit, leaseMs)), ...items.map(keyOf)]
    },
  })),
  broken('extend takes any token', 'whoever was taken over is refused', (store, holders) => ({
    extend: (id, token, leaseMs) => store.extend(id, holders.get(id) ?? token, leaseMs),
  })),
  broken('extend does nothing', 'extending moves the end of the lease', (store) => ({
    async extend(id) {
      return (await store.get(id))?.state === 'claimed' ? 'extended' : 'lost'
    },
  })),
  broken('takeDue hands out keys twice', 'different keys', (store) => {
    let last: Awaited<ReturnType<Store['takeDue']>> = []
    return {
      async takeDue(...args) {
        const taken = await store.takeDue(...args)
        const answer = [...taken, ...last]
        last = taken
        return answer
      },
    }
  }),
  broken('takeDue forgets what it handed out', 'comes again when its taker has had so long', (store) => ({
    takeDue: (limit) => store.takeDue(limit, far),
  })),
  broken('takeDue takes no notice of the limit', 'as many as asked for', (store) => ({
    takeDue: (_limit, leaseMs) => store.takeDue(1_000, leaseMs),
  })),
  broken('takeDue hands out the newest first', 'oldest first', (store) => ({
    async takeDue(limit, leaseMs) {
      return (await store.takeDue(limit, leaseMs)).toReversed()
    },
  })),
  broken('adding again replaces', 'adding an id that is open answers exists', (store) => ({
    async add(record, options) {
      if ((await store.get(record.id))?.state === 'pending') await store.cancel(record.id, 0)
      return store.add(record, options)
    },
  })),
  broken('JSON is read and written again', 'integers above 2^53', (store) => ({
    add: (record, options) => store.add({ ...record, details: JSON.stringify(JSON.parse(record.details)) }, options),
  })),
  broken('empty arrays become objects', 'an empty array comes back', (store) => ({
    seal: (id, token, sealed) => store.seal(id, token, sealed.replaceAll('[]', '{}')),
  })),
  broken('ids fold case', 'no two are the same', (store) => ({
    add: (record, options) => store.add({ ...record, id: record.id.toLowerCase() }, options),
    get: (id) => store.get(id.toLowerCase()),
  })),
  broken('bind hides conflicts', 'another id is a conflict', (store) => ({
    async bind(...args) {
      const answer = await store.bind(...args)
      return answer === 'conflict' ? 'bound' : answer
    },
  })),
  broken('bind forgets what callbacks named', 'an id that a callback named is due at once', (store) => ({
    async bind(ref, id, options) {
      const reserved = await store.reservation(ref)
      if (reserved !== null) {
        await store.discard(ref)
        await store.reserve(ref, reserved.draft, { dueInMs: far })
      }
      return store.bind(ref, id, options)
    },
  })),
  broken('what is bound as parked runs', 'bound as parked with its decision', (store) => ({
    bind: (ref, id, { parked, ...options }) => store.bind(ref, id, options),
  })),
  broken('any number of candidates is held', 'candidate ids, oldest first', (store) => ({
    async hold(...args) {
      const answer = await store.hold(...args)
      return answer === 'full' ? 'held' : answer
    },
  })),
  broken('a discarded reservation still comes due', 'a discarded reservation is forgotten', (store) => ({
    async discard(ref) {
      return (await store.reservation(ref)) === null ? store.discard(ref) : 'discarded'
    },
  })),
  broken('a person cancels what somebody holds', 'cannot be cancelled before its lease', (store, holders) => ({
    async cancel(id, retentionMs) {
      const answer = await store.cancel(id, retentionMs)
      if (answer !== 'held') return answer
      await store.complete(id, holders.get(id) ?? '', { outcome: 'cancelled', result: null }, retentionMs)
      return 'cancelled'
    },
  })),
  broken('every page is the first', 'pages of open records', (store) => ({
    list: ({ state, limit }) => store.list({ state, limit }),
  })),
  broken('parked records count as open', 'stats count', (store) => ({
    async stats() {
      const stats = await store.stats()
      return { ...stats, open: stats.open + stats.parked }
    },
  })),
  broken('nothing open is due at once', 'null where nothing is open', (store) => ({
    async nextDueInMs() {
      return (await store.nextDueInMs()) ?? 0
    },
  })),
]

function broken(bug: string, breaks: string, replace: Bug): BrokenStore {
  return {
    bug,
    breaks,
    wrap(store) {
      const holders = new Map<string, string>()
      const watched: Pick<Store, 'claim'> = {
        async claim(id, token, ...rest) {
          const answer = await store.claim(id, token, ...rest)
          if (answer.kind === 'claimed') holders.set(id, token)
          return answer
        },
      }
      const replaced = replace(overlayStore(store, watched), holders)
      return overlayStore(overlayStore(store, watched), replaced)
    },
  }
}

function keyOf(snapshot: Snapshot): { kind: 'approval'; id: string } {
  return { kind: 'approval', id: snapshot.state === 'done' ? snapshot.tombstone.id : snapshot.record.id }
}
