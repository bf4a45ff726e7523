import { CheqpointError } from '../errors.js'
import type { DueKey, Page, PageQuery, Reservation, Snapshot, Store } from '../store.js'
import type { RedisKeys } from './redis-keys.js'
import type { RedisLink } from './redis-link.js'
import { milliseconds } from './redis-records.js'
import * as scripts from './redis-scripts.js'

type Indexes = Pick<Store, 'takeDue' | 'list' | 'reservations' | 'stats' | 'nextDueInMs'>

interface Readers {
  readonly get: (id: string) => Promise<Snapshot | null>
  readonly reservation: (ref: string) => Promise<Reservation | null>
  readonly resume: (ref: string, leaseMs: number) => Promise<string | null>
}

/** A member of an index and its score, as Redis writes it. */
interface Member {
  readonly partition: number
  readonly name: string
  readonly score: string
}

/** Where a page ended in one partition; `null` before the first page. */
type Position = readonly [score: string, name: string] | null

/** What is read from the due and parked indexes of all partitions. */
export function redisIndexes(link: RedisLink, keys: RedisKeys, readers: Readers): Indexes {
  const indexes = keys.indexes()
  let start = 0

  async function takeFrom(due: string, limit: number, leaseMs: number): Promise<readonly DueKey[]> {
    const reply = await link.run(scripts.take, [due], [String(limit), milliseconds(leaseMs)])
    reply.oneOf('due')
    const taken = await Promise.all(reply.rest().map((name) => readDue(name, leaseMs)))
    return taken.filter((key) => key !== null)
  }

  async function readDue(member: string, leaseMs: number): Promise<DueKey | null> {
    const key = member.slice(2)
    if (member.startsWith('a:')) return { kind: 'approval', id: key }
    if (member.startsWith('r:')) return { kind: 'reservation', ref: key }
    // One that cannot be resumed now is due again after the lease; the others must not suffer for it.
    const id = await readers.resume(key, leaseMs).catch(() => null)
    return id === null ? null : { kind: 'approval', id }
  }

  /** The next members over all partitions, at most `count`. */
  async function nextMembers(index: 'due' | 'parked', count: number, positions: readonly Position[]) {
    const pages = await Promise.all(
      indexes.map(async ({ [index]: key }, partition): Promise<readonly Member[]> => {
        const reply = await link.run(scripts.page, [key], [String(count), ...(positions[partition] ?? ['', ''])])
        reply.oneOf('page')
        return pairs(reply.rest()).map(([name, score]) => ({ partition, name, score }))
      }),
    )
    // A stable sort, so each partition's members stay in their order.
    return pages.flat().sort((a, b) => Number(a.score) - Number(b.score))
  }

  async function page<Item>(
    index: 'due' | 'parked',
    { limit, cursor }: PageQuery,
    read: (name: string) => Promise<Item | null>,
  ): Promise<Page<Item>> {
    const positions = readCursor(cursor, keys.partitions)
    const items: Item[] = []
    for (;;) {
      const wanted = limit - items.length
      // One more than wanted tells whether this is the last page.
      const members = await nextMembers(index, wanted + 1, positions)
      const picked = members.slice(0, wanted)
      for (const { partition, score, name } of picked) positions[partition] = [score, name]
      for (const item of await Promise.all(picked.map(({ name }) => read(name)))) if (item !== null) items.push(item)
      if (members.length === picked.length) return { items, cursor: null }
      if (items.length >= limit) return { items, cursor: writeCursor(positions) }
    }
  }

  return {
    async takeDue(limit, leaseMs) {
      const taken: DueKey[] = []
      let failure: unknown
      // Each call starts one partition further, so that a full one cannot starve the others.
      const first = start++ % indexes.length
      for (const { due } of [...indexes.slice(first), ...indexes.slice(0, first)]) {
        if (taken.length >= limit) break
        try {
          taken.push(...(await takeFrom(due, limit - taken.length, leaseMs)))
        } catch (error) {
          failure = error
        }
      }
      // What was taken is taken: a partition that fails must not hide the others' keys until their lease is over.
      if (taken.length === 0 && failure !== undefined) throw failure
      return taken
    },

    async list({ state, ...query }) {
      if (state === 'parked') return page('parked', query, (id) => snapshot(id, ['parked']))
      return page('due', query, (name) =>
        name.startsWith('a:') ? snapshot(name.slice(2), ['pending', 'claimed']) : Promise.resolve(null),
      )
    },

    async reservations(query) {
      return page('due', query, (name) =>
        name.startsWith('r:') ? readable(readers.reservation(name.slice(2))) : Promise.resolve(null),
      )
    },

    async stats() {
      const counts = await countAll()
      const overdue = counts.map(({ firstInMs }) => (firstInMs === null ? 0 : Math.max(-firstInMs, 0)))
      return {
        open: counts.reduce((sum, { due }) => sum + due, 0),
        parked: counts.reduce((sum, { parked }) => sum + parked, 0),
        overdueMs: Math.max(...overdue),
      }
    },

    async nextDueInMs() {
      const firsts = (await countAll()).map(({ firstInMs }) => firstInMs).filter((inMs) => inMs !== null)
      return firsts.length === 0 ? null : Math.max(Math.min(...firsts), 0)
    },
  }

  async function countAll() {
    return Promise.all(
      indexes.map(async ({ due, parked }) => {
        const reply = await link.run(scripts.count, [due, parked], [])
        reply.oneOf('counts')
        return { due: reply.integer(), parked: reply.integer(), firstInMs: reply.integerOrNull() }
      }),
    )
  }

  /** The record, unless it has changed its state since the index was read. */
  async function snapshot(id: string, states: readonly Snapshot['state'][]): Promise<Snapshot | null> {
    const found = await readable(readers.get(id))
    return found !== null && states.includes(found.state) ? found : null
  }
}

/** Leaves out what cannot be read: one damaged entry must not hide all others. */
async function readable<Value>(reading: Promise<Value | null>): Promise<Value | null> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof CheqpointError && error.code === 'store-answer') return null
    throw error
  }
}

function pairs(items: readonly string[]): readonly (readonly [string, string])[] {
  return Array.from({ length: items.length / 2 }, (_, at) => [items[2 * at] ?? '', items[2 * at + 1] ?? ''] as const)
}

function writeCursor(positions: readonly Position[]): string {
  return Buffer.from(JSON.stringify(positions)).toString('base64url')
}

function readCursor(cursor: string | undefined, partitions: number): Position[] {
  if (cursor === undefined) return Array.from({ length: partitions }, () => null)
  try {
    const positions: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (Array.isArray(positions) && positions.length === partitions && positions.every(isPosition)) return positions
  } catch {
    // Not one of ours either.
  }
  throw new CheqpointError('argument-invalid', 'a cursor must be one that the page before gave')
}

function isPosition(value: unknown): value is Position {
  if (value === null) return true
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string')
}
