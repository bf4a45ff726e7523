import { randomUUID } from 'node:crypto'
import { approvalKey } from '../../src/approvals/entry.js'
import { memoryStore, type Store } from '../../src/index.js'
import type { Command } from '../../src/stores/redis/link.js'
import type { RedisStoreOptions } from '../../src/stores/redis/redis-store.js'
import { readSnapshot, reservationOf, type Snapshot, snapshotOf } from './approval-snapshot.js'
import type { Place } from './redaction-places.js'
import type { RedisBench } from './redis-bench.js'
import { pass } from './runs-time.js'

/** One part of the stored data. */
export interface Kept {
  readonly place: Place
  readonly what: string
  readonly value: unknown
}

/** A store, and a way to read all of its data. */
export interface Backing {
  readonly store: Store
  /** Advances the time after all pending work has settled. */
  readonly pass: (ms: number) => Promise<void>
  /** All stored data, and all commands so far. */
  readonly dump: (ids: readonly string[]) => Promise<readonly Kept[]>
}

export function memoryBacking(): Backing {
  const store = memoryStore()
  return { store, pass, dump: (ids) => throughMethods(store, ids) }
}

/** A separate prefix on one server, read key by key without the store. */
export function redisBacking(
  { send, raw, store: open }: RedisBench,
  options: Partial<RedisStoreOptions> = {},
): Backing {
  const prefix = randomUUID()
  const commands: Command[] = []
  let underWay = 0
  const store = open({
    prefix,
    ...options,
    async sendCommand(args, key) {
      commands.push(args)
      underWay++
      try {
        return await send(args, key)
      } finally {
        underWay--
      }
    },
  })

  /** Waits until no work is pending for several turns of the event loop. */
  async function rest(): Promise<void> {
    for (let calm = 0; calm < 4; calm = underWay > 0 ? 0 : calm + 1) await new Promise(setImmediate)
  }

  async function keys(): Promise<readonly string[]> {
    const found: string[] = []
    let cursor = '0'
    do {
      // The reply of SCAN is a cursor and a list.
      const [next, page] = (await raw('SCAN', cursor, 'MATCH', `*${prefix}*`, 'COUNT', '1000')) as [string, string[]]
      found.push(...page)
      cursor = String(next)
    } while (cursor !== '0')
    return found
  }

  async function content(key: string): Promise<unknown> {
    const type = await raw('TYPE', key)
    if (type === 'zset') return raw('ZRANGE', key, '0', '-1', 'WITHSCORES')
    if (type === 'string') return raw('GET', key)
    throw new Error(`a key of type ${type} that no search reads`)
  }

  async function placeOfKey(key: string): Promise<Place> {
    const [, kind, name = ''] = /}:([ar]):(.*)$/.exec(key) ?? []
    if (kind === 'a') return placeOf(await snapshotOf(store, name))
    return kind === 'r' ? placeOfReservation(await reservationOf(store, name)) : 'index'
  }

  return {
    store,
    async pass(ms) {
      await rest()
      await pass(ms)
      await rest()
    },
    async dump(ids) {
      await rest()
      // The source of a script is text of the library.
      const told = commands.map((command) => {
        const told = command[0] === 'EVAL' ? command.toSpliced(1, 1) : command
        return { place: 'command', what: `${command[0]} to Redis`, value: told.join('\n') } as const
      })
      const kept: Kept[] = []
      for (const key of await keys())
        kept.push({ place: await placeOfKey(key), what: `the key ${key}`, value: [key, await content(key)] })
      return [...told, ...kept, ...(await throughMethods(store, ids))]
    },
  }
}

/** Reads the data through the methods of a store. */
async function throughMethods(store: Store, ids: readonly string[]): Promise<readonly Kept[]> {
  const kept: Kept[] = []
  for (const id of ids) {
    const value = await store.read(approvalKey(id))
    if (value.entry !== null) kept.push({ place: placeOf(readSnapshot(value)), what: `read(${id})`, value })
  }
  for (const index of ['due', 'parked'] as const) {
    const { items } = await store.list(index, { limit: 100 })
    for (const { key, entry } of items) {
      const isApproval = key.startsWith('a:')
      const place = isApproval
        ? placeOf(readSnapshot({ now: 0, entry }))
        : placeOfReservation(await reservationOf(store, key.slice(2)))
      kept.push({ place, what: `list(${index}): ${key}`, value: [key, entry] })
    }
  }
  kept.push({ place: 'index', what: 'count()', value: [await store.count(), await store.takeDue(0, 0)] })
  return kept
}

function placeOf(found: Snapshot | null): Place {
  if (found === null) return 'index'
  if (found.state === 'parked') return 'parked record'
  if (found.state !== 'completed') return 'open record'
  return found.outcome === 'cancelled' ? 'cancelled tombstone' : 'tombstone'
}

/** An open reservation contains the request, an ended one at most the id. */
function placeOfReservation(kind: string | null): Place {
  return kind === 'reserved' || kind === 'binding' ? 'open record' : 'reference'
}
