import { CheqpointError, isCheqpointError } from '../../model/errors.js'
import type { Page, PageQuery, Reservation, Snapshot, Store } from '../store.js'
import type { RedisKeys } from './keys.js'
import type { RedisLink } from './link.js'
import * as scripts from './scripts.js'

type Pages = Pick<Store, 'list' | 'reservations'>

/** Where a page ended in one partition; `null` before the first page. */
type Position = readonly [score: string, member: string] | null

/** A member of an index with its score, as Redis writes it. */
interface Place {
  readonly partition: number
  readonly score: string
  readonly member: string
}

/** A page is given short rather than that one call goes through everything that is not to stand on it. */
const mostRounds = 100

/** Pages through the due and parked indexes of all partitions as if they were one. Nothing is kept between pages. */
export function redisPages(
  link: RedisLink,
  keys: RedisKeys,
  { get, reservation }: Pick<Store, 'get' | 'reservation'>,
): Pages {
  const indexes = keys.indexes()

  /** The next `count` places in each partition, in the order of all. */
  async function next(index: 'due' | 'parked', count: number, positions: readonly Position[]) {
    const places = await Promise.all(
      indexes.map(async ({ [index]: key }, partition): Promise<readonly Place[]> => {
        const reply = await link.run(scripts.page, [key], [String(count), ...(positions[partition] ?? ['', ''])])
        reply.oneOf('page')
        const items = reply.rest()
        return items.flatMap((member, at) => (at % 2 === 0 ? [{ partition, member, score: items[at + 1] ?? '' }] : []))
      }),
    )
    return places.flat().sort((a, b) => Number(a.score) - Number(b.score))
  }

  async function page<Item>(
    index: 'due' | 'parked',
    { limit, cursor }: PageQuery,
    read: (member: string) => Promise<Item | null>,
  ): Promise<Page<Item>> {
    const positions = readCursor(cursor, keys.partitions)
    const items: Item[] = []
    for (let round = 1; ; round++) {
      const wanted = limit - items.length
      // One more than wanted tells whether this is the last page.
      const places = await next(index, wanted + 1, positions)
      const picked = places.slice(0, wanted)
      for (const { partition, score, member } of picked) positions[partition] = [score, member]
      const found = await Promise.all(picked.map(({ member }) => read(member)))
      items.push(...found.filter((item) => item !== null))
      if (places.length === picked.length) return { items, cursor: null }
      if (items.length >= limit || round >= mostRounds) return { items, cursor: writeCursor(positions) }
    }
  }

  return {
    async list({ state, ...query }) {
      return state === 'parked'
        ? page('parked', query, (id) => snapshot(id, 'parked'))
        : page('due', query, async (member) =>
            member.startsWith('a:') ? snapshot(member.slice(2), 'pending', 'claimed') : null,
          )
    },

    async reservations(query) {
      return page(
        'due',
        query,
        async (member): Promise<Reservation | null> =>
          member.startsWith('r:') ? readable(reservation(member.slice(2))) : null,
      )
    },
  }

  /** The record, unless it has changed its state since the index was read. */
  async function snapshot(id: string, ...states: readonly Snapshot['state'][]): Promise<Snapshot | null> {
    const found = await readable(get(id))
    return found !== null && states.includes(found.state) ? found : null
  }
}

/** Leaves out what cannot be read: one damaged entry must not hide all others. */
async function readable<Value>(reading: Promise<Value | null>): Promise<Value | null> {
  try {
    return await reading
  } catch (error) {
    if (isCheqpointError(error, 'store-answer')) return null
    throw error
  }
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
