import { isCheqpointError } from '../../model/errors.js'
import { checkedDuration, checkedStamp, checkedTime, invalidArgument, parseState } from '../entry-values.js'
import type { Entry, Store, Stored } from '../store.js'
import type { RedisKeys } from './keys.js'
import { asArray, asInteger, asText, type RedisLink, wrongReply } from './link.js'
import * as scripts from './scripts.js'

/** The six methods of a store, over one script each, on keys of one prefix. */
export function redisEntries(link: RedisLink, keys: RedisKeys): Omit<Store, 'check' | 'close'> {
  const { indexes } = keys

  async function ask(key: string, digest?: string): Promise<Stored & { readonly isRemoved?: boolean }> {
    const script = digest === undefined ? scripts.read : scripts.inspect
    const reply = await link.run(script, keys.of(key), digest === undefined ? [key] : [key, digest])
    const [seconds, micros, kind, text, at, extra] = asArray(reply)
    const now = asInteger(seconds) * 1_000 + Math.floor(asInteger(micros) / 1_000)
    if (kind === 'none') return { now, entry: null }
    if (kind === 'removed') return { now, entry: null, isRemoved: true }
    if (kind === 'unreadable') return { now, entry: null, unreadable: asText(text) }
    if (kind !== 'entry') throw wrongReply(kind, 'one of four words')
    const entry = readEntry(asText(text))
    const dueAt = at === null ? null : asInteger(at)
    const isListed = dueAt !== null || (entry?.parkedAt === null) === (extra === null)
    const isSound = entry !== null && (entry.dueAt === null) === (dueAt === null) && isListed
    if (digest === undefined && !isSound) return ask(key, '')
    return entry === null ? { now, entry, unreadable: asText(extra) } : { now, entry: { ...entry, dueAt } }
  }

  /** A change waits for the replicas. A repeated one as well: they may lack what was written before its response was lost. */
  const changed = async (key: string, done: boolean): Promise<boolean> => {
    if (done) await link.replicate(keys.of(key)[0])
    return done
  }

  /** The next `count` keys or more of an index, with their times. */
  async function next(index: 'due' | 'parked', partition: number, count: number, [seen, last]: Position) {
    const name = indexes[partition]?.[index] ?? ''
    const found = pairs(partition, asArray(await link.run(scripts.page, [name], [String(count), seen])))
    // Redis orders members of one time by their bytes.
    return found.filter(({ key, at }) => at !== seen || Buffer.compare(Buffer.from(key), Buffer.from(last)) > 0)
  }

  return {
    read: (key) => ask(key),
    async write(key, expected, entry, { keepMs, intake } = {}) {
      // What is written over itself is there already; no entry starts with an empty line.
      const line = expected === null ? '' : expected === entry.stamp ? '\n' : `1 ${expected}\n`
      // Redis has no time to live of 0.
      const keep = keepMs === undefined ? '' : String(Math.max(checkedDuration(keepMs), 1))
      const args = [key, line, `${entry.dueAt ?? ''}`, `${entry.parkedAt ?? ''}`, keep, writeEntry(entry)]
      const send = async (first: string) => asInteger(await link.run(scripts.write, keys.of(key), [...args, first]))
      const written = await send('').catch((error: unknown) => {
        // A full server takes nothing new, and what it holds can end.
        if (intake === true || !isCheqpointError(error, 'store-full')) throw error
        return send('GETEX')
      })
      if (written !== 0 && written !== 1) throw wrongReply(written, '1 or 0')
      return changed(key, written === 1)
    },
    /** With one partition, one script call. With several, all are read first, and those with the oldest keys are taken from. */
    async takeDue(limit, hideMs) {
      const hide = String(checkedDuration(hideMs))
      const next = new Map<number, number | null>()
      const failures: unknown[] = []
      const take = async (partition: number, count: number, hidden: string) => {
        const names = [indexes[partition]?.due ?? '', ...(partition === 0 ? [keys.number] : [])] as const
        const [wait, ...items] = asArray(await link.run(scripts.take, names, [String(count), hidden]))
        next.set(partition, wait === null ? null : asInteger(wait))
        return pairs(partition, items)
      }
      // A partition that fails must not hold up the others: what those handed out is hidden from every other taker.
      const sorted = async (calls: readonly ReturnType<typeof take>[]) => {
        const settled = await Promise.allSettled(calls)
        for (const each of settled) if (each.status === 'rejected') failures.push(each.reason)
        return settled.flatMap((each) => (each.status === 'fulfilled' ? each.value : [])).sort(byTime)
      }
      const shares = new Map<number, number>()
      if (indexes.length === 1) shares.set(0, limit)
      else
        for (const { partition } of (await sorted(indexes.map((_, at) => take(at, limit, '')))).slice(0, limit))
          shares.set(partition, (shares.get(partition) ?? 0) + 1)
      const taken = await sorted([...shares].map(([partition, share]) => take(partition, share, hide)))
      if (taken.length === 0 && failures.length > 0) throw failures[0]
      const waits = failures.length > 0 ? [0] : [...next.values()].filter((wait) => wait !== null)
      return { keys: taken.map(({ key }) => key), nextDueInMs: waits.length === 0 ? null : Math.min(...waits) }
    },
    /** Pages through the indexes of all partitions as if they were one. Keeps nothing in between. */
    async list(index, { limit, cursor }) {
      const positions = readCursor(index, cursor, indexes.length)
      // One more than wanted tells whether this is the last page.
      const parts = await Promise.all(positions.map((from, partition) => next(index, partition, limit + 1, from)))
      const found = parts.flat().sort(byTime)
      const picked = found.slice(0, limit)
      for (const { partition, at, key } of picked) positions[partition] = [at, key]
      const shown = await Promise.all(picked.map(async ({ key }) => ({ key, ...(await ask(key, '')) })))
      const isThere = ({ entry, unreadable }: Stored): boolean =>
        // Not what has left the index since.
        unreadable !== undefined || typeof (index === 'due' ? entry?.dueAt : entry?.parkedAt) === 'number'
      const items = shown.filter(isThere).map(({ key, entry }) => ({ key, entry }))
      const end = Buffer.from(JSON.stringify([index, ...positions])).toString('base64url')
      return { items, cursor: found.length === picked.length ? null : end }
    },
    async count() {
      const total = { open: 0, parked: 0, overdueMs: 0 }
      const replies = await Promise.all(indexes.map(({ due, parked }) => link.run(scripts.count, [due, parked], [])))
      for (const reply of replies) {
        const [open, parked, overdueMs] = asArray(reply)
        total.open += asInteger(open)
        total.parked += asInteger(parked)
        total.overdueMs = Math.max(total.overdueMs, asInteger(overdueMs))
      }
      return total
    },
    remove: async (key, unreadable) => changed(key, (await ask(key, unreadable)).isRemoved === true),
  }
}

/**
 * The stored form of an entry, a text of three lines: `1 <stamp>`, `<parkedAt> <dueAt>`, and the state as JSON; 1 is the
 * version of this form. While an entry is in the due index, the score there is its dueAt, because `take` moves that alone;
 * the second line says whether it belongs there.
 */
export function writeEntry({ stamp, dueAt, parkedAt, state }: Entry): string {
  // Bytes that are no UTF-8 are decoded to U+FFFD. Escaped where it is meant, it shows damage.
  const text = JSON.stringify(state).replaceAll('\ufffd', '\\ufffd')
  return `1 ${checkedStamp(stamp)}\n${checkedTime(parkedAt) ?? ''} ${checkedTime(dueAt) ?? ''}\n${text}`
}

function readEntry(text: string): Entry | null {
  const [header = '', stamp = '', parkedAt, dueAt] = /^1 ([ -~]+)\n(-?\d*) (-?\d*)\n/.exec(text) ?? []
  const state = header === '' || text.includes('\ufffd') ? null : parseState(text.slice(header.length))
  const time = (digits: string | undefined): number | null => (digits ? Number(digits) : null)
  return state && { stamp, dueAt: time(dueAt), parkedAt: time(parkedAt), state }
}

type Member = { readonly partition: number; readonly key: string; readonly at: string }

/** Members of a sorted set with their scores, which alternate in a reply. */
function pairs(partition: number, items: readonly unknown[]): Member[] {
  const texts = items.map(asText)
  return texts.flatMap((key, at) => (at % 2 === 0 ? [{ partition, key, at: texts[at + 1] ?? '' }] : []))
}

const byTime = (a: Member, b: Member): number => Number(a.at) - Number(b.at)

/** Where a page ended in one partition. */
type Position = readonly [time: string, key: string]

function readCursor(index: string, cursor: string | undefined, partitions: number): Position[] {
  if (cursor === undefined) return Array.from({ length: partitions }, () => ['-inf', ''])
  try {
    const [of, ...positions]: unknown[] = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (of === index && positions.length === partitions && positions.every(isPosition)) return positions
  } catch {
    // Reported below, as any other text that is no cursor.
  }
  throw invalidArgument('cursor must be the one that the page before returned')
}

function isPosition(value: unknown): value is Position {
  const [time, key] = Array.isArray(value) && value.length === 2 ? value : []
  return typeof time === 'string' && /^-(inf|\d+)$|^\d+$/.test(time) && typeof key === 'string'
}
